"""The three faces of a handover's page: the plan editor, the live progress, the report."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from contacts.actions.chats import chat_counts
from contacts.enums import HandoverKind, HandoverState, ItemState, RequestState
from contacts.models import Handover
from contacts.queries import UNDECIDED, handover_progress
from contacts.wecom import wecom
from crm.access import Viewer
from crm.chat_queries import chats_face
from crm.forms.chats import ChatsForm
from crm.forms.handovers import ReassignForm
from crm.handover_queries import (
    colleagues_for,
    items_of,
    next_step,
    receiver_rows,
    rest_of,
    undo_outlook,
)
from crm.paging import page_of, search_words, whole_number
from crm.views.plan_face import Forms, chats_alone, plan_face

ITEMS_SIZE = 25

SHOWN = (*ItemState.values, "undecided", "undone", "not_undone")


def show_face(
    request: HttpRequest, viewer: Viewer, handover: Handover, status: int = 200, **given: Any
) -> HttpResponse:
    """Render the face of the handover; ``given`` are forms with what the person has typed."""
    handover.refresh_from_db()
    if handover.state == HandoverState.PLANNED:
        template, context = "crm/handover_plan.html", plan_face(request, viewer, handover, given)
    elif handover.state == HandoverState.RUNNING:
        template, context = (
            "crm/handover_running.html",
            _running_face(request, viewer, handover, given),
        )
    else:
        template, context = "crm/handover_done.html", _items_face(request, handover)
    context |= _chats_face(request, viewer, handover, given)
    if handover.state == HandoverState.PLANNED:
        context |= chats_alone(handover, context)
    if handover.state != HandoverState.PLANNED:
        context["undo"] = undo_outlook(handover, now=timezone.now())
    return render(request, template, context, status=status)


def _chats_face(
    request: HttpRequest, viewer: Viewer, handover: Handover, given: Forms
) -> dict[str, Any]:
    """Add the group chats; what was ticked stays ticked while customers move."""
    initial = {"chats": request.GET.getlist("chats"), "owner": request.GET.get("owner")}
    form = given.get("chats") or ChatsForm(viewer, handover, initial=initial)
    after = whole_number(request.GET.get("chats_after"))
    return {
        "chats": chats_face(viewer, handover, after=after, now=timezone.now()),
        "chats_form": form,
        "chats_after": after,
        "ticked_chats": form.ticked(),
    }


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
    progress, chats = handover_progress(handover), chat_counts(handover)
    states = {state: progress.states[state] for state in ItemState if progress.states.get(state)}
    return {
        "handover": handover,
        "progress": progress,
        "states": states,
        "used_states": list(states),
        "stand": "-".join(
            f"{state.value}.{count}" for state, count in (*states.items(), *sorted(chats.items()))
        ),
        "totals": list(states.values()),
        "receiver_rows": receiver_rows(progress, list(states)),
        "accepted": states.get(ItemState.ACCEPTED, 0),
        "unclear_requests": progress.requests.get(RequestState.UNCLEAR, 0),
        "rest": rest_of(handover),
        "is_departure": handover.kind == HandoverKind.DEPARTURE,
        "channel": wecom() is not None,
    }
