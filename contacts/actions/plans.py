"""Changing a plan: its steps, customers moved by hand, plans that are kept and taken up again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.actions.dealing import deal_out
from contacts.actions.history import record
from contacts.actions.receivers import check_receivers
from contacts.enums import HandoverKind, HandoverState, ItemState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Customer, Handover, HandoverItem, HandoverPlan, Staff
from contacts.plan_steps import Step, check_steps

Segments = Mapping[int, QuerySet[Customer]]

_MOVE_AGAIN = """
UPDATE contacts_handoveritem AS item
SET to_staff_id = nullif(moved.receiver, '')::bigint, by_hand = true
FROM jsonb_each(%(moves)s::jsonb) AS moved (receiver, customers),
     jsonb_array_elements_text(moved.customers) AS customer
WHERE item.handover_id = %(handover)s AND item.state = 'planned'
  AND item.customer_id = customer::bigint
"""


def apply_steps(
    handover: Handover,
    steps: Sequence[Step],
    *,
    actor: Staff | None,
    now: datetime,
    keep_moves: bool = True,
    segments: Segments | None = None,
) -> None:
    """Let these steps say who gets whom; they take the place of the steps before.

    Customers moved by hand stay where they were moved to, unless ``keep_moves`` says otherwise.
    Raises ``RuleBroken`` if a receiver cannot take customers, ``MovedOn`` if the handover is no
    plan any more.
    """
    _check_people(handover, (pk for step in steps for pk in step.receivers))
    with transaction.atomic():
        locked = _locked_plan(handover)
        deal_out(locked, steps, now=now, keep_moves=keep_moves, segments=segments)
        locked.steps = [step.as_json() for step in steps]
        locked.save(update_fields=["steps"])
        data = {"steps": len(steps), "keep_moves": keep_moves}
        record(locked, "handover.steps_changed", actor=actor, at=now, data=data)
    handover.refresh_from_db()


def move_customers(
    handover: Handover,
    items: QuerySet[HandoverItem],
    receiver: Staff | None,
    *,
    actor: Staff | None,
    now: datetime,
) -> int:
    """Give these customers of the plan to one colleague, or to nobody; returns how many.

    The steps leave them there from now on. Raises ``RuleBroken`` if there are none, or the
    colleague cannot take customers; ``MovedOn`` if the handover is no plan any more.
    """
    if receiver:
        check_receivers(handover, [receiver])
    with transaction.atomic():
        _locked_plan(handover)
        chosen = items.filter(handover=handover, state=ItemState.PLANNED).order_by().values("pk")
        moved = HandoverItem.objects.filter(pk__in=chosen).update(to_staff=receiver, by_hand=True)
        if not moved:
            raise RuleBroken(_("Tick customers, or choose all that match."))
        data = {"customers": moved, "receiver": receiver.pk if receiver else None}
        record(handover, "handover.customers_moved", actor=actor, at=now, data=data)
    return moved


def leave_out(
    handover: Handover, items: QuerySet[HandoverItem], *, actor: Staff | None, now: datetime
) -> int:
    """Take customers out of the plan of a colleague who keeps working; returns how many.

    They stay with the colleague, as if they had never been planned. Raises ``RuleBroken`` if there
    are none, nobody would be left, or the colleague has left; ``MovedOn`` if the handover is no
    plan any more.
    """
    with transaction.atomic():
        locked = _locked_plan(handover)
        if locked.kind == HandoverKind.DEPARTURE:
            raise RuleBroken(
                _("%(name)s has left: whom nobody takes over rests in the pool of the store.")
                % {"name": locked.from_staff.name}
            )
        chosen = items.filter(handover=locked, state=ItemState.PLANNED).order_by().values("pk")
        left_out, _rows = HandoverItem.objects.filter(pk__in=chosen).delete()
        if not left_out:
            raise RuleBroken(_("Tick customers, or choose all that match."))
        if left_out == locked.size and not locked.chats.exists():
            raise RuleBroken(_("That would be all of them. Cancel the plan instead."))
        locked.size -= left_out
        locked.save(update_fields=["size"])
        data = {"customers": left_out}
        record(locked, "handover.customers_left_out", actor=actor, at=now, data=data)
    handover.refresh_from_db()
    return left_out


def save_plan(
    handover: Handover,
    name: str,
    *,
    figures: Sequence[Mapping[str, Any]],
    actor: Staff | None,
    now: datetime,
) -> HandoverPlan:
    """Keep the plan as it stands under a name, with the figures it comes to.

    Raises ``RuleBroken`` if the name is taken, ``MovedOn`` if the handover is no plan any more.
    """
    try:
        with transaction.atomic():
            locked = _locked_plan(handover)
            plan = HandoverPlan.objects.create(
                handover=locked,
                created_by=actor,
                name=name,
                steps=locked.steps,
                moves=_moves_of(locked),
                figures=list(figures),
                created_at=now,
            )
            record(locked, "handover.plan_saved", actor=actor, at=now, data={"name": name})
    except IntegrityError as error:
        if broken_constraint(error) != "handover_plan_name_once":
            raise
        raise RuleBroken(
            _("There is a plan named “%(name)s” already. Choose another name.") % {"name": name}
        ) from error
    return plan


def take_plan(
    plan: HandoverPlan,
    *,
    actor: Staff | None,
    now: datetime,
    segments: Segments | None = None,
) -> None:
    """Let a saved plan be the plan again: its steps, and what was moved by hand after them.

    The steps look at the customers as they are now. Raises as ``apply_steps`` does.
    """
    steps = check_steps(plan.steps)
    moved_to = (int(pk) for pk in plan.moves if pk)
    _check_people(plan.handover, (*moved_to, *(pk for step in steps for pk in step.receivers)))
    with transaction.atomic():
        locked = _locked_plan(plan.handover)
        deal_out(locked, steps, now=now, keep_moves=False, segments=segments)
        with connection.cursor() as cursor:
            cursor.execute(_MOVE_AGAIN, {"moves": json.dumps(plan.moves), "handover": locked.pk})
        locked.steps = plan.steps
        locked.save(update_fields=["steps"])
        record(locked, "handover.plan_taken", actor=actor, at=now, data={"name": plan.name})
    plan.handover.refresh_from_db()


def keep_words(handover: Handover, **words: Any) -> None:
    """Keep what customers and receivers are to read, and how often customers are offered.

    ``words`` are ``customer_message``, ``greeting`` and ``max_offers``. What has been started
    keeps its own.
    """
    Handover.objects.filter(pk=handover.pk, state=HandoverState.PLANNED).update(**words)


def _locked_plan(handover: Handover) -> Handover:
    locked = (
        Handover.objects.select_for_update(no_key=True, of=("self",))
        .select_related("from_staff")
        .get(pk=handover.pk)
    )
    if locked.state != HandoverState.PLANNED:
        raise MovedOn(_("This handover has already been started or cancelled."))
    return locked


def _check_people(handover: Handover, ids: Iterable[int]) -> None:
    wanted = set(ids)
    people = list(Staff.objects.filter(pk__in=wanted).order_by("name_key", "pk"))
    if len(people) < len(wanted):
        raise RuleBroken(_("One of these colleagues cannot take customers any more. Look again."))
    if people:
        check_receivers(handover, people)


def _moves_of(handover: Handover) -> dict[str, list[int]]:
    """Return the customers moved by hand, by receiver."""
    moved = (
        HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED, by_hand=True)
        .order_by()
        .values_list("to_staff")
        .annotate(customers=ArrayAgg("customer"))
    )
    return {str(receiver or ""): customers for receiver, customers in moved}
