"""What goes for a pool: read and changed by its managers."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from contacts.actions.pool_rules import drop_rule, save_rule
from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import Store
from contacts.pools import company_rule, rule_of
from crm.access import Viewer, stores_of, viewer_as
from crm.forms.pool import RuleForm
from crm.paging import whole_number

COMPANY = "company"


@login_required
@require_http_methods(["GET", "POST"])
def pool_rules(request: HttpRequest) -> HttpResponse:
    """Show what goes for one store, or for all without a rule; on POST change it."""
    viewer = viewer_as(request, Role.MANAGER)
    store = _store(viewer, request.POST.get("store") or request.GET.get("store") or "")
    rule = rule_of(store) if store else company_rule()
    form = RuleForm(rule, request.POST if request.method == "POST" else None)
    if form.is_valid() and _save(form, viewer, store):
        messages.success(request, _("This goes from now on."))
        return redirect(_address(store))
    context = {
        "form": form,
        "store": store,
        "stores": stores_of(viewer, Role.MANAGER).order_by("name", "pk"),
        "sees_all": viewer.stores_for(Role.MANAGER) is None,
        "has_own": bool(store and rule.pk and rule.store_id),
        "company": COMPANY,
    }
    status = 400 if request.method == "POST" else 200
    return render(request, "crm/pool_rules.html", context, status=status)


@login_required
@require_POST
def pool_rule_drop(request: HttpRequest) -> HttpResponse:
    """Let the company's rule go for a store again."""
    viewer = viewer_as(request, Role.MANAGER)
    store = _store(viewer, request.POST.get("store") or "")
    if store:
        drop_rule(store, actor=viewer.staff, now=timezone.now())
        messages.success(request, _("The company's rule goes for %(store)s.") % {"store": store})
    return redirect(_address(store))


def _store(viewer: Viewer, given: str) -> Store | None:
    """Return the store that is asked for, or nothing for the whole company; 404 out of scope."""
    stores = stores_of(viewer, Role.MANAGER).order_by("name", "pk")
    if given == COMPANY:
        if viewer.stores_for(Role.MANAGER) is not None:
            raise Http404
        return None
    if given:
        return get_object_or_404(stores, pk=whole_number(given) or 0)
    mine = stores.filter(pk=viewer.staff.store_id or 0).first() or stores.first()
    if mine is None:
        raise Http404
    return mine


def _save(form: RuleForm, viewer: Viewer, store: Store | None) -> bool:
    try:
        save_rule(store, form.cleaned_data, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return False
    return True


def _address(store: Store | None) -> str:
    return f"{reverse('pool_rules')}?store={store.pk if store else COMPANY}"
