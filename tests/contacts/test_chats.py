"""Group chats: in custody when their owner leaves, moved by hundreds, 300 a day to one colleague."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from contacts.actions.chats import (
    LEASE,
    chat_counts,
    choose_owner,
    handovers_with_chats_due,
    learn_chat,
    sync_chats,
    transfer_due_chats,
)
from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    cancel_handover,
    plan_handover,
    propose_receivers,
    start_handover,
)
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.enums import HandoverKind, HandoverState, ItemState, StaffState
from contacts.errors import broken_constraint
from contacts.models import ChatItem, GroupChat, Handover, Staff
from contacts.wecom import wecom
from crm.invariants import check_rules
from tests.builders import NOON, make_chat, make_customers, make_departed, make_staff
from tests.sandboxed import Shop, open_shop

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


def leaver_with_chats(shop: Shop, number: int, *, customers: int = 1) -> tuple[Staff, Staff]:
    """Wei owns so many group chats, in WeCom and here, and is about to leave; Lin stays."""
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(customers, owner=wei, followed=True)
    shop.open(wei, lin)
    ids = [f"wrChat{index:03}" for index in range(number)]
    shop.control.seed(groups=[{"chat_id": pk, "name": pk, "owner": wei.wecom_userid} for pk in ids])
    GroupChat.objects.bulk_create(
        GroupChat(chat_id=pk, name=pk, owner=wei, store=wei.store, known_at=NOON) for pk in ids
    )
    return wei, lin


def leave(shop: Shop, wei: Staff) -> Handover:
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=timezone.now())
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    return handover


def start(handover: Handover, *receivers: Staff) -> None:
    now = timezone.now()
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)


def broken() -> list[str]:
    return [what for found in check_rules(now=timezone.now()) for what in found.examples]


@pytest.mark.parametrize("number", [1, 99, 100, 101, 250])
def test_the_chats_of_a_leaver_go_to_a_colleague(shop: Shop, number: int) -> None:
    wei, lin = leaver_with_chats(shop, number)
    handover = leave(shop, wei)
    assert GroupChat.objects.filter(owner=None).count() == number
    assert chat_counts(handover) == {ItemState.PLANNED: number}

    start(handover, lin)
    assert handovers_with_chats_due(timezone.now()) == [handover.pk]
    assert transfer_due_chats(handover.pk, now=timezone.now()) == number

    assert chat_counts(handover) == {ItemState.ACCEPTED: number}
    assert GroupChat.objects.filter(owner=lin).count() == number
    assert handovers_with_chats_due(timezone.now()) == []
    assert shop.violations() == []
    assert broken() == []


def test_not_more_than_300_a_day(shop: Shop) -> None:
    wei, lin = leaver_with_chats(shop, 310)
    handover = leave(shop, wei)
    start(handover, lin)

    transfer_due_chats(handover.pk, now=timezone.now())

    assert chat_counts(handover) == {ItemState.ACCEPTED: 300, ItemState.PLANNED: 10}
    assert handovers_with_chats_due(timezone.now()) == []
    shop.control.advance(24 * 3600 + 60)
    tomorrow = timezone.now() + timedelta(days=1, minutes=1)
    assert handovers_with_chats_due(tomorrow) == [handover.pk]
    transfer_due_chats(handover.pk, now=tomorrow)
    assert chat_counts(handover) == {ItemState.ACCEPTED: 310}
    assert shop.violations() == []


def test_somebody_who_had_only_chats_leaves_a_handover_too(shop: Shop) -> None:
    wei, lin = leaver_with_chats(shop, 2, customers=0)
    handover = leave(shop, wei)
    assert handover.size == 0

    start(handover, lin)
    transfer_due_chats(handover.pk, now=timezone.now())

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert GroupChat.objects.filter(owner=lin).count() == 2
    assert broken() == []


def test_a_handover_is_not_over_before_its_chats_are() -> None:
    wei, mei = make_staff("Wei"), make_staff("Mei")
    make_customers(2, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    start(handover, mei)

    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING
    assert chat_counts(handover) == {ItemState.PLANNED: 1}


def test_a_worker_that_died_in_the_call_is_followed_by_another(shop: Shop) -> None:
    wei, lin = leaver_with_chats(shop, 3)
    handover = leave(shop, wei)
    start(handover, lin)
    transfer_due_chats(handover.pk, now=timezone.now())  # WeCom has moved them …
    now = timezone.now()
    GroupChat.objects.update(owner=None)  # … and nothing was written down
    ChatItem.objects.update(
        state=ItemState.REQUESTED, closed_at=None, lease_until=now + LEASE, next_attempt_at=now
    )

    assert transfer_due_chats(handover.pk, now=now) == 0
    transfer_due_chats(handover.pk, now=now + LEASE + timedelta(seconds=1))

    assert chat_counts(handover) == {ItemState.ACCEPTED: 3}
    assert GroupChat.objects.filter(owner=lin).count() == 3


def test_chats_that_wecom_does_not_know_fail_with_words_and_can_be_given_again(
    shop: Shop,
) -> None:
    wei, lin = leaver_with_chats(shop, 1)
    make_chat(wei, chat_id="wrNowhere")
    handover = leave(shop, wei)
    start(handover, lin)
    transfer_due_chats(handover.pk, now=timezone.now())

    failed = handover.chats.get(state=ItemState.FAILED)
    assert (failed.errcode, bool(failed.reason)) == (90501, True)
    assert choose_owner(failed, lin, now=timezone.now())
    failed.refresh_from_db()
    assert (failed.state, failed.to_staff) == (ItemState.PLANNED, lin)


def test_a_receiver_who_is_not_at_work_is_given_none(shop: Shop) -> None:
    wei, lin = leaver_with_chats(shop, 2)
    handover = leave(shop, wei)
    start(handover, lin)
    Staff.objects.filter(pk=lin.pk).update(state=StaffState.SUSPENDED)

    assert transfer_due_chats(handover.pk, now=timezone.now()) == 0

    left: set[tuple[str, int | None]] = set(handover.chats.values_list("state", "to_staff"))
    assert left == {(ItemState.PLANNED, None)}


def test_cancelling_leaves_the_chats_without_an_owner_and_nothing_open() -> None:
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    cancel_handover(handover, actor=None, now=NOON)

    assert chat_counts(handover) == {ItemState.CANCELLED: 1}
    again = plan_handover(
        Staff.objects.get(pk=wei.pk), kind=HandoverKind.DEPARTURE, actor=None, now=NOON
    )
    assert again.size == 1


def test_nobody_who_has_departed_owns_a_chat() -> None:
    chat = make_chat(make_staff())

    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        GroupChat.objects.filter(pk=chat.pk).update(owner=make_departed())

    assert broken_constraint(refused.value) == "chat_owner_is_employed"


def test_chats_are_learnt_from_wecom_again_and_again(shop: Shop) -> None:
    wei, _lin = leaver_with_chats(shop, 3)
    GroupChat.objects.all().delete()
    client = wecom()
    assert client

    for _time in range(2):
        assert len(list(sync_chats(client, now=timezone.now()))) == 3
    assert GroupChat.objects.filter(owner=wei).count() == 3
    known = GroupChat.objects.all()[0]
    GroupChat.objects.filter(pk=known.pk).update(chat_id="wrGone")
    assert learn_chat(client, "wrGone", now=timezone.now()) is None
    known.refresh_from_db()
    assert known.dismissed_at
