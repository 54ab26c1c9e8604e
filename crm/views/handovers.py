"""Handovers: the plan, the progress and the report are three faces of one page."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.exports import note_export
from contacts.actions.handovers import (
    cancel_handover,
    reassign_items,
)
from contacts.actions.settlement import ask_now
from contacts.actions.undo import Undoing, undo_handover
from contacts.enums import HandoverState, Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover
from crm.access import handover_for, handovers_of, viewer_as
from crm.actions.announcing import finish
from crm.csv_files import csv_response
from crm.forms.handovers import ReassignForm
from crm.handover_queries import with_bars
from crm.handover_report import report_of
from crm.paging import page_of, whole_number
from crm.views.handover_faces import progress_context, show_face
from crm.views.refusals import moved_on, press

LIST_SIZE = 25


@login_required
@require_GET
def handover_list(request: HttpRequest) -> HttpResponse:
    """List handovers, newest first, with how far each one got."""
    viewer = viewer_as(request, Role.MANAGER)
    state = request.GET.get("state", "")
    found = handovers_of(viewer).select_related("from_staff", "store")
    if state in HandoverState.values:
        found = found.filter(state=state)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), LIST_SIZE)
    context = {
        "rows": with_bars(page.rows),
        "last": page.last,
        "state": state,
        "states": HandoverState.choices,
    }
    return render(request, "crm/handover_list.html", context)


@login_required
@require_GET
def handover_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a handover as its state asks for: plan editor, live progress, or report."""
    viewer = viewer_as(request, Role.MANAGER)
    return show_face(request, viewer, handover_for(viewer, pk))


@login_required
@require_GET
def handover_progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part of a running handover; once it has ended, ask for the whole page."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    context = progress_context(handover)
    response = render(request, "crm/parts/_handover_progress.html", context)
    if request.GET.get("was", context["stand"]) != context["stand"]:
        response["HX-Trigger"] = "handover-moved"
    if handover.state != HandoverState.RUNNING:
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def handover_reassign(request: HttpRequest, pk: int) -> HttpResponse:
    """Offer customers whom nobody took over to other colleagues."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    form = ReassignForm(viewer, handover, request.POST)
    if "find" in request.POST:
        form.errors.clear()
        return show_face(request, viewer, handover, reassign=form, words=request.POST.get("q", ""))
    if not form.is_valid():
        return show_face(request, viewer, handover, status=400, reassign=form)
    try:
        offered = reassign_items(
            handover,
            form.cleaned_data["item_ids"],
            list(form.cleaned_data["receivers"]),
            actor=viewer.staff,
            now=timezone.now(),
        )
    except RuleBroken as error:
        form.add_error(None, str(error))
        return show_face(request, viewer, handover, status=400, reassign=form)
    except MovedOn as error:
        return moved_on(request, error, back=_address(handover))
    said = ngettext(
        "%(n)s customer is offered again.", "%(n)s customers are offered again.", offered
    )
    messages.success(request, said % {"n": offered})
    return redirect(_address(handover))


@login_required
@require_POST
def handover_finish(request: HttpRequest, pk: int) -> HttpResponse:
    """Let whom nobody took over rest, and close the handover."""
    return _press(request, pk, finish, _("The handover is done."))


@login_required
@require_POST
def handover_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo everything that the channel has not been asked yet."""
    return _press(request, pk, cancel_handover, _("What had not been asked yet is cancelled."))


@login_required
@require_POST
def handover_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Give customers back: everybody, or those of the ticked items."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    items = [number for value in request.POST.getlist("items") if (number := whole_number(value))]
    if "chosen" in request.POST and not items:
        messages.error(request, _("Tick the customers who are to go back."))
        return redirect(f"{_address(handover)}?state=accepted#items")
    chosen = items if "chosen" in request.POST else None
    try:
        undoing = undo_handover(handover, actor=viewer.staff, now=timezone.now(), items=chosen)
    except RuleBroken as error:
        messages.error(request, str(error))
    except MovedOn as error:
        return moved_on(request, error, back=_address(handover))
    else:
        messages.success(request, _said_of(undoing))
    return redirect(_address(handover))


def _said_of(undoing: Undoing) -> str:
    going_back = undoing.withdrawn + undoing.giving_back
    said = ngettext("%(n)s customer goes back.", "%(n)s customers go back.", going_back)
    words = said % {"n": going_back} if going_back or not undoing.chats else ""
    if undoing.chats:
        chats = ngettext("%(n)s group chat goes back.", "%(n)s group chats go back.", undoing.chats)
        words = f"{words} {chats % {'n': undoing.chats}}".strip()
    if undoing.left_alone:
        alone = ngettext(
            "%(n)s has just been asked through WeCom and cannot be called back.",
            "%(n)s have just been asked through WeCom and cannot be called back.",
            undoing.left_alone,
        )
        words = f"{words} {alone % {'n': undoing.left_alone}}"
    return words


@login_required
@require_POST
def handover_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the channel now how the customers decided."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    asked = ask_now(handover, now=timezone.now())
    if asked:
        messages.success(request, _("WeCom has been asked."))
    else:
        messages.info(request, _("There is nothing to ask WeCom at this moment."))
    return redirect(_address(handover))


@login_required
@require_GET
def handover_report(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Download what became of every customer and every group chat, as CSV."""
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    note_export(
        "handover_items",
        handover.size + handover.chats.count(),
        actor=viewer.staff,
        now=timezone.now(),
        data={"handover": handover.pk},
    )
    return csv_response(f"handover-{handover.pk}.csv", report_of(handover))


def _address(handover: Handover) -> str:
    return reverse("handover_page", args=[handover.pk])


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = viewer_as(request, Role.MANAGER)
    handover = handover_for(viewer, pk)
    act = partial(action, handover, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(handover))
