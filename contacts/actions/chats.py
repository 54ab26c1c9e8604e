"""Group chats: learnt from WeCom, in custody when their owner departs, given to new owners.

Every call is claimed, made and written down. WeCom answers a repeated transfer with "the owner is
unchanged" or "inherited already" (90504, 90508), which counts as done, so a call whose answer was
lost is made again.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import cycle

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from connectors.wecom.api.chats import MAX_OWNERS, get_chat, list_chats
from connectors.wecom.api.transfers import (
    MAX_PER_CALL,
    groupchat_onjob_transfer,
    groupchat_transfer,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, ConfigProblem, Refused, WeComError, describe
from contacts.actions.closing import close_if_settled
from contacts.actions.staff import staff_by_channel_userid
from contacts.doorbell import ring
from contacts.enums import HandoverState, ItemState, StaffState
from contacts.models import ChatItem, GroupChat, Handover, Staff, Store
from contacts.models.chats import MOST_A_DAY
from contacts.tasks import transfer_chats
from contacts.wecom import wecom

LEASE = timedelta(seconds=60)
AGAIN = timedelta(minutes=10)
A_DAY = timedelta(days=1)

DONE = frozenset({0, 90504, 90508})
LATER = frozenset({45009, 90500, 90502, 90507})
"""Too often, the owner is not where we thought, being inherited: asked again later."""
GONE = frozenset({90501, 90509})


def learn_chat(client: WeComClient, chat_id: str, *, now: datetime) -> GroupChat | None:
    """Take over what WeCom knows of a group chat; ``None`` if there is no such chat any more."""
    try:
        chat = get_chat(client, chat_id)
    except Refused as refused:
        if refused.errcode not in GONE:
            raise
        GroupChat.objects.filter(chat_id=chat_id, dismissed_at=None).update(dismissed_at=now)
        return None
    owner = staff_by_channel_userid(chat.owner_user_id)
    store = (owner and owner.store) or Store.objects.order_by("pk")[0]
    facts = {
        "name": chat.name[:255],
        "members": chat.members,
        "owner": owner if owner and owner.is_employed else None,
        "store": store,
        "known_at": now,
    }
    with transaction.atomic():
        known = GroupChat.objects.select_for_update(no_key=True).filter(chat_id=chat_id).first()
        if known and known.items.filter(closed_at=None).exists():
            del facts["owner"]  # a handover is about to say
        return GroupChat.objects.update_or_create(chat_id=chat_id, defaults=facts)[0]


def sync_chats(client: WeComClient, *, now: datetime) -> Iterator[GroupChat]:
    """Yield every group chat of our people as WeCom has it now, a hundred owners at a time."""
    people = Staff.objects.exclude(wecom_userid=None).order_by("pk")
    userids = list(people.values_list("wecom_userid", flat=True))
    for start in range(0, len(userids), MAX_OWNERS):
        owners = [userid for userid in userids[start : start + MAX_OWNERS] if userid]
        for chat_id in list_chats(client, owners):
            chat = learn_chat(client, chat_id, now=now)
            if chat:
                yield chat


def take_chats_into_custody(staff: Staff, handover: Handover, *, now: datetime) -> int:
    """Plan new owners for the group chats of somebody who departs; returns how many there are.

    Call it in the transaction of the departure: from now on they wait for an owner.
    """
    owned = GroupChat.objects.select_for_update(no_key=True).filter(owner=staff, dismissed_at=None)
    chats = list(owned.order_by("pk").values_list("pk", flat=True))
    GroupChat.objects.filter(owner=staff).update(owner=None)
    ChatItem.objects.filter(chat__in=chats, closed_at=None).update(
        state=ItemState.CANCELLED, state_at=now, closed_at=now
    )
    ChatItem.objects.bulk_create(
        [ChatItem(handover=handover, chat_id=pk, state_at=now) for pk in chats], batch_size=500
    )
    return len(chats)


def deal_chats(handover: Handover, receivers: Sequence[Staff], *, now: datetime) -> None:
    """Give planned chats without a receiver to these colleagues in turn, and have them moved."""
    waiting = ChatItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    able = [person for person in receivers if person.wecom_userid]
    for item, receiver in zip(
        waiting.filter(to_staff=None).order_by("pk"), cycle(able) if able else (), strict=False
    ):
        ChatItem.objects.filter(pk=item.pk).update(to_staff=receiver)
    if waiting.exclude(to_staff=None).update(next_attempt_at=now):
        ring(transfer_chats, handover.pk)


def choose_owner(item: ChatItem, receiver: Staff, *, now: datetime) -> bool:
    """Let a colleague be the next owner of a planned or failed chat; returns whether it still was.

    Of a handover under way the chat is moved at once.
    """
    runs = item.handover.state == HandoverState.RUNNING
    still = ChatItem.objects.filter(pk=item.pk, state__in=[ItemState.PLANNED, ItemState.FAILED])
    chosen = still.update(
        to_staff=receiver,
        state=ItemState.PLANNED,
        state_at=now,
        closed_at=None,
        errcode=None,
        reason="",
        next_attempt_at=now if runs else None,
    )
    if chosen and runs:
        ring(transfer_chats, item.handover_id)
    return bool(chosen)


def handovers_with_chats_due(now: datetime) -> list[int]:
    """Handovers with group chats to move, for the sweeper."""
    return list(_due(now).values_list("handover", flat=True).distinct()[:50])


def transfer_due_chats(handover_id: int, *, now: datetime) -> int:
    """Move the group chats of a handover that are due; returns how many were asked for."""
    client = wecom()
    asked = 0
    receivers = _due(now).filter(handover=handover_id).values_list("to_staff", flat=True)
    for receiver in sorted(set(receivers.order_by())):
        while client and (items := _claim(handover_id, receiver, now)):
            asked += len(items)
            _call(client, items, now)
    if asked:
        close_if_settled(Handover.objects.get(pk=handover_id), now=now)
    return asked


def close_chats(handover: Handover, *, now: datetime) -> None:
    """Cancel what was not asked for, when a handover is cancelled or finished."""
    handover.chats.filter(state=ItemState.PLANNED).update(
        state=ItemState.CANCELLED, state_at=now, closed_at=now
    )


def chat_counts(handover: Handover) -> dict[ItemState, int]:
    """Return how many chats of the handover are in which state."""
    rows = handover.chats.order_by().values_list("state").annotate(Count("pk"))
    return {ItemState(state): number for state, number in rows}


def _due(now: datetime) -> QuerySet[ChatItem]:
    left_behind = Q(state=ItemState.REQUESTED, lease_until__lt=now)
    return ChatItem.objects.filter(
        Q(state=ItemState.PLANNED) | left_behind,
        closed_at=None,
        to_staff__isnull=False,
        next_attempt_at__lte=now,
        handover__state=HandoverState.RUNNING,
    )


def _claim(handover_id: int, receiver_id: int, now: datetime) -> list[ChatItem]:
    """Claim at most 100 chats for one receiver, and no more than the day has room for.

    What finds no room today is tried again when the oldest of today's is a day old.
    """
    with transaction.atomic():
        receiver = Staff.objects.select_for_update(no_key=True).get(pk=receiver_id)
        due = _due(now).filter(handover=handover_id, to_staff=receiver)
        if receiver.state != StaffState.ACTIVE:
            due.update(to_staff=None, next_attempt_at=None)
            return []
        taken = ChatItem.objects.filter(to_staff=receiver, state_at__gt=now - A_DAY).filter(
            state__in=[ItemState.ACCEPTED, ItemState.REQUESTED]
        )
        room = MOST_A_DAY - taken.exclude(pk__in=due.values("pk")).count()
        locked = due.select_for_update(of=("self",), skip_locked=True)
        found = locked.select_related("chat", "to_staff", "handover__from_staff").order_by("pk")
        items = list(found[: max(0, min(room, MAX_PER_CALL))])
        if not items:
            due.update(next_attempt_at=now + A_DAY if room <= 0 else now + AGAIN)
            return []
        ChatItem.objects.filter(pk__in=[item.pk for item in items]).update(
            state=ItemState.REQUESTED,
            state_at=now,
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
        )
    return items


def _call(client: WeComClient, items: Sequence[ChatItem], now: datetime) -> None:
    giver, receiver = items[0].handover.from_staff, items[0].to_staff
    userid = receiver.wecom_userid if receiver else ""
    move = groupchat_transfer if giver.left_channel_at else groupchat_onjob_transfer
    try:
        failures = move(client, [item.chat.chat_id for item in items], userid or "")
    except (Busy, ConfigProblem) as error:
        _later([item.pk for item in items], now + timedelta(seconds=error.retry_after), str(error))
    except Refused as error:
        _write_down(items, dict.fromkeys((item.chat.chat_id for item in items), error.errcode), now)
    except WeComError as error:
        _later([item.pk for item in items], now + LEASE, str(error))
    else:
        _write_down(items, {row.chat_id: row.errcode for row in failures}, now)


def _later(items: Sequence[int], at: datetime, why: str, errcode: int | None = None) -> None:
    ChatItem.objects.filter(pk__in=items, state=ItemState.REQUESTED).update(
        state=ItemState.PLANNED,
        lease_until=None,
        next_attempt_at=at,
        reason=why[:200],
        errcode=errcode,
    )


def _write_down(items: Sequence[ChatItem], failures: dict[str, int], now: datetime) -> None:
    codes = {item.pk: failures.get(item.chat.chat_id, 0) for item in items}
    done = [item for item in items if codes[item.pk] in DONE]
    with transaction.atomic():
        receiver = Staff.objects.select_for_update(no_key=True).get(pk=items[0].to_staff_id or 0)
        ChatItem.objects.filter(
            pk__in=[item.pk for item in done], state=ItemState.REQUESTED
        ).update(
            state=ItemState.ACCEPTED,
            state_at=now,
            closed_at=now,
            lease_until=None,
            reason="",
            errcode=None,
        )
        GroupChat.objects.filter(pk__in=[item.chat_id for item in done]).update(
            owner=receiver if receiver.is_employed else None
        )
        for code in set(codes.values()) - DONE:
            pks = [pk for pk, given in codes.items() if given == code]
            if code in LATER:
                _later(pks, now + AGAIN, describe(code), code)
            else:
                ChatItem.objects.filter(pk__in=pks, state=ItemState.REQUESTED).update(
                    state=ItemState.FAILED,
                    state_at=now,
                    closed_at=now,
                    lease_until=None,
                    errcode=code,
                    reason=describe(code)[:200],
                )
