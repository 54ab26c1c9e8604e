"""Moving the group chats of a handover to their new owners, as WeCom lets us.

Calls of at most 100 chats of one colleague are claimed, made and written down. WeCom answers a
repeated transfer with "the owner is unchanged" or "inherited already" (90504, 90508), which counts
as done, so a call whose answer was lost is made again.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from connectors.wecom.api.transfers import (
    MAX_PER_CALL,
    groupchat_onjob_transfer,
    groupchat_transfer,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, ConfigProblem, Refused, WeComError, describe
from contacts.actions.chat_learning import learn_chat
from contacts.actions.chats import deal_chats, fail_chats, may_own_chats
from contacts.actions.closing import close_if_settled
from contacts.actions.departures import hand_on_late_chat
from contacts.actions.handovers import receivers_of
from contacts.actions.settlement import hold
from contacts.chat_limits import moved_twice, room_again_at, room_of
from contacts.enums import HandoverState, ItemState
from contacts.models import ChatItem, GroupChat, Handover, Staff
from contacts.wecom import wecom

LEASE = timedelta(seconds=120)
LOOK_AGAIN = timedelta(seconds=30)
PAUSE, LONGEST_PAUSE = timedelta(minutes=10), timedelta(hours=6)
ATTEMPTS = 10
"""Attempts before a chat that WeCom puts off again and again fails: a good day."""

LOOKS = 20
"""Chats of one call that are looked at when the answer leaves open whose they are."""

DONE = frozenset({0, 90504, 90508})
OWNER_AT_WORK, OWNER_HAS_LEFT, BEING_INHERITED = 90500, 90502, 90507
LATER = frozenset({45009, OWNER_AT_WORK, OWNER_HAS_LEFT, BEING_INHERITED})
WHOSE = frozenset({OWNER_AT_WORK, OWNER_HAS_LEFT, BEING_INHERITED})
TOO_OFTEN = 40128


def handovers_with_chats_due(now: datetime) -> list[int]:
    """Handovers with group chats to move, for the sweeper."""
    due = _due(now).order_by().values_list("handover", flat=True).distinct()
    return list(due[:50]) if wecom() else []


def transfer_due_chats(handover_id: int, *, now: datetime) -> int:
    """Move the group chats of a handover that are due; returns how many were asked for.

    Any number of workers may do this at once, and it may be repeated.
    """
    client = wecom()
    handover = Handover.objects.select_related("from_staff").get(pk=handover_id)
    if client is None:
        return 0
    _fail_the_too_often(handover, now)
    asked = 0
    for receiver in _receivers_due(handover, now):
        while items := _claim(handover, receiver, max(now, timezone.now())):
            asked += len(items)
            _move(client, handover, items, max(now, timezone.now()))
    return asked


def _due(now: datetime) -> QuerySet[ChatItem]:
    left_behind = Q(state=ItemState.REQUESTED, lease_until__lt=now)
    return ChatItem.objects.filter(
        Q(state=ItemState.PLANNED) | left_behind,
        closed_at=None,
        to_staff__isnull=False,
        next_attempt_at__lte=now,
        handover__state=HandoverState.RUNNING,
    )


def _receivers_due(handover: Handover, now: datetime) -> list[Staff]:
    """Return those to whom something is to be moved; what is for people who are away is dealt anew."""
    due = _due(now).filter(handover=handover)
    people = {person.pk: person for person in Staff.objects.filter(pk__in=due.values("to_staff"))}
    away = [person.pk for person in people.values() if not may_own_chats(person)]
    if away:
        _deal_anew(handover, away, now)
        people = {
            person.pk: person for person in Staff.objects.filter(pk__in=due.values("to_staff"))
        }
    return [people[pk] for pk in sorted(people)]


def _deal_anew(handover: Handover, away: Collection[int], now: datetime) -> None:
    with transaction.atomic():
        if not hold(handover, away):
            return
        _due(now).filter(handover=handover, to_staff__in=away).update(
            to_staff=None, state=ItemState.PLANNED, lease_until=None, next_attempt_at=None
        )
        deal_chats(handover, receivers_of(handover), now=now)
        close_if_settled(handover, now=now)


def _fail_the_too_often(handover: Handover, now: datetime) -> None:
    """WeCom moves no chat a third time in 90 days while its owner works there."""
    giver = handover.from_staff
    if giver.left_channel_at or not giver.is_employed:
        return
    due = _due(now).filter(handover=handover, chat__in=moved_twice(now))
    twice = list(due.values_list("pk", flat=True))
    if not twice:
        return
    with transaction.atomic():
        hold(handover, ())
        failing = ChatItem.objects.filter(pk__in=twice, closed_at=None)
        fail_chats(handover, failing, why=describe(TOO_OFTEN), errcode=TOO_OFTEN, now=now)
        close_if_settled(handover, now=now)


def _claim(handover: Handover, receiver: Staff, now: datetime) -> list[ChatItem]:
    """Claim at most 100 chats for one colleague, and no more than the day has room for.

    What finds no room waits until the first of what was given is a day old.
    """
    with transaction.atomic():
        Staff.objects.select_for_update(no_key=True).get(pk=receiver.pk)  # one claim at a time
        due = _due(now).filter(handover=handover, to_staff=receiver)
        waiting = list(due.values_list("pk", flat=True))
        room = room_of([receiver.pk], now=now, apart_from=waiting)[receiver.pk]
        if waiting and not room:
            again = room_again_at(receiver.pk, now=now)
            ChatItem.objects.filter(pk__in=waiting).update(next_attempt_at=again)
            return []
        locked = due.select_for_update(of=("self",), skip_locked=True).select_related("chat")
        items = list(locked.order_by("pk")[: min(room, MAX_PER_CALL)])
        for item in items:
            item.to_staff, item.lease_until = receiver, now + LEASE
        ChatItem.objects.filter(pk__in=[item.pk for item in items]).update(
            state=ItemState.REQUESTED,
            state_at=now,
            lease_until=now + LEASE,
            attempts=F("attempts") + 1,
        )
    return items


def _move(
    client: WeComClient, handover: Handover, items: Sequence[ChatItem], now: datetime
) -> None:
    """Ask for the claimed chats, at the endpoint for leavers or at the one for members at work.

    Which is right WeCom knows better than we do: who it says has left is asked for as a leaver.
    """
    receiver = (items[0].to_staff and items[0].to_staff.wecom_userid) or ""
    chats = [item.chat.chat_id for item in items]
    has_left = handover.from_staff.left_channel_at is not None
    on_job: set[str] = set()
    try:
        codes = _ask(client, chats, receiver, has_left=has_left)
        if not has_left:
            on_job = {chat for chat, code in codes.items() if code == 0}
            left = [chat for chat, code in codes.items() if code == OWNER_HAS_LEFT]
            codes |= _ask(client, left, receiver, has_left=True) if left else {}
    except (Busy, ConfigProblem) as error:
        again = now + timedelta(seconds=error.retry_after)
        harmless = isinstance(error, ConfigProblem) or error.surely_nothing_done
        _put_back(items, again, error, unasked=harmless)
    except WeComError as error:
        _put_back(items, now + LOOK_AGAIN, error, unasked=False)
    else:
        now = max(now, timezone.now())  # what others have seen during the call is older
        _write_down(handover, items, codes, on_job, now)
        _look_whose(client, codes, now)


def _ask(
    client: WeComClient, chats: Sequence[str], receiver: str, *, has_left: bool
) -> dict[str, int]:
    """Return WeCom's code for each chat; chats that the answer passes over were moved."""
    move = groupchat_transfer if has_left else groupchat_onjob_transfer
    try:
        failures = move(client, chats, receiver)
    except Refused as refused:
        return dict.fromkeys(chats, refused.errcode)
    return dict.fromkeys(chats, 0) | {row.chat_id: row.errcode for row in failures}


def _put_back(items: Sequence[ChatItem], at: datetime, error: WeComError, *, unasked: bool) -> None:
    """Have the chats asked for again at a time; it does not count as an attempt.

    Unless they are surely ``unasked`` they may have been moved, and take room of the day till then.
    """
    _ours(items).update(
        state=ItemState.PLANNED if unasked else ItemState.REQUESTED,
        lease_until=None if unasked else at,
        next_attempt_at=at,
        attempts=F("attempts") - 1,
        errcode=error.errcode or None,
        reason=error.text[:200],
    )


def _ours(items: Sequence[ChatItem]) -> QuerySet[ChatItem]:
    """Those that no other worker has claimed since."""
    return ChatItem.objects.filter(
        pk__in=[item.pk for item in items],
        state=ItemState.REQUESTED,
        lease_until=items[0].lease_until,
    )


def _write_down(
    handover: Handover,
    items: Sequence[ChatItem],
    codes: Mapping[str, int],
    on_job: Collection[str],
    now: datetime,
) -> None:
    with transaction.atomic():
        hold(handover, [items[0].to_staff_id])
        ours = list(
            _ours(items).select_for_update(of=("self",)).select_related("chat").order_by("pk")
        )
        given = {item: codes.get(item.chat.chat_id, 0) for item in ours}
        done = [item for item in ours if given[item] in DONE]
        _accept(done, on_job, now)
        for code in sorted(set(given.values()) - DONE):
            of_code = [item for item in ours if given[item] == code]
            final = [item.pk for item in of_code if code not in LATER or item.attempts >= ATTEMPTS]
            failing = ChatItem.objects.filter(pk__in=final)
            fail_chats(handover, failing, why=describe(code), errcode=code, now=now)
            _put_off([item for item in of_code if item.pk not in final], code, now)
        close_if_settled(handover, now=now)


def _accept(items: Sequence[ChatItem], on_job: Collection[str], now: datetime) -> None:
    """WeCom moves chats at once: the colleague owns them from now on."""
    if not items:
        return
    receiver = Staff.objects.select_related("store").get(received_chats=items[0])
    moved = ChatItem.objects.filter(pk__in=[item.pk for item in items])
    moved.update(
        state=ItemState.ACCEPTED,
        state_at=now,
        closed_at=now,
        lease_until=None,
        errcode=None,
        reason="",
    )
    moved.filter(chat__chat_id__in=on_job).update(on_job=True)
    chats = GroupChat.objects.filter(pk__in=[item.chat_id for item in items])
    if receiver.is_employed:
        chats.update(owner=receiver, left_by=None, known_at=now)
        if receiver.store:
            chats.update(store=receiver.store)
        return
    chats.update(owner=None, left_by=receiver, known_at=now)
    for chat in chats:
        hand_on_late_chat(receiver, chat, now=now)


def _put_off(items: Sequence[ChatItem], code: int, now: datetime) -> None:
    for attempts in {item.attempts for item in items}:
        pause = min(PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
        ChatItem.objects.filter(
            pk__in=[item.pk for item in items if item.attempts == attempts]
        ).update(
            state=ItemState.PLANNED,
            lease_until=None,
            next_attempt_at=now + pause,
            errcode=code,
            reason=describe(code)[:200],
        )


def _look_whose(client: WeComClient, codes: Mapping[str, int], now: datetime) -> None:
    """Look at chats that may have got another owner without us; whatever is found is taken over."""
    unsure = [chat for chat, code in codes.items() if code in WHOSE]
    with suppress(WeComError):
        for chat in unsure[:LOOKS]:
            learn_chat(client, chat, now=max(now, timezone.now()))
