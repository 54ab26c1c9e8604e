"""Today: the first page, and whom to contact now."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from crm.access import viewer_of
from crm.queries import day_of

NOON, EVENING = 12, 18


@login_required
@require_GET
def today(request: HttpRequest) -> HttpResponse:
    """Show what waits for the viewer, by what their roles are."""
    viewer = viewer_of(request)
    now = timezone.now()
    context = {
        "greeting": _greeting(timezone.localtime(now).hour) % {"name": viewer.staff.name},
        "now": now,
        "day": day_of(viewer, now=now),
    }
    return render(request, "crm/today.html", context)


def _greeting(hour: int) -> str:
    if hour < NOON:
        return _("Good morning, %(name)s")
    return _("Good afternoon, %(name)s") if hour < EVENING else _("Good evening, %(name)s")
