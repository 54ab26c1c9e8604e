"""What WeCom knows of group chats: heard of in callbacks, asked for by workers, compared at night.

What a chat is like now counts, in whatever order its events come. An answer that is older than
what is known changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_noop

from connectors.wecom.api.chats import MAX_OWNERS, Chat, get_chat, list_chats
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, ConfigProblem, Refused, WeComError
from contacts import tasks
from contacts.actions.chats import note_not_given_back
from contacts.actions.closing import close_if_settled
from contacts.actions.departures import hand_on_late_chat
from contacts.actions.staff import staff_by_channel_userid
from contacts.doorbell import ring
from contacts.enums import IdentityKind, ItemState
from contacts.erased import without_the_erased
from contacts.models import ChatItem, GroupChat, Handover, Staff, Store
from contacts.wecom import READING, wecom

LEASE = timedelta(minutes=5)
PIECE = 50
"""Chats that are compared, each with a call, before it is written down how far that got."""

GONE = frozenset({90501, 90509})
ELSEWHERE = gettext_noop("The group has another owner by now.")
DISMISSED = gettext_noop("The group has been dismissed.")


def note_chat(chat_id: str, *, now: datetime) -> None:
    """Have a worker look at a chat of which WeCom has told something."""
    GroupChat.objects.bulk_create(
        [GroupChat(chat_id=chat_id, store=_first_store(), look_at=now)],
        update_conflicts=True,
        unique_fields=["chat_id"],
        update_fields=["look_at"],
    )
    ring(tasks.look_at_chat, GroupChat.objects.values_list("pk", flat=True).get(chat_id=chat_id))


def chats_to_look_at(now: datetime) -> list[int]:
    """Chats of which WeCom has told something, for the sweeper."""
    due = GroupChat.objects.filter(look_at__lte=now).order_by("look_at")
    return list(due.values_list("pk", flat=True)[:200]) if wecom() else []


def look_at_chat(pk: int, *, now: datetime) -> bool:
    """Look at one such chat; returns whether this worker was the one to do it.

    A worker that dies leaves it to the next one. What WeCom will not say is left to the nightly
    comparison; what it tells meanwhile is looked at again.
    """
    client = wecom(patience=READING)
    until = now + LEASE
    if client is None or not GroupChat.objects.filter(pk=pk, look_at__lte=now).update(
        look_at=until
    ):
        return False
    ours = GroupChat.objects.filter(pk=pk, look_at=until)
    try:
        learn_chat(client, GroupChat.objects.get(pk=pk).chat_id, now=now)
    except (Busy, ConfigProblem) as error:
        ours.update(look_at=now + timedelta(seconds=error.retry_after))
    except Refused:
        ours.update(look_at=None)
    except WeComError:
        pass  # the lease says when it is looked at again
    else:
        ours.update(look_at=None)
    return True


def learn_chat(client: WeComClient, chat_id: str, *, now: datetime) -> GroupChat | None:
    """Take over what WeCom knows of a chat; ``None`` if there is no such chat any more.

    A chat that somebody who has departed owns joins that person's handover. One that has changed
    hands without us takes no further part in a handover.
    """
    try:
        chat = get_chat(client, chat_id)
    except Refused as refused:
        if refused.errcode not in GONE:
            raise
        _dismiss(chat_id, now)
        return None
    with transaction.atomic():
        return _take_over(chat, now)


@dataclass(frozen=True, slots=True)
class Piece:
    """How far chats were compared: all of people up to one, and of those after up to a chat.

    ``chats`` are those of this piece that WeCom has listed.
    """

    up_to: int
    chat: str
    chats: int


def sync_chats(
    client: WeComClient, *, now: datetime, after: int = 0, chat: str = ""
) -> Iterator[Piece]:
    """Bring the chats of all our people up to date, a hundred people at a time, by id.

    What is known of them and WeCom lists no more is looked at, too. ``after`` and ``chat`` are
    how far an earlier run got.
    """
    people = Staff.objects.exclude(wecom_userid=None).order_by("pk")
    while owners := list(people.filter(pk__gt=after)[:MAX_OWNERS]):
        listed = set(list_chats(client, [person.wecom_userid or "" for person in owners]))
        theirs = Q(owner__in=owners) | Q(left_by__in=owners)
        known = GroupChat.objects.filter(theirs, dismissed_at=None)
        ahead = sorted(listed.union(known.values_list("chat_id", flat=True)))
        ahead = [chat_id for chat_id in ahead if chat_id > chat]
        for start in range(0, len(ahead), PIECE):
            some = ahead[start : start + PIECE]
            for chat_id in some:
                learn_chat(client, chat_id, now=now)
            yield Piece(after, some[-1], len(listed.intersection(some)))
        after, chat = owners[-1].pk, ""
        yield Piece(after, chat, 0)


def _dismiss(chat_id: str, now: datetime) -> None:
    with transaction.atomic():
        _end_item(chat_id, ItemState.CANCELLED, now, why=DISMISSED)
        GroupChat.objects.filter(chat_id=chat_id, dismissed_at=None).update(
            dismissed_at=now, known_at=now
        )


def _take_over(chat: Chat, now: datetime) -> GroupChat:
    """Locks are taken as everywhere: the owner, the chat's handover, the chat."""
    owner = _locked(staff_by_channel_userid(chat.owner_user_id))
    item = ChatItem.objects.filter(chat__chat_id=chat.chat_id, closed_at=None).first()
    if item:
        list(Handover.objects.select_for_update(no_key=True).filter(pk=item.handover_id))
    home = (owner and owner.store) or _first_store()
    GroupChat.objects.get_or_create(chat_id=chat.chat_id, defaults={"store": home})
    row = GroupChat.objects.select_for_update(no_key=True).get(chat_id=chat.chat_id)
    if row.known_at and row.known_at > now:
        return row
    row.name, row.members = chat.name[:255], chat.members
    kept = [address for address in chat.customers if len(address) <= 64]
    row.customers = without_the_erased(IdentityKind.WECOM, kept)
    row.known_at, row.dismissed_at = now, None
    is_news = owner is not None and row.left_by_id != owner.pk
    if owner and owner.is_employed:
        _found_with(row, owner, now)
    else:
        _found_without(row, owner, now)
    row.save()
    if owner and row.left_by and is_news and not row.items.filter(closed_at=None).exists():
        hand_on_late_chat(owner, row, now=now)
    return row


def _found_with(row: GroupChat, owner: Staff, now: datetime) -> None:
    """The chat belongs to a colleague: because it was handed over, or without us."""
    item = row.items.filter(closed_at=None).select_related("handover").first()
    if item and item.to_staff_id == owner.pk:
        _end_item(row.chat_id, ItemState.ACCEPTED, now)
    elif item and item.handover.from_staff_id != owner.pk:
        _end_item(row.chat_id, ItemState.CANCELLED, now, why=ELSEWHERE)
    row.owner, row.left_by, row.store = owner, None, owner.store or row.store


def _found_without(row: GroupChat, owner: Staff | None, now: datetime) -> None:
    """The chat belongs to somebody who has departed, or whom we do not know."""
    item = row.items.filter(closed_at=None).select_related("handover").first()
    if item and (owner is None or item.handover.from_staff_id != owner.pk):
        _end_item(row.chat_id, ItemState.CANCELLED, now, why=ELSEWHERE)
    row.owner, row.left_by = None, owner


def _end_item(chat_id: str, state: ItemState, now: datetime, *, why: str = "") -> None:
    """End the chat's part in a handover; a worker that is asking WeCom right now does it itself."""
    items = ChatItem.objects.filter(chat__chat_id=chat_id, state=ItemState.PLANNED)
    held = Handover.objects.filter(pk__in=list(items.values_list("handover", flat=True)))
    handovers = list(held.select_for_update(no_key=True))
    if state == ItemState.CANCELLED:
        for handover in handovers:
            note_not_given_back(handover, items)
    items.update(state=state, state_at=now, closed_at=now, reason=why)
    for handover in handovers:
        close_if_settled(handover, now=now)


def _locked(owner: Staff | None) -> Staff | None:
    if owner is None:
        return None
    return Staff.objects.select_for_update(no_key=True).get(pk=owner.pk)


def _first_store() -> Store:
    return Store.objects.order_by("pk")[0]
