"""Undoing a handover: everything before customers were asked, for a week what the channel allows.

Undoing is asked for in one statement and done a few hundred customers at a time, like moving
them was: a worker that dies leaves the rest to the next one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.handovers import cancel_handover
from contacts.actions.history import record
from contacts.actions.moving import move_on
from contacts.actions.ownership import move_ownership
from contacts.actions.settlement import hold
from contacts.doorbell import ring
from contacts.enums import (
    CustomerState,
    HandoverKind,
    HandoverState,
    ItemState,
    OwnershipReason,
    RequestState,
    StaffState,
    TaskKind,
    TaskState,
    UndoNote,
)
from contacts.errors import RuleBroken
from contacts.models import Customer, Handover, HandoverItem, OwnershipPeriod, Staff, Task
from contacts.tasks import undo_customers

UNDO_WITHIN = timedelta(days=7)
CHUNK = 500

TO_UNDO = Q(undo_asked_at__isnull=False, undone_at=None, undo_note="")


@dataclass(frozen=True, slots=True)
class Undoing:
    """What an undo does: how many were withdrawn unasked, will be given back, or are left alone."""

    withdrawn: int
    giving_back: int
    left_alone: int


def undo_handover(
    handover: Handover,
    *,
    actor: Staff | None,
    now: datetime,
    items: Collection[int] | None = None,
) -> Undoing:
    """Give customers back: all of a handover, or those of these items.

    A plan is cancelled. Of a handover under way, requests that were not made are withdrawn.
    Customers who were taken over within the last seven days go back: to the colleague who gave
    them if at work, through WeCom where WeCom moved them, else to the pool of their store.
    Whoever has changed hands since, or is being asked at this moment, is left alone; the item's
    ``undo_note`` says so. Raises ``RuleBroken`` if there is nothing to undo.
    """
    withdrawn = 0
    if items is None and _can_withdraw(handover):
        withdrawn = cancel_handover(handover, actor=actor, now=now)
    with transaction.atomic():
        chosen = handover.items.filter(undo_asked_at=None)
        if items is not None:
            chosen = chosen.filter(pk__in=items)
        accepted = chosen.filter(state=ItemState.ACCEPTED, closed_at__gte=now - UNDO_WITHIN)
        giving_back = accepted.update(undo_asked_at=now)
        asked = chosen.filter(state__in=[ItemState.REQUESTED, ItemState.WAITING])
        left_alone = asked.update(undo_note=UndoNote.ASKED)
        if not (withdrawn or giving_back or left_alone):
            raise RuleBroken(_("There is nothing to undo: it is too late, or done already."))
        record(
            handover,
            "handover.undone",
            actor=actor,
            at=now,
            data={"withdrawn": withdrawn, "given_back": giving_back, "left_alone": left_alone},
        )
    if undo_some(handover, now=now) == CHUNK:
        ring(undo_customers, handover.pk)
    return Undoing(withdrawn, giving_back, left_alone)


def undo_asked(handover_id: int, *, now: datetime) -> int:
    """Give back everybody of the handover for whom that was asked; returns how many were looked at."""
    handover = Handover.objects.select_related("from_staff", "store").get(pk=handover_id)
    seen = 0
    while part := undo_some(handover, now=max(now, timezone.now())):
        seen += part
    return seen


def handovers_to_undo(now: datetime) -> list[int]:
    """Handovers with customers who are still to be given back, for the sweeper."""
    waiting = HandoverItem.objects.filter(TO_UNDO)
    return list(waiting.values_list("handover", flat=True).distinct()[:50])


def can_be_undone(handover: Handover, *, now: datetime) -> bool:
    """Whether an undo of the handover would do anything."""
    if _can_withdraw(handover):
        return True
    recent = handover.items.filter(state=ItemState.ACCEPTED, closed_at__gte=now - UNDO_WITHIN)
    return recent.filter(undo_asked_at=None).exists()


def undo_some(handover: Handover, *, now: datetime) -> int:
    """Give back at most ``CHUNK`` customers; returns how many were looked at."""
    asked = handover.items.filter(TO_UNDO)
    first = list(asked.order_by("to_staff", "pk").values_list("pk", "to_staff_id")[:CHUNK])
    with transaction.atomic():
        giver = _hold(handover, {receiver for _, receiver in first})
        mine = asked.filter(pk__in=[item for item, _ in first])
        items = list(mine.select_for_update(no_key=True).order_by("pk"))
        items = _unchanged(handover, items)
        HandoverItem.objects.filter(pk__in=[item.pk for item in items]).update(undone_at=now)
        back: dict[int, list[HandoverItem]] = {}
        if giver and giver.wecom_userid and giver.left_channel_at is None:
            for item in items:
                if item.to_staff_id and _went_through_channel(item):
                    back.setdefault(item.to_staff_id, []).append(item)
            for receiver, theirs in sorted(back.items()):
                _transfer_back(handover, receiver, giver, theirs, now)
        by_channel = {item.pk for theirs in back.values() for item in theirs}
        locally = [item.customer_id for item in items if item.pk not in by_channel]
        move_ownership(
            [(customer, giver.pk if giver else None) for customer in locally],
            reason=OwnershipReason.UNDONE,
            now=now,
            handover=handover,
        )
        _drop_first_contacts([item.customer_id for item in items], now)
    return len(first)


def _went_through_channel(item: HandoverItem) -> bool:
    """Whether WeCom moved the customer; those taken over without it carry the reason why."""
    return item.request_id is not None and not item.reason


def _can_withdraw(handover: Handover) -> bool:
    if handover.state == HandoverState.PLANNED:
        return True
    unasked = Q(state=ItemState.PLANNED) | Q(
        state=ItemState.REQUESTED, request__state=RequestState.PREPARED
    )
    return handover.state == HandoverState.RUNNING and handover.items.filter(unasked).exists()


def _hold(handover: Handover, receivers: Collection[int | None]) -> Staff | None:
    """Lock the people involved and the handover; return the giver if at work."""
    hold(handover, receivers)
    giver = Staff.objects.get(pk=handover.from_staff_id)
    return giver if giver.state == StaffState.ACTIVE else None


def _unchanged(handover: Handover, items: Sequence[HandoverItem]) -> list[HandoverItem]:
    """Return those to whom nothing has happened since, and note what happened to the others."""
    customers = [item.customer_id for item in items]
    gone = set(
        Customer.objects.filter(pk__in=customers)
        .exclude(state=CustomerState.ACTIVE)
        .values_list("pk", flat=True)
    )
    owned = OwnershipPeriod.objects.filter(
        customer__in=customers, ended_at=None, handover=handover, staff__isnull=False
    )
    held = HandoverItem.objects.filter(customer__in=customers, closed_at=None)
    same = set(owned.values_list("customer", flat=True)) - set(
        held.values_list("customer", flat=True)
    )
    _note([item.pk for item in items if item.customer_id in gone], UndoNote.TOMBSTONE)
    changed = [item.pk for item in items if item.customer_id not in same | gone]
    _note(changed, UndoNote.CHANGED)
    return [item for item in items if item.customer_id in same - gone]


def _note(items: Sequence[int], note: UndoNote) -> None:
    if items:
        HandoverItem.objects.filter(pk__in=items).update(undo_note=note)


def _transfer_back(
    handover: Handover,
    receiver: int,
    giver: Staff,
    items: Sequence[HandoverItem],
    now: datetime,
) -> None:
    """Hand these customers of one receiver back through the channel, in a handover of their own."""
    back, created = Handover.objects.get_or_create(
        undoes=handover,
        from_staff_id=receiver,
        state=HandoverState.RUNNING,
        defaults={
            "store": handover.store,
            "kind": HandoverKind.UNDO,
            "size": 0,
            "planned_at": now,
            "started_at": now,
        },
    )
    HandoverItem.objects.bulk_create(
        [
            HandoverItem(handover=back, customer_id=item.customer_id, to_staff=giver, state_at=now)
            for item in items
        ]
    )
    Handover.objects.filter(pk=back.pk).update(size=F("size") + len(items))
    if created:
        record(back, "handover.started", actor=None, at=now, data={"undoes": handover.pk})
    move_on(back, now=now)


def _drop_first_contacts(customers: Sequence[int], now: datetime) -> None:
    """Nobody has to introduce themselves to somebody who went back."""
    Task.objects.filter(
        customer__in=customers, kind=TaskKind.FIRST_CONTACT, state=TaskState.OPEN
    ).update(state=TaskState.DROPPED, state_at=now)
