"""The customers of a plan: filtered, paged, and moved by hand."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.plans import leave_out, move_customers
from contacts.enums import HandoverKind, HandoverState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover, HandoverItem, Staff, Tag
from crm.access import Viewer
from crm.forms.plans import MoveForm
from crm.handover_queries import colleagues_for, rest_of
from crm.paging import page_of, whole_number
from crm.plan_lists import CASES, POOL, PlanFilter, items_in
from crm.views.plans import address_of, manager_of
from crm.views.refusals import moved_on

PAGE_SIZE = 50
FILTERS = ("to", "q", "tag", "case")


@login_required
@require_GET
def plan_customers(request: HttpRequest, pk: int) -> HttpResponse:
    """List the customers of a plan, and let them be given to somebody else."""
    viewer, handover = manager_of(request, pk)
    if handover.state != HandoverState.PLANNED:
        return redirect(address_of(handover))
    return _show(request, viewer, handover, MoveForm(viewer, handover), request.GET)


@login_required
@require_POST
def handover_move(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the chosen customers to somebody else; what matches is looked up here, not sent."""
    viewer, handover = manager_of(request, pk)
    form = MoveForm(viewer, handover, request.POST)
    if not form.is_valid():
        return _show(request, viewer, handover, form, request.POST, status=400)
    try:
        said = _move(viewer, handover, form, request.POST)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, viewer, handover, form, request.POST, status=400)
    except MovedOn as error:
        return moved_on(request, error, back=address_of(handover))
    messages.success(request, said)
    if "to_plan" in request.POST:
        return redirect(address_of(handover))
    return redirect(f"{_address(handover)}?{_query(PlanFilter.read(request.POST))}")


def _move(viewer: Viewer, handover: Handover, form: MoveForm, given: Any) -> str:
    """Move the chosen customers, or leave them out of the handover, and say so."""
    chosen, actor, now = _chosen(handover, form, given), viewer.staff, timezone.now()
    if form.leaves_out():
        number = leave_out(handover, chosen, actor=actor, now=now)
        said = ngettext(
            "%(n)s customer is left out and stays with %(name)s.",
            "%(n)s customers are left out and stay with %(name)s.",
            number,
        )
    else:
        receiver = form.cleaned_data["receiver"]
        number = move_customers(handover, chosen, receiver, actor=actor, now=now)
        said = ngettext(
            "%(n)s customer has been moved.", "%(n)s customers have been moved.", number
        )
    return said % {"n": number, "name": handover.from_staff.name}


def _chosen(handover: Handover, form: MoveForm, given: Any) -> QuerySet[HandoverItem]:
    ticked: QuerySet[HandoverItem] = form.cleaned_data["items"]
    if not form.is_of_all():
        return ticked
    chosen = PlanFilter.check({name: given.get(name, "") for name in FILTERS})
    found = items_in(handover, chosen, now=timezone.now())
    return found.exclude(pk__in=ticked.values("pk")) if form.spares_ticked() else found


def _show(
    request: HttpRequest,
    viewer: Viewer,
    handover: Handover,
    form: MoveForm,
    given: Any,
    status: int = 200,
) -> HttpResponse:
    chosen = PlanFilter.read(given)
    found = items_in(handover, chosen, now=timezone.now())
    after = whole_number(given.get("after"))
    rows = found.select_related("customer__store", "to_staff").order_by("pk")
    page = page_of(rows.filter(pk__gt=after) if after else rows, PAGE_SIZE)
    context = {
        "handover": handover,
        "page": page,
        "matching": found.count(),
        "chosen": chosen,
        "is_narrowed": chosen != PlanFilter(),
        "query": _query(chosen),
        "after": after or "",
        "form": form,
        "ticked": form.ticked(),
        "receivers": _receivers(handover),
        "colleagues": colleagues_for(viewer, handover),
        "tags": Tag.objects.order_by("group__position", "group_id", "position", "pk"),
        "cases": _cases(),
        "pool": POOL,
        "out": "" if handover.kind == HandoverKind.DEPARTURE else MoveForm.OUT,
        "rest": rest_of(handover),
    }
    return render(request, "crm/plan_customers.html", context, status=status)


def _receivers(handover: Handover) -> QuerySet[Staff]:
    planned = HandoverItem.objects.filter(handover=handover)
    return Staff.objects.filter(pk__in=planned.values("to_staff")).order_by("name_key", "pk")


def _cases() -> list[tuple[str, str]]:
    words = {
        "asked": _("asked through WeCom"),
        "at_once": _("change hands at once"),
        "known": _("connected with the receiver already"),
        "moved": _("moved by hand"),
        "too_often": _("changed hands twice in 90 days"),
    }
    return [(case, words[case]) for case in CASES]


def _address(handover: Handover) -> str:
    return reverse("plan_customers", args=[handover.pk])


def _query(chosen: PlanFilter) -> str:
    return urlencode({name: value for name, value in chosen.as_query().items() if value})
