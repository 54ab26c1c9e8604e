"""The group chats of a handover: taken into custody, planned, given to new owners.

What WeCom says of chats is in ``chat_learning``, how it is asked to move them in
``chat_transfers``.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from contacts.actions.notices import notify
from contacts.doorbell import ring
from contacts.enums import HandoverKind, HandoverState, ItemState, NoticeKind, StaffState
from contacts.managers import managers_of
from contacts.models import ChatItem, GroupChat, Handover, Staff
from contacts.tasks import transfer_chats

NOBODY = gettext_noop("No colleague of the plan can own group chats in WeCom.")

_FAVOURITES = """
SELECT DISTINCT ON (item.id) item.id, moving.to_staff_id
FROM contacts_chatitem AS item
JOIN contacts_groupchat AS chat ON chat.id = item.chat_id
JOIN contacts_identity AS identity
    ON identity.kind = 'wecom:external_userid' AND identity.value = ANY(chat.customers)
JOIN contacts_handoveritem AS moving
    ON moving.handover_id = item.handover_id AND moving.customer_id = identity.customer_id
WHERE item.id = ANY(%s) AND moving.to_staff_id = ANY(%s)
GROUP BY item.id, moving.to_staff_id
ORDER BY item.id, count(*) DESC, moving.to_staff_id
"""

_DEAL = """
UPDATE contacts_chatitem AS item SET to_staff_id = dealt.staff_id
FROM unnest(%s::bigint[], %s::bigint[]) AS dealt (item_id, staff_id)
WHERE item.id = dealt.item_id AND item.state = 'planned'
"""


def take_chats_into_custody(staff: Staff, handover: Handover, *, now: datetime) -> int:
    """Let the group chats of somebody who departs wait for owners; returns how many are planned.

    Call it in the transaction of the departure. Chats of plans that were not started join this
    one; those of a handover under way go on in it.
    """
    owned = GroupChat.objects.filter(owner=staff)
    list(owned.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    owned.update(owner=None, left_by=staff)
    unstarted = ChatItem.objects.filter(handover__from_staff=staff, closed_at=None).exclude(
        handover__state=HandoverState.RUNNING
    )
    unstarted.update(state=ItemState.CANCELLED, state_at=now, closed_at=now)
    return take_chats_along(handover, now=now)


def take_chats_along(handover: Handover, *, now: datetime) -> int:
    """Plan new owners for the giver's group chats that no handover holds; returns how many."""
    chats = chats_to_hand_over(handover.from_staff).select_for_update(no_key=True, of=("self",))
    items = [
        ChatItem(handover=handover, chat_id=pk, state_at=now)
        for pk in chats.order_by("pk").values_list("pk", flat=True)
    ]
    ChatItem.objects.bulk_create(items, batch_size=500)
    return len(items)


def chats_to_hand_over(staff: Staff) -> QuerySet[GroupChat]:
    """Return the chats that a person owns or has left behind, and that no handover holds."""
    theirs = Q(owner=staff) | Q(owner=None, left_by=staff)
    held = ChatItem.objects.filter(closed_at=None)
    return GroupChat.objects.filter(theirs, dismissed_at=None).exclude(pk__in=held.values("chat"))


def deal_chats(handover: Handover, receivers: Sequence[Staff], *, now: datetime) -> None:
    """Give planned chats without a receiver to these colleagues, and have them all moved.

    Where nobody can own chats they fail, so that the handover can end.
    """
    unowned = ChatItem.objects.filter(handover=handover, state=ItemState.PLANNED, to_staff=None)
    dealt = proposed_owners(handover, receivers)
    with connection.cursor() as cursor:
        cursor.execute(_DEAL, [list(dealt), list(dealt.values())])
    fail_chats(handover, unowned, why=NOBODY, now=now)
    planned = ChatItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    if planned.filter(next_attempt_at=None).update(next_attempt_at=now):
        ring(transfer_chats, handover.pk)


def proposed_owners(handover: Handover, receivers: Sequence[Staff]) -> dict[int, int]:
    """Return who would get each planned chat that nobody was chosen for; items and people by id.

    Whoever takes over most of the chat's customers; where that is nobody, whoever has the fewest
    chats of the plan.
    """
    able = [person.pk for person in receivers if may_own_chats(person)]
    planned = ChatItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    free = list(planned.filter(to_staff=None).order_by("pk").values_list("pk", flat=True))
    if not (able and free):
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_FAVOURITES, [free, able])
        dealt = dict(cursor.fetchall())
    loads = dict.fromkeys(able, 0)
    chosen = planned.filter(to_staff__in=able).values_list("to_staff", flat=True)
    for person in (*chosen, *dealt.values()):
        loads[person] += 1
    turns = dict(zip(able, count(), strict=False))
    for item in free:
        if item not in dealt:
            dealt[item] = min(able, key=lambda person: (loads[person], turns[person]))
            loads[dealt[item]] += 1
    return dealt


def may_own_chats(person: Staff) -> bool:
    """Whether WeCom can make the person the owner of a group chat."""
    return person.state == StaffState.ACTIVE and bool(person.wecom_userid)


def fail_chats(
    handover: Handover,
    items: QuerySet[ChatItem],
    *,
    why: str,
    errcode: int | None = None,
    now: datetime,
) -> None:
    """Let these chats stay with whoever has them, and tell the managers, once a day.

    Of an undo, they count as not given back. Call it in the transaction that found out.
    """
    if not items.exists():
        return
    note_not_given_back(handover, items)
    items.update(
        state=ItemState.FAILED,
        state_at=now,
        closed_at=now,
        lease_until=None,
        errcode=errcode,
        reason=why[:200],
    )
    notify(
        managers_of(handover.store_id),
        NoticeKind.NEEDS_DECISION,
        key=f"chats-{handover.pk}-{timezone.localdate(now)}",
        now=now,
        handover=handover,
        about=handover.from_staff,
        data={"what": "chats"},
    )


def close_chats(handover: Handover, *, now: datetime) -> None:
    """Cancel what was not asked for, when a handover is cancelled or finished."""
    planned = handover.chats.filter(state=ItemState.PLANNED)
    note_not_given_back(handover, planned)
    planned.update(state=ItemState.CANCELLED, state_at=now, closed_at=now)


def note_not_given_back(handover: Handover, items: QuerySet[ChatItem]) -> None:
    """Of an undo: these chats stay with whoever has them, and can be given back another time.

    Call it before the items change.
    """
    if handover.kind == HandoverKind.UNDO:
        chats = list(items.values_list("chat_id", flat=True))
        ChatItem.objects.filter(handover=handover.undoes_id, chat__in=chats).update(undone_at=None)


def chats_are_settled(handover: Handover) -> bool:
    """Whether nothing will happen any more to a group chat of the handover by itself."""
    return not handover.chats.filter(closed_at=None).exists()


def chat_counts(handover: Handover) -> dict[ItemState, int]:
    """Return how many chats of the handover are in which state."""
    rows = handover.chats.order_by().values_list("state").annotate(Count("pk"))
    return {ItemState(state): number for state, number in rows}
