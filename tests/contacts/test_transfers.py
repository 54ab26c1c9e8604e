"""A handover against the sandbox: asked in hundreds, answered a day later, settled one by one."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    finish_handover,
    plan_handover,
    propose_receivers,
    reassign_items,
    start_handover,
)
from contacts.actions.settlement import check_handover, note_transfer_failed
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel
from contacts.actions.transfers import make_due_requests
from contacts.enums import FollowEnd, HandoverKind, HandoverState, ItemState, RequestState
from contacts.models import Customer, Follow, Handover, HandoverItem, HandoverRequest, Staff
from contacts.queries import handover_progress
from tests.builders import make_customers, make_staff
from tests.sandboxed import Shop, address_of, open_shop

pytestmark = pytest.mark.django_db

DAY = 24 * 3600


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def leave(shop: Shop, wei: Staff) -> Handover:
    """Wei leaves WeCom and the company."""
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=timezone.now())
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    return handover


def hand_over(handover: Handover, *receivers: Staff) -> None:
    now = timezone.now()
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    make_due_requests(handover.pk, now=timezone.now())


def check(handover: Handover) -> None:
    assert check_handover(handover.pk, now=timezone.now(), early=True)
    handover.refresh_from_db()


def states_of(handover: Handover) -> dict[ItemState, int]:
    progress = handover_progress(handover)
    assert progress.adds_up
    return progress.states


@pytest.mark.parametrize(("number", "requests"), [(1, 1), (99, 1), (100, 1), (101, 2), (250, 3)])
def test_a_receiver_is_asked_in_requests_of_at_most_100(
    shop: Shop, number: int, requests: int
) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(number, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = leave(shop, wei)

    hand_over(handover, lin)

    assert states_of(handover) == {ItemState.WAITING: number}
    assert HandoverRequest.objects.filter(state=RequestState.MADE).count() == requests
    assert Customer.objects.filter(owner=lin).count() == number
    assert shop.violations() == []


def test_customers_who_say_nothing_are_taken_over_after_a_day(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(5, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = leave(shop, wei)
    hand_over(handover, lin, mei)
    check(handover)
    assert states_of(handover) == {ItemState.WAITING: 5}

    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 5}
    assert handover.state == HandoverState.DONE
    ended = Follow.objects.filter(staff=wei, customer__in=customers)
    assert set(ended.values_list("end_reason", flat=True)) == {FollowEnd.TRANSFERRED}
    assert Follow.objects.active().filter(staff__in=[lin, mei]).count() == 5


def test_refused_customers_return_to_the_pool_and_are_offered_to_somebody_else(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(6, owner=wei, followed=True)
    refusing = address_of(customers[2])
    shop.open(wei, lin, mei, moods={refusing: "refuse"})
    handover = leave(shop, wei)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    check(handover)
    assert states_of(handover) == {ItemState.ACCEPTED: 5, ItemState.REFUSED: 1}
    assert handover.state == HandoverState.RUNNING
    assert Customer.objects.get(pk=customers[2].pk).owner is None

    item = HandoverItem.objects.get(state=ItemState.REFUSED)
    reassign_items(handover, [item.pk], [mei], actor=None, now=timezone.now())
    assert Customer.objects.get(pk=customers[2].pk).owner == mei
    make_due_requests(handover.pk, now=timezone.now())
    shop.control.advance(DAY + 60)
    check(handover)
    item.refresh_from_db()
    assert item.state in {ItemState.ACCEPTED, ItemState.REFUSED, ItemState.FAILED}
    assert item.tries == 2

    if handover.state == HandoverState.RUNNING:
        finish_handover(handover, actor=None, now=timezone.now())
    assert sum(states_of(handover).values()) == 6
    assert handover.state == HandoverState.DONE
    assert shop.violations() == []


def test_a_full_receiver_gives_the_customers_back(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    shop.control.faults(takeover_full=[lin.wecom_userid])
    handover = leave(shop, wei)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.OVER_CAPACITY: 3}
    assert Customer.objects.filter(owner=None).count() == 3


def test_a_lost_answer_is_asked_again_and_nobody_is_asked_twice(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(120, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = leave(shop, wei)
    path = "externalcontact/resigned/transfer_customer"
    shop.control.faults(lose=[{"path": path, "times": 1}])

    hand_over(handover, lin)
    assert states_of(handover)[ItemState.REQUESTED] in {20, 100}
    unclear = HandoverRequest.objects.get(state=RequestState.UNCLEAR)
    make_due_requests(handover.pk, now=(unclear.next_attempt_at or timezone.now()))

    assert states_of(handover) == {ItemState.WAITING: 120}


def test_a_request_whose_worker_died_is_made_by_the_next(shop: Shop, now: datetime) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = leave(shop, wei)
    propose_receivers(handover, [lin], strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)
    HandoverRequest.objects.update(
        state=RequestState.CALLING, lease_until=now + timedelta(minutes=1)
    )

    assert make_due_requests(handover.pk, now=now + timedelta(seconds=30)) == 0
    HandoverRequest.objects.update(lease_until=now - timedelta(minutes=1))
    assert make_due_requests(handover.pk, now=timezone.now()) == 1

    assert states_of(handover) == {ItemState.WAITING: 3}


def test_somebody_still_in_wecom_is_handed_over_on_the_job(shop: Shop, now: datetime) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = depart_staff(wei.pk, actor=None, now=now)
    assert handover

    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert shop.violations() == []


def test_on_the_job_a_refusal_leaves_the_customer_with_the_colleague(
    shop: Shop, now: datetime
) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin, moods={address_of(customers[0]): "refuse"})
    handover = plan_handover(wei, kind=HandoverKind.REBALANCE, actor=None, now=now)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 1, ItemState.REFUSED: 1}
    assert Customer.objects.get(pk=customers[0].pk).owner == wei
    assert Customer.objects.get(pk=customers[1].pk).owner == lin
    assert Follow.objects.active().filter(staff=wei, customer=customers[0]).exists()


def test_a_refusal_told_by_callback_settles_the_item_at_once(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = leave(shop, wei)
    hand_over(handover, lin)
    address = address_of(customers[0])

    known = [
        note_transfer_failed(
            lin.wecom_userid or "", address, "customer_refused", now=timezone.now()
        )
        for _again in range(2)
    ]

    assert known == [True, False]
    assert states_of(handover) == {ItemState.WAITING: 1, ItemState.REFUSED: 1}


def test_without_a_channel_a_handover_settles_at_once(now: datetime) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei)
    handover = depart_staff(wei.pk, actor=None, now=now)
    assert handover

    hand_over(handover, lin)

    handover.refresh_from_db()
    assert handover.state == HandoverState.DONE
    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert Customer.objects.filter(owner=lin).count() == 3
