"""Several workers, and people, at the same chats in the same moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from contacts.actions.chat_learning import learn_chat
from contacts.actions.chat_transfers import transfer_due_chats
from contacts.actions.chats import chat_counts
from contacts.actions.departures import depart_staff
from contacts.actions.handovers import propose_receivers, start_handover
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.enums import ItemState
from contacts.models import ChatItem, GroupChat, Handover, Staff
from contacts.wecom import wecom
from crm.invariants import check_rules
from tests.builders import make_customers, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 60.0


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def at_once(*works: Any) -> list[Any]:
    barrier = Barrier(len(works))

    def run(work: Any) -> Any:
        try:
            barrier.wait(PATIENCE)
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(run, work) for work in works]]


def handed_over(shop: Shop, wei: Staff, lin: Staff, number: int) -> Handover:
    """The handover of so many chats of Wei to Lin, which has just started."""
    make_customers(1, owner=wei)
    shop.open_chats(wei, *[f"wr{wei.pk}-{place}" for place in range(number)])
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=timezone.now())
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    propose_receivers(handover, [lin], strategy=Strategy.ONE, actor=None, now=timezone.now())
    start_handover(handover, actor=None, now=timezone.now())
    return handover


def broken() -> list[str]:
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


def test_workers_share_the_chats_and_the_day_of_one_colleague(shop: Shop) -> None:
    wei, sun, lin = make_staff("Wei"), make_staff("Sun"), make_staff("Lin")
    shop.open(wei, sun, lin)
    handovers = [handed_over(shop, wei, lin, 200), handed_over(shop, sun, lin, 150)]
    now = timezone.now()

    asked = at_once(*(lambda pk=one.pk: transfer_due_chats(pk, now=now) for one in handovers * 2))

    assert sum(asked) == 300
    assert GroupChat.objects.filter(owner=lin).count() == 300
    assert ChatItem.objects.filter(attempts__gt=1).count() == 0
    assert shop.violations() == []
    assert broken() == []


def test_events_that_come_while_chats_are_moved_lose_nothing(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    handover = handed_over(shop, wei, lin, 20)
    client = wecom()
    assert client

    def hear() -> None:
        for item in handover.chats.select_related("chat"):
            learn_chat(client, item.chat.chat_id, now=timezone.now())

    at_once(hear, hear, lambda: transfer_due_chats(handover.pk, now=timezone.now()))
    transfer_due_chats(handover.pk, now=timezone.now() + timedelta(minutes=3))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 20}
    assert GroupChat.objects.filter(owner=lin).count() == 20
    assert broken() == []


def test_a_receiver_who_departs_while_chats_are_moved_owns_none(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    handover = handed_over(shop, wei, lin, 120)

    at_once(
        lambda: transfer_due_chats(handover.pk, now=timezone.now()),
        lambda: depart_staff(lin.pk, actor=None, now=timezone.now()),
    )
    transfer_due_chats(handover.pk, now=timezone.now() + timedelta(minutes=3))

    assert not GroupChat.objects.exclude(owner=None).exists()
    assert not handover.chats.filter(closed_at=None).exists()
    assert broken() == []


def test_what_was_looked_at_during_the_call_does_not_undo_it(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    shop.open(wei, lin)
    handover = handed_over(shop, wei, lin, 1)
    chat = GroupChat.objects.get()
    client = wecom()
    assert client
    shop.control.faults(latency_ms=400)

    began = timezone.now()
    transfer_due_chats(handover.pk, now=began)
    shop.control.faults(latency_ms=0)
    seen = [{"chat_id": chat.chat_id, "owner": wei.wecom_userid}]
    shop.control.seed(groups=seen)  # as WeCom said before it moved the chat
    learn_chat(client, chat.chat_id, now=began + timedelta(milliseconds=300))

    chat.refresh_from_db()
    assert chat.owner == lin
