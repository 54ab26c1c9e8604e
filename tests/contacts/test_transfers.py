"""A handover against the sandbox: asked in hundreds, answered a day later, settled one by one."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from contacts.actions.customers import Profile
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow, end_follow
from contacts.actions.handovers import (
    finish_handover,
    plan_handover,
    propose_receivers,
    reassign_items,
    start_handover,
)
from contacts.actions.settlement import check_handover, note_transfer_failed
from contacts.actions.sharing import Strategy
from contacts.actions.staff import left_the_channel, rehire_staff
from contacts.actions.transfers import make_due_requests
from contacts.enums import (
    FollowEnd,
    HandoverKind,
    HandoverState,
    ItemState,
    LossState,
    RequestState,
    TaskKind,
)
from contacts.models import (
    Customer,
    Follow,
    Handover,
    HandoverItem,
    HandoverRequest,
    Identity,
    Loss,
    Staff,
    Task,
)
from contacts.queries import handover_progress
from crm.invariants import check_rules
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
    handover = shop.leave(wei)

    hand_over(handover, lin)

    assert states_of(handover) == {ItemState.WAITING: number}
    assert HandoverRequest.objects.filter(state=RequestState.MADE).count() == requests
    assert Customer.objects.filter(owner=lin).count() == number
    assert shop.violations() == []


def test_customers_who_say_nothing_are_taken_over_after_a_day(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(5, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = shop.leave(wei)
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
    handover = shop.leave(wei)
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
    handover = shop.leave(wei)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.OVER_CAPACITY: 3}
    assert Customer.objects.filter(owner=None).count() == 3


def test_a_lost_answer_is_asked_again_and_nobody_is_asked_twice(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(120, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
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
    handover = shop.leave(wei)
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


def test_wecom_is_given_the_words_to_the_customer_with_names_in_them(shop: Shop) -> None:
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(1, owner=lin, followed=True)
    shop.open(lin, mei)
    now = timezone.now()
    handover = plan_handover(lin, kind=HandoverKind.LEAVE, actor=None, now=now)
    propose_receivers(handover, [mei], strategy=Strategy.EVENLY, actor=None, now=now)

    start_handover(handover, actor=None, now=now, customer_message="{guide} is there for you now.")
    make_due_requests(handover.pk, now=timezone.now())

    assert [call["message"] for call in shop.control.rows("transfer_calls")] == [
        "Mei is there for you now."
    ]


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
    handover = shop.leave(wei)
    hand_over(handover, lin)
    address = address_of(customers[0])

    known = [
        note_transfer_failed(userid or "", address, "customer_refused", now=timezone.now())
        for userid in (
            (lin.wecom_userid or "").upper(),
            lin.wecom_userid,
            make_staff("Sun").wecom_userid,
        )
    ]

    assert known == [True, True, False]
    assert states_of(handover) == {ItemState.WAITING: 1, ItemState.REFUSED: 1}


def test_whoever_removed_the_receiver_before_wecom_was_asked_is_lost(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    for customer in customers[:2]:
        begin_follow(lin, address_of(customer), profile=Profile(), now=timezone.now())
    end_follow(
        lin, address_of(customers[0]), reason=FollowEnd.REMOVED_BY_CUSTOMER, at=timezone.now()
    )

    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    connected = Follow.objects.active().filter(staff=lin)
    assert set(connected.values_list("customer", flat=True)) == {row.pk for row in customers[1:]}
    assert not Follow.objects.active().filter(staff=wei).exists()
    loss = Loss.objects.get()
    assert (loss.customer, loss.state, loss.is_last) == (customers[0], LossState.OPEN, True)
    assert Task.objects.get(kind=TaskKind.WIN_BACK).customer == customers[0]
    assert [found for found in check_rules(now=timezone.now()) if found.rows] == []


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


# --- people who leave while their customers are on their way ------------------------------------


def remove_from_wecom(shop: Shop, staff: Staff) -> None:
    """WeCom removes somebody, and its callback has told us."""
    shop.control.depart(staff.wecom_userid or "")
    left_the_channel(staff, now=timezone.now())


def start(handover: Handover, *receivers: Staff) -> None:
    now = timezone.now()
    propose_receivers(handover, receivers, strategy=Strategy.EVENLY, actor=None, now=now)
    start_handover(handover, actor=None, now=now)


def lay_off(wei: Staff) -> Handover:
    """The manager's button: the company has let Wei go, WeCom has not."""
    handover = depart_staff(wei.pk, actor=None, now=timezone.now())
    assert handover
    return handover


def go_on_leave(wei: Staff) -> Handover:
    return plan_handover(wei, kind=HandoverKind.LEAVE, actor=None, now=timezone.now())


@pytest.mark.parametrize("begin", [lay_off, go_on_leave])
@pytest.mark.parametrize("refused", [False, True])
def test_what_began_on_the_job_is_settled_after_the_giver_has_left_wecom(
    shop: Shop, begin: Callable[[Staff], Handover], *, refused: bool
) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = begin(wei)
    hand_over(handover, lin)

    remove_from_wecom(shop, wei)
    if begin is go_on_leave:
        depart_staff(wei.pk, actor=None, now=timezone.now())
    shop.control.advance(DAY + 60)
    if refused:
        path = "externalcontact/resigned/transfer_result"
        shop.control.faults(fail=[{"path": path, "errcode": 40003, "times": 1}])
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert handover.state == HandoverState.DONE


def test_a_leaver_of_whom_nothing_is_known_on_the_job_is_settled_all_the_same(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)
    path = "externalcontact/transfer_result"
    shop.control.faults(fail=[{"path": path, "errcode": 40003, "times": 1}])

    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}


def test_a_leaver_who_comes_back_meanwhile_changes_nothing_for_the_customers(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    hand_over(handover, lin)
    rehire_staff(wei, actor=None, now=timezone.now())
    shop.control.advance(DAY + 60)

    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}


def test_a_leave_that_became_a_departure_is_asked_for_as_one(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = go_on_leave(wei)
    start(handover, lin)
    shop.control.depart(wei.wecom_userid or "")
    depart_staff(wei.pk, actor=None, now=timezone.now())

    make_due_requests(handover.pk, now=timezone.now())

    assert states_of(handover) == {ItemState.WAITING: 3}
    shop.control.advance(DAY + 60)
    check(handover)
    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert shop.violations() == []


def test_customers_of_whom_wecom_knows_nothing_are_given_up_after_a_day(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    customers = make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin, mei, moods={address_of(customers[1]): "silent"})
    handover = lay_off(wei)
    hand_over(handover, lin)
    shop.control.remove(external_userid=address_of(customers[0]), userid=wei.wecom_userid or "")
    shop.control.advance(DAY + 60)

    check_handover(handover.pk, now=timezone.now() + timedelta(hours=25), early=True)
    assert states_of(handover) == {ItemState.ACCEPTED: 1, ItemState.WAITING: 2}
    check_handover(handover.pk, now=timezone.now() + timedelta(days=4), early=True)

    assert states_of(handover) == {
        ItemState.ACCEPTED: 1,
        ItemState.WAITING: 1,
        ItemState.FAILED: 1,
    }
    given_up = HandoverItem.objects.get(state=ItemState.FAILED)
    assert (given_up.customer, given_up.closed_at) == (customers[0], None)
    assert "no transfer" in given_up.reason
    assert Customer.objects.get(pk=customers[0].pk).owner is None
    assert reassign_items(handover, [given_up.pk], [mei], actor=None, now=timezone.now()) == 1


@pytest.mark.parametrize(("errcode", "state"), [(60111, "failed"), (48002, "waiting")])
def test_only_an_answer_ends_the_waiting(shop: Shop, errcode: int, state: str) -> None:
    """A refusal is one; that our connection is broken is not the customers' fault."""
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(2, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    hand_over(handover, lin)
    shop.control.faults(fail=[{"path": "*", "errcode": errcode, "every": 1}])

    check_handover(handover.pk, now=timezone.now() + timedelta(days=4), early=True)

    assert states_of(handover) == {ItemState(state): 2}


def test_one_receiver_whom_wecom_refuses_hides_nobody_after_her(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(4, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = shop.leave(wei)
    hand_over(handover, lin, mei)
    shop.control.advance(DAY + 60)
    shop.control.faults(
        fail=[{"path": "externalcontact/resigned/transfer_result", "errcode": 48002, "times": 1}]
    )
    now = timezone.now()

    check_handover(handover.pk, now=now, early=True)

    assert states_of(handover) == {ItemState.ACCEPTED: 2, ItemState.WAITING: 2}
    handover.refresh_from_db()
    assert handover.check_at
    assert handover.check_at < now + timedelta(minutes=10)
    check(handover)
    assert states_of(handover) == {ItemState.ACCEPTED: 4}


def test_whom_a_departed_receiver_got_is_in_the_plan_of_her_own_departure(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    hers = make_customers(2, owner=lin, followed=True)
    coming = make_customers(4, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = shop.leave(wei)
    hand_over(handover, lin)
    after_lin = lay_off(lin)
    assert after_lin.size == 2

    shop.control.advance(DAY + 60)
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 4}
    assert handover.state == HandoverState.DONE
    after_lin.refresh_from_db()
    assert after_lin.size == 6
    hand_over(after_lin, mei)
    assert states_of(after_lin) == {ItemState.WAITING: 6}
    shop.control.advance(DAY + 60)
    check(after_lin)
    assert states_of(after_lin) == {ItemState.ACCEPTED: 6}
    assert Customer.objects.filter(owner=mei).count() == len(hers) + len(coming)
    assert Follow.objects.active().filter(staff=mei).count() == 6
    assert not Follow.objects.active().exclude(staff=mei).exists()
    assert sum(finding.rows for finding in check_rules(now=timezone.now())) == 0


def test_whoever_lost_their_address_meanwhile_fails_visibly(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    customers = make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    start(handover, lin)
    Identity.objects.filter(customer=customers[0]).delete()

    make_due_requests(handover.pk, now=timezone.now())

    assert states_of(handover) == {ItemState.WAITING: 2, ItemState.FAILED: 1}
    failed = HandoverItem.objects.get(state=ItemState.FAILED)
    assert failed.customer == customers[0]
    assert "address" in failed.reason
    assert Customer.objects.get(pk=customers[0].pk).owner is None


def test_nobody_is_asked_on_behalf_of_a_receiver_who_has_departed(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    start(handover, lin)
    depart_staff(lin.pk, actor=None, now=timezone.now())

    make_due_requests(handover.pk, now=timezone.now())

    assert states_of(handover) == {ItemState.FAILED: 3}
    assert set(handover.items.values_list("reason", flat=True)) == {"The receiver has departed."}
    assert shop.control.rows("transfer_calls") == []


def test_a_receiver_who_left_wecom_in_the_middle_makes_room_for_the_next(shop: Shop) -> None:
    wei, lin, mei = make_staff("Wei"), make_staff("Lin"), make_staff("Mei")
    make_customers(4, owner=wei, followed=True)
    shop.open(wei, lin, mei)
    handover = go_on_leave(wei)
    hand_over(handover, lin, mei)
    remove_from_wecom(shop, lin)
    depart_staff(lin.pk, actor=None, now=timezone.now())
    check(handover)
    assert states_of(handover) == {ItemState.WAITING: 4}
    shop.control.advance(DAY + 60)

    check_handover(handover.pk, now=timezone.now() + timedelta(minutes=6), early=True)

    assert states_of(handover) == {ItemState.ACCEPTED: 2, ItemState.PLANNED: 2}
    again = handover.items.filter(state=ItemState.PLANNED)
    assert set(again.values_list("to_staff", flat=True)) == {mei.pk}


def test_whoever_was_taken_over_before_the_answer_was_lost_is_not_given_back(shop: Shop) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = shop.leave(wei)
    path = "externalcontact/resigned/transfer_customer"
    shop.control.faults(lose=[{"path": path, "times": 1}])
    hand_over(handover, lin)
    shop.control.advance(DAY + 60)

    unclear = HandoverRequest.objects.get(state=RequestState.UNCLEAR)
    make_due_requests(handover.pk, now=unclear.next_attempt_at or timezone.now())
    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert Customer.objects.filter(owner=lin).count() == 3


def test_results_are_asked_where_the_transfer_was_asked_for(shop: Shop, now: datetime) -> None:
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei, followed=True)
    shop.open(wei, lin)
    handover = depart_staff(wei.pk, actor=None, now=now)
    assert handover
    hand_over(handover, lin)
    shop.control.depart(wei.wecom_userid or "")
    left_the_channel(wei, now=now)
    shop.control.advance(DAY + 60)

    check(handover)

    assert states_of(handover) == {ItemState.ACCEPTED: 3}
    assert shop.violations() == []
