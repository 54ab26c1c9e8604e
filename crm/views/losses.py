"""Losses: who left, why, what was done about it, and how often it happens to whom."""

from collections.abc import Iterator
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.exports import note_export
from contacts.actions.loss_decisions import ask_to_win_back, give_reason, write_off
from contacts.enums import LossKind, LossReason, LossState, Role
from contacts.errors import RuleBroken
from contacts.models import Loss
from crm.access import (
    Viewer,
    loss_for,
    losses_of,
    staff_of,
    stores_of,
    viewer_as,
)
from crm.csv_files import csv_response
from crm.forms.losses import OWNERS_OFFERED, LossFilter, ReasonForm, WinBackForm
from crm.loss_queries import GROUPS, ORDERS, rates, sorted_rates, totals_of
from crm.paging import Page, page_of, whole_number
from crm.views.refusals import press

PAGE_SIZE = 50
CSV_CHUNK = 2000


@login_required
@require_GET
def loss_list(request: HttpRequest) -> HttpResponse:
    """List the losses of a period, newest first, with what they add up to."""
    viewer = viewer_as(request, Role.MANAGER)
    chosen = LossFilter.read(request.GET, now=timezone.now())
    found = chosen.apply(losses_of(viewer))
    page = _page(viewer, found, whole_number(request.GET.get("after")))
    context = {
        "page": page,
        "older": chosen.address(after=page.last.pk) if page.last else "",
        "chosen": chosen,
        "totals": totals_of(found),
        "stores": stores_of(viewer, Role.MANAGER).order_by("name", "pk"),
        "people": staff_of(viewer).order_by("name_key", "pk")[:OWNERS_OFFERED],
        "kinds": LossKind.choices,
        "states": LossState.choices,
        "last_year": LossFilter.of_days(365, now=timezone.now()).address(),
    }
    return render(request, "crm/loss_list.html", context)


def _page(viewer: Viewer, found: QuerySet[Loss], after: int | None) -> Page[Loss]:
    anchor = losses_of(viewer).filter(pk=after).first() if after else None
    if anchor:
        found = found.filter(Q(at__lt=anchor.at) | Q(at=anchor.at, pk__lt=anchor.pk))
    rows = found.select_related("customer", "staff", "owner", "store")
    return page_of(rows.order_by("-at", "-pk"), PAGE_SIZE)


@login_required
@require_POST
def loss_report(request: HttpRequest) -> StreamingHttpResponse:
    """Download the losses of the filter as CSV; history says who did, and how many."""
    viewer = viewer_as(request, Role.MANAGER)
    found = LossFilter.read(request.GET, now=timezone.now()).apply(losses_of(viewer))
    note_export("losses", found.count(), actor=viewer.staff, now=timezone.now())
    return csv_response("losses.csv", _report(found))


def _report(found: QuerySet[Loss]) -> Iterator[tuple[object, ...]]:
    yield (
        _("Customer"),
        _("Lost"),
        _("How"),
        _("Colleague"),
        _("Owner"),
        _("Store"),
        _("Value"),
        _("Last contact"),
        _("State"),
        _("Reason"),
        _("Note"),
        _("Id"),
    )
    rows = found.select_related("customer", "staff", "owner", "store").order_by("-at", "-pk")
    for loss in rows.iterator(chunk_size=CSV_CHUNK):
        contact = loss.last_contact_at
        yield (
            str(loss.customer),
            timezone.localtime(loss.at).isoformat(sep=" ", timespec="seconds"),
            loss.get_kind_display(),
            loss.staff.name,
            loss.owner.name if loss.owner else "",
            loss.store.name,
            loss.value,
            timezone.localtime(contact).date().isoformat() if contact else "",
            loss.get_state_display(),
            loss.get_reason_display() if loss.reason else "",
            loss.note,
            loss.customer_id,
        )


@login_required
@require_GET
def loss_rates(request: HttpRequest) -> HttpResponse:
    """Compare guides or stores: losses beside the customers they were connected with."""
    viewer = viewer_as(request, Role.MANAGER)
    chosen = LossFilter.read(request.GET, now=timezone.now())
    by = request.GET.get("by") if request.GET.get("by") in GROUPS else GROUPS[0]
    order = request.GET.get("sort") if request.GET.get("sort") in ORDERS else ORDERS[0]
    rows = rates(viewer, str(by), since=chosen.begins, until=chosen.ends)
    context = {"rows": sorted_rates(rows, str(order)), "by": by, "order": order, "chosen": chosen}
    return render(request, "crm/loss_rates.html", context)


@login_required
@require_GET
def loss_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one loss, and what can be done about it."""
    viewer = viewer_as(request, Role.MANAGER)
    return _show(request, viewer, loss_for(viewer, pk))


@login_required
@require_POST
def loss_reason(request: HttpRequest, pk: int) -> HttpResponse:
    """Say why the customer left; on a mistake nothing that was typed is lost."""
    viewer = viewer_as(request, Role.MANAGER)
    loss = loss_for(viewer, pk)
    form = ReasonForm(request.POST)
    if form.is_valid():
        reason, note = LossReason(form.cleaned_data["reason"]), form.cleaned_data["note"]
        try:
            give_reason(loss, reason=reason, note=note, actor=viewer.staff, now=timezone.now())
        except RuleBroken as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The reason is saved."))
            return redirect(_address(loss))
    return _show(request, viewer, loss, reason=form, status=422)


@login_required
@require_POST
def loss_win_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Make winning the customer back somebody's task."""
    viewer = viewer_as(request, Role.MANAGER)
    loss = loss_for(viewer, pk)
    form = WinBackForm(viewer, request.POST)
    if not form.is_valid():
        return _show(request, viewer, loss, win_back=form, status=422)
    person = form.cleaned_data["staff"]
    ask = partial(ask_to_win_back, loss, person, actor=viewer.staff, now=timezone.now())
    done = _("%(name)s is asked to win the customer back.") % {"name": person.name}
    return press(request, ask, done=done, back=_address(loss))


@login_required
@require_POST
def loss_write_off(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the customer up."""
    viewer = viewer_as(request, Role.MANAGER)
    loss = loss_for(viewer, pk)
    give_up = partial(write_off, loss, actor=viewer.staff, now=timezone.now())
    return press(request, give_up, done=_("The customer is written off."), back=_address(loss))


def _show(
    request: HttpRequest,
    viewer: Viewer,
    loss: Loss,
    *,
    reason: ReasonForm | None = None,
    win_back: WinBackForm | None = None,
    status: int = 200,
) -> HttpResponse:
    said = {"reason": loss.reason, "note": loss.note}
    context = {
        "loss": loss,
        "reason_form": reason or ReasonForm(initial=said),
        "win_back_form": win_back or WinBackForm(viewer, initial={"staff": loss.owner_id}),
        "tasks": loss.customer.tasks.filter(kind="win_back").select_related("staff")[:5],
    }
    return render(request, "crm/loss_page.html", context, status=status)


def _address(loss: Loss) -> str:
    return reverse("loss_page", args=[loss.pk])
