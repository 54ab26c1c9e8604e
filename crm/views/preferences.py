"""Me: who I am here, and how the screens look to me."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.telling import choose_rhythm
from contacts.enums import NoticeRhythm, Role, Scope
from crm.access import viewer_of


@login_required
@require_GET
def preferences(request: HttpRequest) -> HttpResponse:
    """Show the person's own account: roles, language, light or dark, password, devices."""
    viewer = viewer_of(request)
    roles = [(role.label, scope.label) for role, scope in viewer.scopes.items()]
    context = {
        "roles": roles,
        "rhythms": NoticeRhythm.choices,
        "administers_all": viewer.scopes.get(Role.ADMINISTRATOR) == Scope.COMPANY,
    }
    return render(request, "crm/preferences.html", context)


@login_required
@require_POST
def rhythm(request: HttpRequest) -> HttpResponse:
    """Choose when notices are also sent through WeCom."""
    viewer = viewer_of(request)
    chosen = request.POST.get("rhythm", "")
    if chosen in NoticeRhythm.values:
        choose_rhythm(viewer.staff, NoticeRhythm(chosen))
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("Choose one of the three."))
    return redirect("preferences")
