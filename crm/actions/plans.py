"""What a person does to a plan, where it takes segments: steps, saved plans, selections, levels."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.models import Segment
from campaigns.segments import customers_in
from contacts.actions.handovers import customers_to_hand_over, plan_handover, start_handover
from contacts.actions.plans import Segments, apply_steps, keep_words, take_plan
from contacts.actions.selecting import Selection
from contacts.actions.sharing import Order, Strategy
from contacts.enums import HandoverKind
from contacts.errors import MovedOn, RuleBroken
from contacts.levels import Load, level_loads
from contacts.models import Handover, HandoverPlan, Staff, Store
from contacts.plan_steps import (
    EVERYBODY,
    Ground,
    Step,
    check_condition,
    check_steps,
    customers_meeting,
)
from contacts.promises import plan_fingerprint

PURPOSE = "liuke.handover-plan"
TOKEN_SECONDS = 3600


def plan_by_steps(
    handover: Handover,
    steps: object,
    *,
    actor: Staff | None,
    now: datetime,
    keep_moves: bool = True,
) -> None:
    """Check what somebody has written down as steps, and let them say who gets whom.

    Raises ``RuleBroken`` if a step is unsound, and as ``apply_steps`` does.
    """
    checked = check_steps(steps)
    segments = _segments(checked, now)
    apply_steps(handover, checked, actor=actor, now=now, keep_moves=keep_moves, segments=segments)


def take_saved(plan: HandoverPlan, *, actor: Staff | None, now: datetime) -> None:
    """Let a saved plan be the plan again; raises as ``take_plan`` does."""
    segments = _segments(check_steps(plan.steps), now)
    take_plan(plan, actor=actor, now=now, segments=segments)


def selection_of(
    giver: Staff,
    *,
    now: datetime,
    who: object = None,
    at_most: int | None = None,
    down_to: int | None = None,
    order: Order = Order.QUIET,
) -> Selection:
    """Return whom of a person's customers a handover takes.

    Those who meet the condition ``who``, at most so many, or so many that the person is left with
    ``down_to``. Raises ``RuleBroken`` if the condition is unsound, or nobody is too many.
    """
    mine = customers_to_hand_over(giver)
    chosen = None
    if who is not None:
        condition = check_condition(who)
        ground = Ground(giver, mine, now, _segments_named([condition], now))
        chosen = customers_meeting(condition, ground)
    if down_to is not None:
        surplus = mine.count() - down_to
        if surplus <= 0:
            raise RuleBroken(
                _("%(name)s has no more than %(n)s customers.") % {"name": giver.name, "n": down_to}
            )
        at_most = surplus if at_most is None else min(surplus, at_most)
    return Selection(customers=chosen, order=order, at_most=at_most)


def plan_levelling(store: Store, *, actor: Staff | None, now: datetime) -> list[Handover]:
    """Plan a handover for each guide of a store who holds clearly more than their part.

    Nothing moves yet: each plan can be looked at, changed, started or cancelled. It takes the
    customers who have not been met for longest. Raises ``RuleBroken`` if the load is even, or a
    guide's customers are in another open handover; then nothing is planned.
    """
    overloaded = [load for load in level_loads(store) if load.gives]
    if not overloaded:
        raise RuleBroken(_("The load of %(store)s is even.") % {"store": store.name})
    with transaction.atomic():
        return [_plan_level(load, actor=actor, now=now) for load in overloaded]


def _plan_level(load: Load, *, actor: Staff | None, now: datetime) -> Handover:
    handover = plan_handover(
        load.staff,
        kind=HandoverKind.REBALANCE,
        actor=actor,
        now=now,
        select=Selection(at_most=load.given),
    )
    steps = [
        Step(EVERYBODY, (taker,), Strategy.ONE, limit=number)
        for taker, number in load.gives.items()
    ]
    apply_steps(handover, steps, actor=actor, now=now)
    return handover


def plan_token(handover: Handover) -> str:
    """Return what starts this plan as it stands now, and no other, within an hour."""
    promise = {"handover": handover.pk, "promise": plan_fingerprint(handover)}
    return signing.dumps(promise, salt=PURPOSE)


def start_plan(
    handover: Handover,
    token: str,
    *,
    actor: Staff | None,
    now: datetime,
    customer_message: str = "",
    words: Mapping[str, Any] | None = None,
) -> None:
    """Start a handover exactly as its preview has promised.

    ``words`` are the greeting and how many colleagues a customer is offered to; they are kept
    whatever becomes of the start. Raises ``RuleBroken`` without a token of this plan, ``MovedOn``
    if things have changed since, and as ``start_handover`` does.
    """
    fingerprint = _promise_in(token, handover)
    if words:
        keep_words(handover, **words)
    start_handover(
        handover,
        actor=actor,
        now=now,
        customer_message=customer_message,
        fingerprint=fingerprint,
    )


def _promise_in(token: str, handover: Handover) -> str:
    if not token:
        raise RuleBroken(
            _("A start takes the token of a preview: GET /api/v1/handovers/%(id)s/preview.")
            % {"id": handover.pk}
        )
    try:
        promised = signing.loads(token, salt=PURPOSE, max_age=TOKEN_SECONDS)
    except signing.SignatureExpired as error:
        raise MovedOn(
            _("This preview is over an hour old. Look at it again, then start.")
        ) from error
    except signing.BadSignature as error:
        raise RuleBroken(_("This is no token of a preview. Ask for a new preview.")) from error
    if promised["handover"] != handover.pk:
        raise RuleBroken(_("This token belongs to another handover. Ask for a new preview."))
    return str(promised["promise"])


def _segments(steps: Iterable[Step], now: datetime) -> Segments:
    return _segments_named((step.who for step in steps), now)


def _segments_named(conditions: Iterable[Mapping[str, Any]], now: datetime) -> Segments:
    """Return the customers of each segment that the conditions name."""
    wanted = [condition["value"] for condition in conditions if condition["field"] == "segment"]
    if not wanted:
        return {}
    found = Segment.objects.filter(pk__in=wanted)
    return {segment.pk: customers_in(segment.rule, now=now) for segment in found}
