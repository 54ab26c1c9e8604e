"""The three faces of a handover's page: the plan editor, the live progress, the report."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.enums import HandoverKind, HandoverState, ItemState, RequestState
from contacts.models import Handover
from contacts.queries import UNDECIDED, handover_progress
from contacts.wecom import wecom
from crm.access import Viewer
from crm.forms.handovers import PlanForm, ReassignForm, StartForm
from crm.handover_queries import (
    PlannedShare,
    colleagues_for,
    items_of,
    last_proposal,
    next_step,
    plan_preview,
    receiver_rows,
    rest_of,
    undo_outlook,
)
from crm.paging import page_of, search_words, whole_number
from crm.templatetags.liuke import listed

ITEMS_SIZE = 25
NAMES_SHOWN = 5

SHOWN = (*ItemState.values, "undecided", "undone", "not_undone")

Forms = dict[str, Any]


def show_face(
    request: HttpRequest, viewer: Viewer, handover: Handover, status: int = 200, **given: Any
) -> HttpResponse:
    """Render the face of the handover; ``given`` are forms with what the person has typed."""
    handover.refresh_from_db()
    if handover.state == HandoverState.PLANNED:
        template, context = "crm/handover_plan.html", _plan_face(viewer, handover, given)
    elif handover.state == HandoverState.RUNNING:
        template, context = (
            "crm/handover_running.html",
            _running_face(request, viewer, handover, given),
        )
    else:
        template, context = "crm/handover_done.html", _items_face(request, handover)
    if handover.state != HandoverState.PLANNED:
        context["undo"] = undo_outlook(handover, now=timezone.now())
    return render(request, template, context, status=status)


def _plan_face(viewer: Viewer, handover: Handover, given: Forms) -> dict[str, Any]:
    shares = plan_preview(handover)
    given_to = [share for share in shares if share.staff]
    plan = given.get("plan") or PlanForm(viewer, handover, initial=last_proposal(handover))
    words = search_words(given.get("words"))
    return {
        "handover": handover,
        "plan": plan,
        "start": given.get("start") or StartForm(handover),
        "shares": shares,
        "is_proposed": bool(given_to),
        "has_conflicts": any(share.conflicts for share in shares),
        "moving": sum(share.customers for share in given_to),
        "receivers": _names(given_to),
        "by_channel": sum(share.by_channel for share in given_to),
        "at_once": sum(share.at_once for share in given_to),
        "left_over": sum(share.customers for share in shares if not share.staff),
        "colleagues": colleagues_for(viewer, handover, chosen=plan.ticked(), words=words),
        "ticked": plan.ticked(),
        "words": words,
        "rest": rest_of(handover),
        "is_departure": handover.kind == HandoverKind.DEPARTURE,
    }


def _names(shares: list[PlannedShare]) -> str:
    """Name the receivers, the first five of many, for the question before the start."""
    names = [share.staff.name for share in shares if share.staff]
    if len(names) <= NAMES_SHOWN:
        return listed(names)
    more = _("%(n)s more") % {"n": len(names) - NAMES_SHOWN}
    return listed([*names[:NAMES_SHOWN], more])


def _running_face(
    request: HttpRequest, viewer: Viewer, handover: Handover, given: Forms
) -> dict[str, Any]:
    context = _items_face(request, handover)
    form = given.get("reassign") or ReassignForm(viewer, handover, initial=_so_far(request))
    words = search_words(given.get("words", request.GET.get("q")))
    if context["progress"].undecided:
        context["colleagues"] = colleagues_for(viewer, handover, chosen=form.ticked(), words=words)
    return context | {
        "reassign": form,
        "ticked": form.ticked(),
        "chosen_items": form.ticked("items"),
        "words": words,
        "retryable": [state.value for state in UNDECIDED],
        "offers": [pair for pair in context["states"].items() if pair[0] in UNDECIDED and pair[1]],
    }


def _so_far(request: HttpRequest) -> dict[str, Any]:
    """Return what was ticked on a page that refreshes itself because customers have moved."""
    return {
        "receivers": request.GET.getlist("receivers"),
        "items": request.GET.getlist("items"),
        "all_of": request.GET.get("all_of", ""),
    }


def _items_face(request: HttpRequest, handover: Handover) -> dict[str, Any]:
    """Add the filtered table of items to the progress."""
    state, after = request.GET.get("state", ""), whole_number(request.GET.get("after"))
    page = page_of(items_of(handover, state, after), ITEMS_SIZE)
    return progress_context(handover) | {
        "items": [(item, next_step(item, handover)) for item in page.rows],
        "last": page.last,
        "state": state if state in SHOWN else "",
        "after": after,
    }


def progress_context(handover: Handover) -> dict[str, Any]:
    """Everything that moves while the handover runs; every row and sum comes from one count."""
    progress = handover_progress(handover)
    states = {state: progress.states[state] for state in ItemState if progress.states.get(state)}
    return {
        "handover": handover,
        "progress": progress,
        "states": states,
        "used_states": list(states),
        "stand": "-".join(f"{state.value}.{count}" for state, count in states.items()),
        "totals": list(states.values()),
        "receiver_rows": receiver_rows(progress, list(states)),
        "accepted": states.get(ItemState.ACCEPTED, 0),
        "unclear_requests": progress.requests.get(RequestState.UNCLEAR, 0),
        "rest": rest_of(handover),
        "is_departure": handover.kind == HandoverKind.DEPARTURE,
        "channel": wecom() is not None,
    }
