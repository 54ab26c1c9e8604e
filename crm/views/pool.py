"""The pool: guides claim, managers assign."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.handovers import Share
from contacts.actions.pools import (
    assign_from_pool,
    claim_customer,
    claim_next,
    preview_assignment,
)
from contacts.actions.sharing import Strategy
from contacts.enums import Role, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, OwnershipPeriod, Tag
from crm.access import (
    Viewer,
    colleagues_of,
    customer_to_claim,
    offered_in_pool,
    pool_of,
    require_guide,
    stores_of,
    viewer_as,
    viewer_of,
)
from crm.forms.pool import AssignForm
from crm.paging import page_of, whole_number
from crm.pool_queries import (
    PoolFilter,
    allowance_of,
    rounds_in,
    shown,
    takers_for,
)
from crm.views.refusals import moved_on

PAGE_SIZE = 50
FORMER_OFFERED = 100
WAITS = (1, 3, 7, 30, 90)
VALUES = (500, 1000, 5000, 10000)


@login_required
@require_GET
def pool_page(request: HttpRequest) -> HttpResponse:
    """Show managers who rests in their pools, and guides whom they may claim."""
    viewer = viewer_of(request)
    if viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return _manage(request, viewer, AssignForm(viewer), request.GET)
    require_guide(viewer)
    now = timezone.now()
    context = {
        "rows": list(shown(offered_in_pool(viewer, now=now))),
        "allowance": allowance_of(viewer.staff, now=now),
        "store": viewer.staff.store,
    }
    return render(request, "crm/pool_claim.html", context)


@login_required
@require_POST
def pool_claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Claim one customer, and go to their page."""
    viewer, now = viewer_of(request), timezone.now()
    customer = customer_to_claim(viewer, pk, now=now)

    def claim() -> Customer:
        claim_customer(customer, staff=viewer.staff, now=now)
        return customer

    return _claimed(request, claim)


@login_required
@require_POST
def pool_next(request: HttpRequest) -> HttpResponse:
    """Claim whoever is next, and go to their page."""
    viewer = viewer_of(request)
    require_guide(viewer)
    return _claimed(request, lambda: claim_next(viewer.staff, now=timezone.now()))


def _claimed(request: HttpRequest, claim: Callable[[], Customer]) -> HttpResponse:
    try:
        customer = claim()
    except RuleBroken as error:
        messages.error(request, str(error))
    except MovedOn as error:
        return moved_on(request, error, back=reverse("pool_page"))
    else:
        said = _("%(name)s is yours now. Say hello.") % {"name": customer}
        messages.success(request, said)
        return redirect("customer_page", pk=customer.pk)
    return redirect("pool_page")


@login_required
@require_POST
def pool_assign(request: HttpRequest) -> HttpResponse:
    """Show who would get how many; once that is confirmed, assign. What matches is looked up here."""
    viewer = viewer_as(request, Role.MANAGER)
    form = AssignForm(viewer, request.POST)
    if not form.is_valid():
        return _manage(request, viewer, form, request.POST, status=400)
    people, strategy = list(form.cleaned_data["receivers"]), Strategy(form.cleaned_data["strategy"])
    try:
        pooled = _chosen(viewer, form, request.POST)
        if "confirmed" not in request.POST:
            shares = preview_assignment(pooled, people, strategy=strategy)
            return _preview(request, form, shares)
        shares = assign_from_pool(
            pooled, people, strategy=strategy, actor=viewer.staff, now=timezone.now()
        )
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _manage(request, viewer, form, request.POST, status=400)
    given = sum(share.customers for share in shares if share.staff)
    said = ngettext(
        "%(n)s customer has been assigned.", "%(n)s customers have been assigned.", given
    )
    messages.success(request, said % {"n": given})
    return redirect(_address(PoolFilter.read(request.POST)))


def _chosen(viewer: Viewer, form: AssignForm, given: Any) -> QuerySet[OwnershipPeriod]:
    ticked = [customer.pk for customer in form.cleaned_data["customers"]]
    if not form.is_of_all():
        return pool_of(viewer).filter(customer__in=ticked)
    chosen = PoolFilter.check({name: given.get(name, "") for name in PoolFilter().as_query()})
    found = chosen.apply(pool_of(viewer), now=timezone.now())
    return found.exclude(customer__in=ticked) if form.spares_ticked() else found


def _preview(request: HttpRequest, form: AssignForm, shares: list[Share]) -> HttpResponse:
    chosen = PoolFilter.read(request.POST)
    given = sum(share.customers for share in shares if share.staff)
    context = {
        "shares": shares,
        "given": given,
        "rest": sum(share.customers for share in shares) - given,
        "chosen": chosen,
        "back": _address(chosen),
        "which": form.cleaned_data["which"],
        "strategy": form.cleaned_data["strategy"],
        "ticked": sorted(form.ticked("customers")),
    }
    return render(request, "crm/pool_assign.html", context)


def _address(chosen: PoolFilter) -> str:
    query = {name: value for name, value in chosen.as_query().items() if value}
    return f"{reverse('pool_page')}?{urlencode(query)}" if query else reverse("pool_page")


def _manage(
    request: HttpRequest, viewer: Viewer, form: AssignForm, given: Any, status: int = 200
) -> HttpResponse:
    chosen = PoolFilter.read(given)
    found = chosen.apply(pool_of(viewer), now=timezone.now())
    stores = list(stores_of(viewer, Role.MANAGER).order_by("name", "pk"))
    former = colleagues_of(viewer).filter(state=StaffState.DEPARTED)
    page = page_of(shown(_after(found, given)).order_by("began_at", "pk"), PAGE_SIZE)
    context = {
        "page": page,
        "matching": found.count(),
        "chosen": chosen,
        "query": urlencode({name: value for name, value in chosen.as_query().items() if value}),
        "form": form,
        "ticked": form.ticked("customers"),
        "ticked_receivers": form.ticked("receivers"),
        "stores": stores,
        "takers": takers_for(viewer, chosen.store),
        "tags": Tag.objects.order_by("group__position", "group_id", "position", "pk"),
        "former": former.order_by("-departed_at", "pk")[:FORMER_OFFERED],
        "rounds": rounds_in(stores),
        "waits": WAITS,
        "values": VALUES,
    }
    return render(request, "crm/pool_manage.html", context, status=status)


def _after(found: QuerySet[OwnershipPeriod], given: Any) -> QuerySet[OwnershipPeriod]:
    anchor = OwnershipPeriod.objects.filter(pk=whole_number(given.get("after")) or 0).first()
    if anchor is None:
        return found
    same_moment = Q(began_at=anchor.began_at, pk__gt=anchor.pk)
    return found.filter(Q(began_at__gt=anchor.began_at) | same_moment)
