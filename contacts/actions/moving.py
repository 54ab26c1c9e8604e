"""Moving the customers of a running handover to their receivers, a few hundred at a time.

Each part is a transaction of its own, so that nobody waits long for the rows and a worker that
dies leaves nothing half done: what is still planned is moved by the next one.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop

from connectors.wecom.errors import describe
from contacts.actions.closing import close_if_settled, note_settled
from contacts.actions.offers import (
    RECEIVER_AWAY,
    RECEIVER_DEPARTED,
    ask_for_decision,
    note_not_given_back,
    offer_again,
)
from contacts.actions.ownership import move_ownership
from contacts.actions.settlement import hold
from contacts.actions.tasks import add_first_contacts
from contacts.actions.transfers import prepare_requests, settle_without_channel
from contacts.doorbell import ring
from contacts.enums import (
    HandoverKind,
    HandoverState,
    ItemState,
    OwnershipReason,
    StaffState,
)
from contacts.models import Handover, HandoverItem, Staff
from contacts.promises import transferred_twice
from contacts.tasks import make_requests, move_customers

CHUNK = 500
"""Customers moved in one transaction."""

TOO_OFTEN = 40128
NO_MORE = gettext_noop("The customer has been merged or erased.")


def move_planned(handover_id: int, *, now: datetime) -> int:
    """Move every planned customer of a running handover; returns how many were looked at.

    Any number of workers may do this at once, and it may be repeated.
    """
    handover = Handover.objects.select_related("from_staff", "store").get(pk=handover_id)
    seen = 0
    while part := move_some(handover, now=max(now, timezone.now())):
        seen += part
    return seen


def move_on(handover: Handover, *, now: datetime) -> None:
    """Move the first customers here and now, and have a worker move the rest."""
    if move_some(handover, now=now) == CHUNK:
        ring(move_customers, handover.pk)


def handovers_to_move(now: datetime) -> list[int]:
    """Running handovers with customers who are planned for somebody, for the sweeper."""
    running = Handover.objects.filter(state=HandoverState.RUNNING)
    waiting = HandoverItem.objects.filter(
        handover__in=running, state=ItemState.PLANNED, to_staff__isnull=False
    )
    return list(waiting.values_list("handover", flat=True).distinct()[:50])


def move_some(handover: Handover, *, now: datetime) -> int:
    """Move at most ``CHUNK`` planned customers; returns how many were looked at.

    The receivers answer for them from now on, provisionally. Customers whom the channel has to be
    asked about are in requests afterwards, the others have been accepted. Whoever cannot take
    theirs makes room for the next colleague of the plan.
    """
    planned = HandoverItem.objects.filter(
        handover=handover, state=ItemState.PLANNED, to_staff__isnull=False
    )
    # By receiver, so that requests are full.
    by_receiver = planned.order_by("to_staff", "pk").values_list("pk", "to_staff_id")
    first = list(by_receiver[:CHUNK])
    with transaction.atomic():
        if not hold(handover, {receiver for _, receiver in first}):
            return 0
        rows = _still_planned([item for item, _ in first], now)
        rows = _without_absent(handover, rows, now)
        rows = _without_the_too_often(handover, rows, now)
        _move(handover, rows, now)
        close_if_settled(handover, now=now)
        ring(make_requests, handover.pk)
    return len(first)


Row = tuple[int, int, int]
"""Item, customer, receiver."""

# Conditions stand in the list of columns, where they cannot lure the planner away from the keys.
_STILL_PLANNED = """
SELECT id, customer_id, to_staff_id, state = 'planned', (
    SELECT customer.state = 'active' FROM contacts_customer AS customer
    WHERE customer.id = item.customer_id
)
FROM contacts_handoveritem AS item WHERE id = ANY(%s) ORDER BY id
"""


def _still_planned(items: list[int], now: datetime) -> list[Row]:
    """Read the rows under the lock: another worker may have moved some. Tombstones drop out."""
    with connection.cursor() as cursor:
        cursor.execute(_STILL_PLANNED, [items])
        rows = [row for row in cursor.fetchall() if row[3]]
    if gone := [row[0] for row in rows if not row[4]]:
        HandoverItem.objects.filter(pk__in=gone).update(
            state=ItemState.CANCELLED, state_at=now, closed_at=now, reason=NO_MORE
        )
    return [row[:3] for row in rows if row[4]]


def _move(handover: Handover, rows: Sequence[Row], now: datetime) -> None:
    undo = handover.kind == HandoverKind.UNDO
    move_ownership(
        [(customer, receiver) for _, customer, receiver in rows],
        reason=OwnershipReason.UNDONE if undo else OwnershipReason.HANDOVER,
        now=now,
        handover=handover,
    )
    items = [item for item, *_ in rows]
    prepare_requests(handover, items, now=now)
    accepted = settle_without_channel(items, now=now)
    note_settled(handover, ItemState.ACCEPTED, len(accepted), now=now)
    if not undo:
        add_first_contacts(accepted, handover=handover, now=now)


def _without_absent(handover: Handover, rows: list[Row], now: datetime) -> list[Row]:
    """Receivers who cannot take customers now are not given any."""
    receivers = Staff.objects.filter(pk__in={receiver for *_, receiver in rows})
    absent = dict(receivers.exclude(state=StaffState.ACTIVE).values_list("pk", "state"))
    for person, state in absent.items():
        items = [item for item, _, receiver in rows if receiver == person]
        reason = RECEIVER_DEPARTED if state == StaffState.DEPARTED else RECEIVER_AWAY
        _fail(items, now, reason=reason)
        offer_again(handover, items, now=now)
    return [row for row in rows if row[2] not in absent]


def _without_the_too_often(handover: Handover, rows: list[Row], now: datetime) -> list[Row]:
    """WeCom hands nobody over a third time in 90 days while the giver works there (40128)."""
    giver = handover.from_staff
    if not giver.wecom_userid or giver.left_channel_at or not giver.is_employed:
        return rows
    customers = [customer for _, customer, _ in rows]
    moved_before = transferred_twice(now).filter(customer__in=customers)
    if twice := set(moved_before.values_list("customer", flat=True)):
        items = [item for item, customer, _ in rows if customer in twice]
        _fail(items, now, reason=describe(TOO_OFTEN), errcode=TOO_OFTEN)
        note_not_given_back(handover, items)
        ask_for_decision(handover, now=now)
    return [row for row in rows if row[1] not in twice]


def _fail(items: Sequence[int], now: datetime, *, reason: str, errcode: int | None = None) -> None:
    HandoverItem.objects.filter(pk__in=items).update(
        state=ItemState.FAILED, state_at=now, reason=reason[:200], errcode=errcode
    )
