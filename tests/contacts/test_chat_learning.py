"""Group chats as WeCom tells of them: late, twice, in any order, and compared at night."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused
from contacts.actions.chat_learning import (
    LEASE,
    PIECE,
    chats_to_look_at,
    learn_chat,
    look_at_chat,
    note_chat,
    sync_chats,
)
from contacts.actions.chats import chat_counts
from contacts.actions.departures import depart_staff
from contacts.enums import HandoverKind, ItemState
from contacts.models import GroupChat, Handover, Staff
from contacts.wecom import wecom
from tests.builders import NOON, make_chat, make_customers, make_departed, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def client(shop: Shop) -> WeComClient:
    found = wecom()
    assert found
    return found


def open_chats(shop: Shop, owner: Staff, *ids: str) -> None:
    shop.control.seed(
        groups=[
            {
                "chat_id": pk,
                "name": pk,
                "owner": owner.wecom_userid,
                "members": [{"userid": owner.wecom_userid}, {"userid": "wm1", "type": 2}],
            }
            for pk in ids
        ]
    )


def look(shop: Shop) -> int:
    """Do what the sweeper would."""
    now = timezone.now()
    return sum(look_at_chat(pk, now=now) for pk in chats_to_look_at(now))


def test_a_chat_is_looked_at_however_often_it_is_told_of(shop: Shop) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    open_chats(shop, wei, "wrA")
    note_chat("wrA", now=timezone.now())
    note_chat("wrA", now=timezone.now())

    assert look(shop) == 1
    assert look(shop) == 0

    chat = GroupChat.objects.get()
    assert (chat.owner, chat.name, chat.members, chat.customers) == (wei, "wrA", 2, ["wm1"])


def test_every_change_is_taken_over(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    open_chats(shop, wei, "wrA")
    note_chat("wrA", now=timezone.now())
    look(shop)

    shop.control.change_chat("wrA", name="Friends of blue", owner=lin.wecom_userid, members=[])
    note_chat("wrA", now=timezone.now())
    look(shop)
    chat = GroupChat.objects.get()
    assert (chat.owner, chat.name, chat.members) == (lin, "Friends of blue", 0)

    shop.control.change_chat("wrA", "dismiss")
    note_chat("wrA", now=timezone.now())
    look(shop)
    chat.refresh_from_db()
    assert chat.dismissed_at


def test_what_is_told_of_while_we_look_is_looked_at_again(shop: Shop) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    now = timezone.now()
    note_chat("wrNowhere", now=now)
    pk = GroupChat.objects.get().pk
    GroupChat.objects.update(look_at=now + LEASE)  # a worker has taken it up, and dies

    assert chats_to_look_at(now + timedelta(minutes=1)) == []
    assert chats_to_look_at(now + LEASE) == [pk]
    note_chat("wrNowhere", now=now)
    assert chats_to_look_at(now) == [pk]


def test_wecom_that_is_busy_is_asked_later(shop: Shop) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    shop.control.faults(fail=[{"path": "externalcontact/groupchat/get", "errcode": 48002}])
    note_chat("wrA", now=timezone.now())

    assert look(shop) == 1

    chat = GroupChat.objects.get()
    assert chat.known_at is None
    assert chat.look_at
    assert chat.look_at > timezone.now() + timedelta(minutes=1)


def test_an_older_answer_changes_nothing(shop: Shop, client: WeComClient) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    open_chats(shop, wei, "wrA")
    now = timezone.now()
    learn_chat(client, "wrA", now=now)
    shop.control.change_chat("wrA", name="Older")

    learn_chat(client, "wrA", now=now - timedelta(seconds=1))

    assert GroupChat.objects.get().name == "wrA"


def test_a_chat_of_somebody_who_has_departed_joins_their_handover_once(
    shop: Shop, client: WeComClient
) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    open_chats(shop, wei, "wrA")
    make_customers(1, owner=wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    for _time in range(2):
        learn_chat(client, "wrA", now=timezone.now())

    assert chat_counts(handover) == {ItemState.PLANNED: 1}
    assert GroupChat.objects.get().left_by == wei


def test_a_chat_of_somebody_long_gone_gets_a_handover_of_its_own(
    shop: Shop, client: WeComClient
) -> None:
    wei = make_departed("Wei")
    shop.open(wei)
    open_chats(shop, wei, "wrA")

    learn_chat(client, "wrA", now=timezone.now())

    handover = Handover.objects.get(from_staff=wei)
    assert (handover.kind, handover.size) == (HandoverKind.DEPARTURE, 0)
    assert chat_counts(handover) == {ItemState.PLANNED: 1}


def test_a_chat_whose_owner_we_do_not_know_has_none_here(shop: Shop, client: WeComClient) -> None:
    shop.control.seed(staff=[{"userid": "stranger", "name": "Stranger"}])
    make_staff("Lin")
    shop.control.seed(groups=[{"chat_id": "wrA", "name": "wrA", "owner": "stranger"}])

    chat = learn_chat(client, "wrA", now=timezone.now())

    assert chat
    assert (chat.owner, chat.left_by) == (None, None)


def test_a_dismissed_chat_leaves_its_handover(shop: Shop, client: WeComClient) -> None:
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    make_chat(wei, chat_id="wrGone")
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    assert learn_chat(client, "wrGone", now=timezone.now()) is None

    assert chat_counts(handover) == {ItemState.CANCELLED: 1}
    assert GroupChat.objects.get().dismissed_at


def test_what_wecom_refuses_to_say_changes_nothing(shop: Shop, client: WeComClient) -> None:
    make_chat(make_staff("Wei"), chat_id="wrA")
    shop.control.faults(fail=[{"path": "externalcontact/groupchat/get", "errcode": 60011}])

    with pytest.raises(Refused):
        learn_chat(client, "wrA", now=timezone.now())

    assert GroupChat.objects.get().dismissed_at is None


def test_all_chats_are_compared_and_lost_ends_are_found(shop: Shop, client: WeComClient) -> None:
    people = [make_staff(f"Guide {number}") for number in range(101)]
    shop.open(*people)
    shop.control.seed(page_size=2)
    open_chats(shop, people[0], "wrA", "wrB", "wrC")
    open_chats(shop, people[100], "wrD")
    make_chat(people[0], chat_id="wrGone")

    pieces = list(sync_chats(client, now=timezone.now()))
    again = list(sync_chats(client, now=timezone.now(), after=pieces[1].up_to))

    assert [(piece.up_to, piece.chats) for piece in pieces] == [
        (0, 3), (people[99].pk, 0), (people[99].pk, 1), (people[100].pk, 0),
    ]  # fmt: skip
    assert again == pieces[2:]
    assert set(GroupChat.objects.filter(dismissed_at=None).values_list("chat_id", flat=True)) == {
        "wrA", "wrB", "wrC", "wrD",
    }  # fmt: skip
    assert shop.violations() == []


def test_a_chat_that_comes_back_to_somebody_who_has_departed_is_planned_again(
    shop: Shop, client: WeComClient
) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    open_chats(shop, wei, "wrA")
    learn_chat(client, "wrA", now=NOON)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    shop.control.change_chat("wrA", owner=lin.wecom_userid)  # inside WeCom, and back again
    learn_chat(client, "wrA", now=NOON)
    assert chat_counts(handover) == {ItemState.CANCELLED: 1}

    shop.control.change_chat("wrA", owner=wei.wecom_userid)
    learn_chat(client, "wrA", now=NOON)

    assert chat_counts(handover) == {ItemState.PLANNED: 1}
    assert handover.chats.get().closed_at is None


def test_a_chat_that_went_to_somebody_we_do_not_know_is_not_taken_from_them(
    shop: Shop, client: WeComClient
) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    shop.control.seed(staff=[{"userid": "stranger", "name": "Stranger"}])
    open_chats(shop, wei, "wrA")
    learn_chat(client, "wrA", now=NOON)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    shop.control.change_chat("wrA", owner="stranger")
    learn_chat(client, "wrA", now=NOON)

    assert chat_counts(handover) == {ItemState.CANCELLED: 1}


def test_somebody_with_many_chats_is_compared_in_parts_and_gone_on_with_after_an_interruption(
    shop: Shop, client: WeComClient
) -> None:
    wei = make_staff("Wei")
    shop.open(wei)
    open_chats(shop, wei, *[f"wr{number:03}" for number in range(PIECE + 10)])
    now = timezone.now()
    later = now + timedelta(minutes=1)

    first = next(sync_chats(client, now=now))
    assert (first.up_to, first.chat, first.chats) == (0, f"wr{PIECE - 1:03}", PIECE)
    rest = list(sync_chats(client, now=later, after=first.up_to, chat=first.chat))

    assert [(piece.up_to, piece.chats) for piece in rest] == [(0, 10), (wei.pk, 0)]
    assert GroupChat.objects.filter(owner=wei, known_at=now).count() == PIECE
    assert GroupChat.objects.filter(owner=wei, known_at=later).count() == 10
