"""Levelling the load of a store: who holds too much, and the plans that would even it out."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from contacts.enums import HandoverState, Role
from contacts.errors import RuleBroken
from contacts.levels import level_loads
from contacts.models import Store
from crm.access import Viewer, stores_of, viewer_as
from crm.actions.plans import plan_levelling
from crm.paging import whole_number


@login_required
@require_http_methods(["GET", "POST"])
def level_page(request: HttpRequest) -> HttpResponse:
    """Show how full the guides of a store are; on POST plan a handover for each who is too full."""
    viewer = viewer_as(request, Role.MANAGER)
    stores = stores_of(viewer, Role.MANAGER).order_by("name", "pk")
    given = request.POST.get("store") or request.GET.get("store")
    store = get_object_or_404(stores, pk=whole_number(given) or 0) if given else _own(viewer)
    if request.method == "POST" and store:
        return _plan(request, viewer, store)
    loads = level_loads(store) if store else []
    context = {
        "stores": stores,
        "store": store,
        "loads": loads,
        "moving": sum(load.given for load in loads),
        "givers": sum(bool(load.gives) for load in loads),
    }
    return render(request, "crm/handover_level.html", context)


def _own(viewer: Viewer) -> Store | None:
    mine = stores_of(viewer, Role.MANAGER).filter(pk=viewer.staff.store_id or 0).first()
    return mine or stores_of(viewer, Role.MANAGER).order_by("name", "pk").first()


def _plan(request: HttpRequest, viewer: Viewer, store: Store) -> HttpResponse:
    try:
        plans = plan_levelling(store, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect(f"{reverse('level_page')}?store={store.pk}")
    said = ngettext(
        "%(n)s handover is planned. Look at it, then start it.",
        "%(n)s handovers are planned. Look at each, then start it.",
        len(plans),
    )
    messages.success(request, said % {"n": len(plans)})
    if len(plans) == 1:
        return redirect("handover_page", pk=plans[0].pk)
    return redirect(f"{reverse('handover_list')}?state={HandoverState.PLANNED}")
