"""The plan editor: everything that its page shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.enums import HandoverKind
from contacts.models import Handover
from crm.access import Viewer
from crm.actions.plans import plan_token
from crm.forms.plans import SaveForm, StartForm, StepForm, initial_step
from crm.handover_queries import colleagues_for, rest_of
from crm.paging import search_words
from crm.plan_lists import step_rows
from crm.plan_queries import (
    PlannedShare,
    PlanPreview,
    is_told_afterwards,
    plan_preview,
    sample_words,
)
from crm.templatetags.liuke import listed

NAMES_SHOWN = 5
SHARES_SHOWN = 8
LIVE_SIZE = 2000
"""Plans up to this size are previewed with every change of a step, before it is kept."""

Forms = dict[str, Any]


def plan_face(
    request: HttpRequest, viewer: Viewer, handover: Handover, given: Forms
) -> dict[str, Any]:
    """Return the context of the plan editor; ``given`` are forms with what the person has typed."""
    token = plan_token(handover)  # first, so that what changes while we count makes it stale
    start = given.get("start") or StartForm(handover)
    plan = given.get("plan") or _step_form(request, viewer, handover)
    words = search_words(given.get("words"))
    return {
        "handover": handover,
        "token": token,
        "steps": step_rows(handover),
        "has_steps": len(handover.steps) > 1 or (plan is not None and plan.place() == "new"),
        "plan": plan,
        "place": plan.place() if plan else "",
        "colleagues": colleagues_for(viewer, handover, chosen=plan.ticked(), words=words)
        if plan
        else [],
        "ticked": plan.ticked() if plan else set(),
        "words": words,
        "is_live": handover.size <= LIVE_SIZE,
        "start": start,
        "sample": sample_words(handover, str(start["customer_message"].value() or "")),
        "is_told_afterwards": is_told_afterwards(handover),
        "save": given.get("save") or SaveForm(),
        "saved": handover.plans.select_related("created_by").order_by("-pk")[:20],
        "is_departure": handover.kind == HandoverKind.DEPARTURE,
    } | preview_context(handover, viewer)


def chats_alone(handover: Handover, context: Mapping[str, Any]) -> dict[str, Any]:
    """Let a plan that has only group chats be started once its steps say to whom they go."""
    chats = context["chats"]
    if handover.size or not (chats and chats.shares):
        return {}
    return {
        "is_proposed": True,
        "receivers": _named([share.staff.name for share in chats.shares]),
    }


def preview_context(handover: Handover, viewer: Viewer) -> dict[str, Any]:
    """Return what the plan would do, as its part of the page shows it."""
    preview = plan_preview(handover, viewer, now=timezone.now())
    first, more = _folded(preview.shares)
    return {
        "handover": handover,
        "preview": preview,
        "shares": preview.shares,
        "shares_first": first,
        "shares_more": more,
        "is_proposed": bool(preview.given),
        "has_conflicts": bool(preview.conflicts),
        "moving": preview.total("customers"),
        "receivers": _names(preview),
        "by_channel": preview.total("by_channel"),
        "at_once": preview.total("at_once"),
        "known": preview.total("known"),
        "moved": preview.total("moved", given=False),
        "left_over": preview.total("customers", given=False) - preview.total("customers"),
        "rest": rest_of(handover),
    }


def _folded(shares: list[PlannedShare]) -> tuple[list[PlannedShare], list[PlannedShare]]:
    """Keep all that need a look, and some more; of a long plan the others are folded away."""
    if len(shares) <= SHARES_SHOWN + 1:
        return shares, []
    loud = [share for share in shares if share.conflicts or not share.staff]
    quiet = [share for share in shares if share.staff and not share.conflicts]
    room = max(0, SHARES_SHOWN - len(loud))
    folded = quiet[room:]
    return [share for share in shares if share not in folded], folded


def _step_form(request: HttpRequest, viewer: Viewer, handover: Handover) -> StepForm | None:
    """The step that is added or changed; a plan without steps begins with one."""
    place = request.GET.get("step", "")
    if not handover.steps:
        return StepForm(viewer, handover, initial={"step": ""})
    if place == "new":
        return StepForm(viewer, handover, initial={"step": "new"})
    if not place and len(handover.steps) > 1:
        return None
    initial = initial_step(handover, place or "0")
    return StepForm(viewer, handover, initial=initial) if len(initial) > 1 else None


def _names(preview: PlanPreview) -> str:
    """Name the receivers, the first five of many, for the question before the start."""
    shares: list[PlannedShare] = preview.given
    return _named([share.staff.name for share in shares if share.staff])


def _named(names: Sequence[str]) -> str:
    if len(names) <= NAMES_SHOWN:
        return listed(list(names))
    more = _("%(n)s more") % {"n": len(names) - NAMES_SHOWN}
    return listed([*names[:NAMES_SHOWN], more])
