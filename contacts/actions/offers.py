"""Offering customers whom one colleague did not get to the next one of the plan."""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext_noop

from contacts.actions.notices import notify
from contacts.actions.tasks import add_task
from contacts.enums import (
    HandoverKind,
    ItemState,
    NoticeKind,
    StaffState,
    TaskKind,
    UndoNote,
)
from contacts.managers import managers_of
from contacts.models import Customer, Handover, HandoverItem, Staff

RECEIVER_DEPARTED = gettext_noop("The receiver has departed.")
RECEIVER_AWAY = gettext_noop("The receiver is not at work.")

RECEIVERS_OWN = frozenset({40003, 40098, 40099, 40143, 41054, 60011, 60021, 60111, 84074})
"""WeCom's errcodes that speak against the receiver and not against the customer."""

_PUT_OFFERS = """
UPDATE contacts_handoveritem AS item
SET state = 'planned', to_staff_id = dealt.staff_id, state_at = %s,
    request_id = NULL, slot = NULL, takeover_at = NULL
FROM unnest(%s::bigint[], %s::bigint[]) AS dealt (item_id, staff_id)
WHERE item.id = dealt.item_id AND item.state = ANY(%s) AND item.closed_at IS NULL
"""

_NOTE_TRIED = """
UPDATE contacts_handoveritem SET tried = array_append(tried, to_staff_id)
WHERE id = ANY(%s) AND to_staff_id IS NOT NULL AND NOT to_staff_id = ANY(tried)
"""

HELD = (ItemState.REQUESTED, ItemState.WAITING, ItemState.ACCEPTED)
UNDECIDED = (ItemState.REFUSED, ItemState.OVER_CAPACITY, ItemState.FAILED)


def another_may_get(outcome: ItemState, errcode: int | None, reason: str) -> bool:
    """Whether it was for the receiver that the customer did not change hands."""
    return (
        outcome in {ItemState.REFUSED, ItemState.OVER_CAPACITY}
        or errcode in RECEIVERS_OWN
        or reason in {RECEIVER_DEPARTED, RECEIVER_AWAY}
    )


def offer_again(handover: Handover, items: Collection[int], *, now: datetime) -> int:
    """Plan each of these undecided items for a colleague of the plan who has not been tried.

    Returns how many that were. Nobody is rung for them: the sweeper finds within seconds all who came
    together, so that they share requests and not each has one of their own. The others were offered
    ``max_offers`` times or there is nobody else: they wait for the manager, who gets a task.
    Call it in the transaction that made the items undecided.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_TRIED, [list(items)])
    rows = list(
        HandoverItem.objects.filter(pk__in=items)
        .order_by("pk")
        .values_list("pk", "tried", "tries", "to_staff_id")
    )
    dealt = {} if handover.kind == HandoverKind.UNDO else _deal(handover, rows)
    if dealt:
        states = [state.value for state in UNDECIDED]
        with connection.cursor() as cursor:
            cursor.execute(_PUT_OFFERS, [now, list(dealt), list(dealt.values()), states])
    if len(dealt) < len(rows):
        ask_for_decision(handover, now=now)
    return len(dealt)


def note_not_given_back(
    handover: Handover, items: Collection[int], why: UndoNote = UndoNote.CHANNEL
) -> None:
    """Of an undo: the customers of these items stay with the receiver, and their handover says so."""
    if handover.kind == HandoverKind.UNDO:
        customers = HandoverItem.objects.filter(pk__in=items).values_list("customer", flat=True)
        HandoverItem.objects.filter(
            handover=handover.undoes_id, customer__in=list(customers)
        ).update(undone_at=None, undo_note=why)


def ask_for_decision(handover: Handover, *, now: datetime) -> None:
    """Leave the manager a task: some customers rest, and nobody else is to be offered them."""
    add_task(
        kind=TaskKind.DECISION,
        store=handover.store,
        staff=None,
        handover=handover,
        actor=None,
        now=now,
        due_on=timezone.localdate(now),
    )
    notify(
        managers_of(handover.store_id),
        NoticeKind.NEEDS_DECISION,
        key=f"decision-{handover.pk}",
        now=now,
        handover=handover,
        about=handover.from_staff,
    )


Row = tuple[int, list[int], int, int | None]


def _deal(handover: Handover, rows: Sequence[Row]) -> dict[int, int]:
    """Return the next receiver of each item; those for whom there is none are left out.

    Whoever has the most room is next, and every customer given takes some of it. Whoever was
    asked for and holds nobody of the handover comes last: WeCom gives them nobody, it seems.
    """
    tried_ever = _tried_in(handover)
    room = _rooms(handover, {receiver for *_, receiver in rows if receiver}, tried_ever)
    vain = tried_ever - _holders(handover)
    dealt: dict[int, int] = {}
    for item, tried, tries, _receiver in rows:
        if tries >= handover.max_offers:
            continue
        free = [pk for pk in room if pk not in tried and room[pk] > 0]
        if free:
            dealt[item] = max(free, key=lambda pk: (pk not in vain, room[pk], -pk))
            room[dealt[item]] -= 1
    return dealt


def _holders(handover: Handover) -> set[int]:
    items = HandoverItem.objects.filter(handover=handover, state__in=HELD, to_staff__isnull=False)
    return set(items.order_by().values_list("to_staff", flat=True).distinct())


def _tried_in(handover: Handover) -> set[int]:
    rows = HandoverItem.objects.filter(handover=handover).exclude(tried=[])
    return {pk for row in rows.values_list("tried", flat=True)[:1000] for pk in row}


def _rooms(
    handover: Handover, just_tried: Collection[int], tried_ever: Collection[int]
) -> dict[int, int]:
    """Return how many more customers each colleague of the plan can take who is at work."""
    planned = HandoverItem.objects.filter(handover=handover, to_staff__isnull=False)
    people = set(planned.values_list("to_staff", flat=True).distinct())
    people.update(tried_ever)
    receivers = Staff.objects.filter(
        pk__in=people - {handover.from_staff_id}, state=StaffState.ACTIVE
    )
    owned = dict(
        Customer.objects.filter(owner__in=receivers)
        .order_by()
        .values_list("owner")
        .annotate(Count("pk"))
    )
    return {
        person.pk: person.capacity - owned.get(person.pk, 0)
        for person in receivers
        if person.wecom_userid or person.pk in just_tried
    }
