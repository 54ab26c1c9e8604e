"""Undoing a handover: everything before customers were asked, for a week what the channel allows.

Undoing is asked for in one statement and done a few hundred customers at a time, like moving
them was: a worker that dies leaves the rest to the next one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.chat_undo import UNDO_WITHIN, chats_to_undo, handover_back, undo_chats
from contacts.actions.handovers import cancel_handover
from contacts.actions.history import record
from contacts.actions.moving import move_on
from contacts.actions.ownership import move_ownership
from contacts.actions.settlement import hold
from contacts.doorbell import ring
from contacts.enums import (
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
from contacts.models import Handover, HandoverItem, Staff, Task
from contacts.tasks import undo_customers

CHUNK = 500

TO_UNDO = Q(undo_asked_at__isnull=False, undone_at=None, undo_note="")


@dataclass(frozen=True, slots=True)
class Undoing:
    """What an undo does: how many were withdrawn unasked, will be given back, or are left alone.

    ``chats`` are group chats that go back.
    """

    withdrawn: int
    giving_back: int
    left_alone: int
    chats: int = 0


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
    ``undo_note`` says so. Group chats go back with all, not with some. Raises ``RuleBroken`` if
    there is nothing to undo.
    """
    withdrawn, chats = 0, 0
    if items is None and _can_withdraw(handover):
        chats = handover.chats.filter(state=ItemState.PLANNED).count()
        withdrawn = cancel_handover(handover, actor=actor, now=now)
    with transaction.atomic():
        if items is None:
            chats += undo_chats(handover, now=now)
        chosen = handover.items.filter(undo_asked_at=None)
        if items is not None:
            chosen = chosen.filter(pk__in=items)
        accepted = chosen.filter(state=ItemState.ACCEPTED, closed_at__gte=now - UNDO_WITHIN)
        giving_back = accepted.update(undo_asked_at=now, undo_note="")
        asked = chosen.filter(state__in=[ItemState.REQUESTED, ItemState.WAITING])
        left_alone = asked.update(undo_note=UndoNote.ASKED)
        if not (withdrawn or giving_back or left_alone or chats):
            raise RuleBroken(_("There is nothing to undo: it is too late, or done already."))
        record(
            handover,
            "handover.undone",
            actor=actor,
            at=now,
            data={
                "withdrawn": withdrawn,
                "given_back": giving_back,
                "left_alone": left_alone,
                "chats": chats,
            },
        )
    if undo_some(handover, now=now) == CHUNK:
        ring(undo_customers, handover.pk)
    return Undoing(withdrawn, giving_back, left_alone, chats)


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
    return recent.filter(undo_asked_at=None).exists() or chats_to_undo(handover, now=now).exists()


def undo_some(handover: Handover, *, now: datetime) -> int:
    """Give back at most ``CHUNK`` customers; returns how many were looked at."""
    asked = handover.items.filter(TO_UNDO)
    first = list(asked.order_by("to_staff", "pk").values_list("pk", "to_staff_id")[:CHUNK])
    with transaction.atomic():
        giver = _hold(handover, {receiver for _, receiver in first})
        rows = _judge([item for item, _ in first], now)
        _drop_first_contacts([row.customer for row in rows], now)
        by_channel = giver is not None and giver.wecom_userid and giver.left_channel_at is None
        back = {row.item: row for row in rows if by_channel and row.through_channel}
        if giver:
            _transfer_back(handover, giver, back.values(), now)
        move_ownership(
            [(row.customer, giver.pk if giver else None) for row in rows if row.item not in back],
            reason=OwnershipReason.UNDONE,
            now=now,
            handover=handover,
        )
    return len(first)


class Row(NamedTuple):
    """A customer to give back; ``through_channel`` if WeCom has moved them."""

    item: int
    customer: int
    receiver: int
    through_channel: bool
    note: str


# Conditions stand in the list of columns, where they cannot lure the planner away from the keys.
_JUDGE = """
WITH judged AS (
    SELECT item.id, item.undone_at IS NULL AND item.undo_note = '' AS is_asked,
           CASE WHEN (
                    SELECT customer.state FROM contacts_customer AS customer
                    WHERE customer.id = item.customer_id
                ) <> 'active' THEN 'tombstone'
                WHEN (
                    SELECT period.handover_id FROM contacts_ownershipperiod AS period
                    WHERE period.open_customer_id = item.customer_id
                      AND period.staff_id IS NOT NULL
                ) IS DISTINCT FROM item.handover_id THEN 'changed'
                WHEN EXISTS (
                    SELECT FROM contacts_handoveritem AS other
                    WHERE other.customer_id = item.customer_id AND other.closed_at IS NULL
                ) THEN 'changed' ELSE '' END AS note
    FROM contacts_handoveritem AS item WHERE item.id = ANY(%(items)s)
)
UPDATE contacts_handoveritem AS item
SET undo_note = judged.note, undone_at = CASE WHEN judged.note = '' THEN %(now)s END
FROM judged WHERE item.id = judged.id AND judged.is_asked
RETURNING item.id, item.customer_id, item.to_staff_id,
          item.request_id IS NOT NULL AND item.reason = '', judged.note
"""


def _judge(items: list[int], now: datetime) -> list[Row]:
    """Note who goes back and who does not, because something has happened since; return the first.

    The handover is locked, so nothing else moves its items.
    """
    with connection.cursor() as cursor:
        cursor.execute(_JUDGE, {"items": items, "now": now})
        rows = [Row(*row) for row in cursor.fetchall()]
    return sorted(row for row in rows if not row.note)


def _can_withdraw(handover: Handover) -> bool:
    if handover.state == HandoverState.PLANNED:
        return True
    unasked = Q(state=ItemState.PLANNED) | Q(
        state=ItemState.REQUESTED, request__state=RequestState.PREPARED
    )
    return handover.state == HandoverState.RUNNING and (
        handover.items.filter(unasked).exists()
        or handover.chats.filter(state=ItemState.PLANNED).exists()
    )


def _hold(handover: Handover, receivers: Collection[int | None]) -> Staff | None:
    """Lock the people involved and the handover; return the giver if at work."""
    hold(handover, receivers)
    giver = Staff.objects.get(pk=handover.from_staff_id)
    return giver if giver.state == StaffState.ACTIVE else None


def _transfer_back(handover: Handover, giver: Staff, rows: Collection[Row], now: datetime) -> None:
    """Hand these customers back through the channel: a handover of its own for each receiver."""
    for receiver in sorted({row.receiver for row in rows}):
        customers = [row.customer for row in rows if row.receiver == receiver]
        back = handover_back(handover, receiver, now=now)
        HandoverItem.objects.bulk_create(
            HandoverItem(handover=back, customer_id=customer, to_staff=giver, state_at=now)
            for customer in customers
        )
        Handover.objects.filter(pk=back.pk).update(size=F("size") + len(customers))
        move_on(back, now=now)


def _drop_first_contacts(customers: Sequence[int], now: datetime) -> None:
    """Nobody has to introduce themselves to somebody who went back."""
    Task.objects.filter(
        customer__in=customers, kind=TaskKind.FIRST_CONTACT, state=TaskState.OPEN
    ).update(state=TaskState.DROPPED, state_at=now)
