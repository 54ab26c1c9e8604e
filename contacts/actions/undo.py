"""Undoing a handover: everything before customers were asked, for a week what the channel allows.

Undoing is asked for in one statement and done a few hundred customers at a time, like moving
them was: a worker that dies leaves the rest to the next one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.handovers import cancel_handover
from contacts.actions.history import record
from contacts.actions.moving import move_on
from contacts.actions.ownership import move_ownership
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
    first = list(asked.order_by("to_staff", "pk").values_list("pk", flat=True)[:CHUNK])
    with transaction.atomic():
        giver = _hold(handover, asked.filter(pk__in=first))
        chunk = asked.filter(pk__in=first)
        _leave_alone(handover, chunk)
        through_channel = chunk.filter(request__isnull=False, errcode=None, reason="")
        if giver and giver.wecom_userid and giver.left_channel_at is None:
            for receiver in sorted(set(through_channel.values_list("to_staff", flat=True))):
                mine = through_channel.filter(to_staff=receiver)
                _transfer_back(handover, receiver, giver, mine, now)
        _give_back(handover, chunk, giver, now)
    return len(first)


def _can_withdraw(handover: Handover) -> bool:
    if handover.state == HandoverState.PLANNED:
        return True
    unasked = Q(state=ItemState.PLANNED) | Q(
        state=ItemState.REQUESTED, request__state=RequestState.PREPARED
    )
    return handover.state == HandoverState.RUNNING and handover.items.filter(unasked).exists()


def _hold(handover: Handover, items: QuerySet[HandoverItem]) -> Staff | None:
    """Lock the people involved, the handover and the items; return the giver if at work."""
    involved = Q(pk=handover.from_staff_id) | Q(pk__in=items.values("to_staff"))
    people = Staff.objects.select_for_update(no_key=True).filter(involved).order_by("pk")
    by_id = {person.pk: person for person in people}
    Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
    list(items.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    giver = by_id[handover.from_staff_id]
    return giver if giver.state == StaffState.ACTIVE else None


def _leave_alone(handover: Handover, chunk: QuerySet[HandoverItem]) -> None:
    """Note whom something has happened to since the handover."""
    customers = chunk.values("customer")
    gone = Customer.objects.filter(pk__in=customers).exclude(state=CustomerState.ACTIVE)
    tombstones = list(gone.values_list("pk", flat=True))
    chunk.filter(customer__in=tombstones).update(undo_note=UndoNote.TOMBSTONE)
    unchanged = OwnershipPeriod.objects.filter(
        customer__in=customers, ended_at=None, handover=handover, staff__isnull=False
    )
    held = HandoverItem.objects.filter(customer__in=customers, closed_at=None)
    changed = chunk.exclude(customer__in=list(unchanged.values_list("customer", flat=True)))
    busy = chunk.filter(customer__in=list(held.values_list("customer", flat=True)))
    for rows in (changed, busy):
        rows.update(undo_note=UndoNote.CHANGED)


def _transfer_back(
    handover: Handover,
    receiver: int,
    giver: Staff,
    items: QuerySet[HandoverItem],
    now: datetime,
) -> None:
    """Hand these customers of one receiver back through the channel, in a handover of their own."""
    rows = list(items.order_by("pk").values_list("pk", "customer_id"))
    back, created = Handover.objects.get_or_create(
        undoes=handover,
        from_staff_id=receiver,
        state=HandoverState.RUNNING,
        defaults={
            "store": handover.store,
            "planned_by": None,
            "kind": HandoverKind.UNDO,
            "size": 0,
            "planned_at": now,
            "started_at": now,
        },
    )
    HandoverItem.objects.bulk_create(
        [
            HandoverItem(handover=back, customer_id=customer, to_staff=giver, state_at=now)
            for _, customer in rows
        ],
        batch_size=CHUNK,
    )
    Handover.objects.filter(pk=back.pk).update(size=F("size") + len(rows))
    if created:
        record(back, "handover.started", actor=None, at=now, data={"undoes": handover.pk})
    HandoverItem.objects.filter(pk__in=[pk for pk, _ in rows]).update(undone_at=now)
    _drop_first_contacts([customer for _, customer in rows], now)
    move_on(back, now=now)


def _give_back(
    handover: Handover, chunk: QuerySet[HandoverItem], giver: Staff | None, now: datetime
) -> None:
    rows = list(chunk.order_by("pk").values_list("pk", "customer_id"))
    customers = [customer for _, customer in rows]
    move_ownership(
        [(customer, giver.pk if giver else None) for customer in customers],
        reason=OwnershipReason.UNDONE,
        now=now,
        handover=handover,
    )
    HandoverItem.objects.filter(pk__in=[pk for pk, _ in rows]).update(undone_at=now)
    _drop_first_contacts(customers, now)


def _drop_first_contacts(customers: Sequence[int], now: datetime) -> None:
    """Nobody has to introduce themselves to somebody who went back."""
    Task.objects.filter(
        customer__in=customers, kind=TaskKind.FIRST_CONTACT, state=TaskState.OPEN
    ).update(state=TaskState.DROPPED, state_at=now)
