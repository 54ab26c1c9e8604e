"""What becomes of the customers of a handover: settled, given to somebody else, finished, cancelled."""

from datetime import timedelta

import pytest

from contacts.actions.closing import close_if_settled
from contacts.actions.departures import depart_staff
from contacts.actions.handovers import (
    cancel_handover,
    customers_to_hand_over,
    finish_handover,
    plan_handover,
    propose_receivers,
    reassign_items,
    start_handover,
)
from contacts.actions.settlement import settle_items
from contacts.actions.sharing import Strategy
from contacts.actions.staff import rehire_staff
from contacts.enums import FollowEnd, HandoverKind, HandoverState, ItemState, RequestState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    Follow,
    Handover,
    HandoverItem,
    HandoverRequest,
    HistoryEntry,
    OwnershipPeriod,
    Staff,
)
from tests.builders import (
    NOON,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
)
from tests.contacts.handing_over import LATER, owners, plan, states

pytestmark = pytest.mark.django_db


# --- settling -----------------------------------------------------------------------------------


def make_running(
    *, kind=HandoverKind.DEPARTURE, giver=None, item_state=ItemState.WAITING, number=1
):
    """A running handover whose customers are provisionally with Mei."""
    mei = make_staff("Mei")
    giver = giver or make_departed()
    customers = make_customers(number, owner=mei)
    handover = make_handover(
        giver,
        customers=customers,
        to_staff=mei,
        kind=kind,
        state=HandoverState.RUNNING,
        item_state=item_state,
    )
    return handover, mei, customers


def settle(handover, outcome, **options):
    return settle_items(handover, handover.items.all(), outcome, now=LATER, **options)


def test_an_accepted_customer_is_followed_by_the_receiver_and_not_by_the_leaver():
    handover, mei, (chen,) = make_running()
    old = make_follow(handover.from_staff, chen)

    assert settle(handover, ItemState.ACCEPTED) == 1
    close_if_settled(handover, now=LATER)

    old.refresh_from_db()
    assert (old.ended_at, old.end_reason) == (LATER, FollowEnd.TRANSFERRED)
    new = chen.follows.active().get()
    assert (new.staff, new.came_by) == (mei, f"handover-{handover.pk}")
    handover.refresh_from_db()
    assert (handover.state, owners([chen])) == (HandoverState.DONE, [mei])


@pytest.mark.parametrize("outcome", [ItemState.ACCEPTED, ItemState.REFUSED])
def test_a_follow_that_wecom_dates_ahead_of_our_clock_ends_when_it_began(outcome):
    handover, _mei, (chen,) = make_running()
    ahead = make_follow(handover.from_staff, chen, began_at=LATER + timedelta(hours=1))

    settle(handover, outcome)
    if outcome == ItemState.REFUSED:
        finish_handover(handover, actor=None, now=LATER)

    ahead.refresh_from_db()
    assert ahead.ended_at == ahead.began_at


@pytest.mark.parametrize("outcome", [ItemState.REFUSED, ItemState.OVER_CAPACITY, ItemState.FAILED])
def test_after_a_departure_whoever_is_not_taken_over_returns_to_the_pool(outcome):
    handover, _mei, customers = make_running()
    old = make_follow(handover.from_staff, customers[0])

    assert settle(handover, outcome, reason="why", errcode=40099) == 1
    close_if_settled(handover, now=LATER)

    item = handover.items.get()
    assert (item.state, item.reason, item.errcode, item.closed_at) == (outcome, "why", 40099, None)
    handover.refresh_from_db()
    assert (handover.state, owners(customers)) == (HandoverState.RUNNING, [None])
    old.refresh_from_db()
    assert old.ended_at is None


def test_whoever_does_not_leave_a_colleague_on_leave_returns_to_them():
    lin = make_staff("Lin")
    handover, _mei, customers = make_running(kind=HandoverKind.LEAVE, giver=lin)

    settle(handover, ItemState.REFUSED)

    assert owners(customers) == [lin]


def test_whoever_would_return_to_somebody_who_left_meanwhile_goes_to_the_pool():
    lin = make_staff("Lin")
    handover, _mei, customers = make_running(kind=HandoverKind.LEAVE, giver=lin)
    depart_staff(lin.pk, actor=None, now=NOON)

    settle(handover, ItemState.REFUSED)

    assert owners(customers) == [None]


def test_a_customer_accepted_by_somebody_who_left_meanwhile_is_in_a_plan_of_theirs():
    handover, mei, customers = make_running(number=2)
    first, second = handover.items.order_by("pk")
    depart_staff(mei.pk, actor=None, now=NOON)
    old = make_follow(handover.from_staff, customers[0])

    settle_items(handover, handover.items.filter(pk=first.pk), ItemState.ACCEPTED, now=LATER)

    first.refresh_from_db()
    assert (first.state, first.closed_at) == (ItemState.ACCEPTED, LATER)
    old.refresh_from_db()
    assert old.end_reason == FollowEnd.TRANSFERRED
    assert Follow.objects.active().get(customer=customers[0]).staff == mei
    assert owners(customers) == [None, None]
    plan_of_mei = Handover.objects.get(from_staff=mei, state=HandoverState.PLANNED)
    assert (plan_of_mei.size, plan_of_mei.kind) == (1, HandoverKind.DEPARTURE)

    settle_items(handover, handover.items.filter(pk=second.pk), ItemState.ACCEPTED, now=LATER)

    plan_of_mei.refresh_from_db()
    assert plan_of_mei.size == plan_of_mei.items.count() == 2
    cancel_handover(plan_of_mei, actor=None, now=LATER)
    assert set(customers_to_hand_over(Staff.objects.get(pk=mei.pk))) == set(customers)


def test_whoever_comes_back_before_the_customer_accepts_answers_for_them():
    handover, mei, customers = make_running()
    depart_staff(mei.pk, actor=None, now=NOON)
    rehire_staff(mei, actor=None, now=NOON)

    settle(handover, ItemState.ACCEPTED)

    assert owners(customers) == [mei]
    assert states(handover) == {ItemState.ACCEPTED: 1}


def test_an_answer_that_comes_twice_settles_once():
    handover, mei, customers = make_running()
    settle(handover, ItemState.ACCEPTED)

    assert settle(handover, ItemState.REFUSED) == 0

    assert states(handover) == {ItemState.ACCEPTED: 1}
    assert owners(customers) == [mei]


# --- re-assigning -------------------------------------------------------------------------------


def test_refused_customers_are_offered_to_somebody_else():
    handover, _mei, customers = make_running(number=3)
    first, *others = handover.items.order_by("pk")
    settle_items(handover, handover.items.filter(pk=first.pk), ItemState.REFUSED, now=LATER)
    sun = make_staff("Sun")

    ids = [first.pk, *(item.pk for item in others)]
    assert reassign_items(handover, ids, [sun], actor=None, now=LATER) == 1

    first.refresh_from_db()
    assert (first.state, first.to_staff) == (ItemState.ACCEPTED, sun)
    assert states(handover) == {ItemState.ACCEPTED: 1, ItemState.WAITING: 2}
    assert [owner.name for owner in owners(customers)] == ["Sun", "Mei", "Mei"]


def test_a_refused_customer_whose_connection_is_gone_is_taken_over_with_a_word_of_it(settings):
    settings.WECOM_CORP_ID = "ww0000000000000001"
    handover, _mei, (chen,) = make_running()
    HandoverItem.objects.update(tries=1)
    make_follow(handover.from_staff, chen, ended=FollowEnd.REMOVED_BY_STAFF)
    settle(handover, ItemState.REFUSED)

    reassign_items(handover, [handover.items.get().pk], [make_staff("Sun")], actor=None, now=LATER)

    item = handover.items.get()
    assert item.state == ItemState.ACCEPTED
    assert "connection there was lost" in item.reason


def test_customers_on_their_way_are_not_offered_to_anybody():
    handover, mei, customers = make_running()

    with pytest.raises(RuleBroken, match="None of these customers waits"):
        reassign_items(
            handover, [handover.items.get().pk], [make_staff("Sun")], actor=None, now=LATER
        )

    assert owners(customers) == [mei]


def test_items_of_another_handover_are_left_alone():
    handover, _mei, _customers = make_running(item_state=ItemState.REFUSED)
    other, _mei, _customers = make_running(item_state=ItemState.REFUSED)

    with pytest.raises(RuleBroken, match="None of these customers waits"):
        reassign_items(handover, [other.items.get().pk], [make_staff("Sun")], actor=None, now=LATER)

    assert other.items.get().state == ItemState.REFUSED


def test_a_handover_that_is_over_offers_nobody():
    handover = make_handover(
        to_staff=make_staff("Mei"), state=HandoverState.DONE, item_state=ItemState.ACCEPTED
    )

    with pytest.raises(MovedOn, match="not running any more"):
        reassign_items(
            handover, [handover.items.get().pk], [make_staff("Sun")], actor=None, now=LATER
        )


def test_nobody_is_offered_to_somebody_who_has_just_departed():
    handover, mei, _customers = make_running(item_state=ItemState.REFUSED)
    sun = make_staff("Sun")
    depart_staff(sun.pk, actor=None, now=NOON)

    with pytest.raises(RuleBroken, match="Sun is not at work"):
        reassign_items(handover, [handover.items.get().pk], [sun], actor=None, now=LATER)

    assert handover.items.get().to_staff == mei


# --- finishing ----------------------------------------------------------------------------------


def test_finishing_lets_the_undecided_rest_in_the_pool():
    handover, _mei, customers = make_running()
    lost = make_follow(handover.from_staff, customers[0])
    settle(handover, ItemState.REFUSED)

    finish_handover(handover, actor=None, now=LATER)

    assert (handover.state, handover.closed_at) == (HandoverState.DONE, LATER)
    assert handover.items.get().closed_at == LATER
    assert owners(customers) == [None]
    lost.refresh_from_db()
    assert lost.end_reason == FollowEnd.LOST
    assert HistoryEntry.objects.get(action="handover.finished").data == {"pool": 1}


def test_finishing_a_leave_keeps_the_colleagues_connections():
    lin = make_staff("Lin")
    handover, _mei, customers = make_running(kind=HandoverKind.LEAVE, giver=lin)
    follow = make_follow(lin, customers[0])
    settle(handover, ItemState.REFUSED)

    finish_handover(handover, actor=None, now=LATER)

    follow.refresh_from_db()
    assert (follow.ended_at, owners(customers)) == (None, [lin])


@pytest.mark.parametrize("state", [ItemState.PLANNED, ItemState.REQUESTED, ItemState.WAITING])
def test_finishing_waits_for_whoever_is_on_their_way(state):
    handover, _mei, _customers = make_running(item_state=state)

    with pytest.raises(RuleBroken, match="have not answered yet"):
        finish_handover(handover, actor=None, now=LATER)

    handover.refresh_from_db()
    assert handover.state == HandoverState.RUNNING


def test_finishing_the_leave_of_somebody_who_left_meanwhile_shows_the_loss():
    lin = make_staff("Lin")
    handover, _mei, customers = make_running(kind=HandoverKind.LEAVE, giver=lin)
    follow = make_follow(lin, customers[0])
    settle(handover, ItemState.REFUSED)
    depart_staff(lin.pk, actor=None, now=NOON)

    finish_handover(handover, actor=None, now=LATER)

    follow.refresh_from_db()
    assert follow.end_reason == FollowEnd.LOST


def test_a_plan_cannot_be_finished():
    handover = make_handover()

    with pytest.raises(MovedOn, match="not running"):
        finish_handover(handover, actor=None, now=LATER)


# --- cancelling ---------------------------------------------------------------------------------


def test_cancelling_a_plan_moves_nobody():
    lin = make_staff("Lin")
    customers = make_customers(2, owner=lin)
    handover = plan(lin)

    assert cancel_handover(handover, actor=None, now=LATER) == 2

    assert (handover.state, handover.closed_at) == (HandoverState.CANCELLED, LATER)
    assert states(handover) == {ItemState.CANCELLED: 2}
    assert owners(customers) == [lin] * 2
    assert OwnershipPeriod.objects.count() == 2


def make_asked(handover, state, number):
    """A request of the handover, holding its first customers that are in none."""
    request = HandoverRequest.objects.create(
        handover=handover,
        to_staff=Staff.objects.get(name="Mei"),
        state=state,
        lease_until=NOON if state == RequestState.CALLING else None,
        created_at=NOON,
    )
    for slot, item in enumerate(handover.items.filter(request=None).order_by("pk")[:number]):
        HandoverItem.objects.filter(pk=item.pk).update(
            request=request, slot=slot, state=ItemState.REQUESTED
        )
    return request


@pytest.mark.parametrize(
    ("kind", "home"), [(HandoverKind.DEPARTURE, None), (HandoverKind.LEAVE, "Lin")]
)
def test_cancelling_withdraws_what_was_not_asked_and_leaves_the_rest_alone(kind, home):
    giver = make_departed("Lin") if kind == HandoverKind.DEPARTURE else make_staff("Lin")
    handover, _mei, customers = make_running(kind=kind, giver=giver, number=4)
    unasked = make_asked(handover, RequestState.PREPARED, 2)
    make_asked(handover, RequestState.CALLING, 1)

    assert cancel_handover(handover, actor=None, now=LATER) == 2

    unasked.refresh_from_db()
    assert unasked.state == RequestState.REFUSED
    assert states(handover) == {
        ItemState.CANCELLED: 2,
        ItemState.REQUESTED: 1,
        ItemState.WAITING: 1,
    }
    assert [owner and owner.name for owner in owners(customers)] == [home, home, "Mei", "Mei"]
    assert handover.state == HandoverState.RUNNING


def test_cancelling_the_leave_of_somebody_who_left_meanwhile_uses_the_pool():
    lin = make_staff("Lin")
    handover, _mei, customers = make_running(kind=HandoverKind.LEAVE, giver=lin)
    make_asked(handover, RequestState.PREPARED, 1)
    depart_staff(lin.pk, actor=None, now=NOON)

    assert cancel_handover(handover, actor=None, now=LATER) == 1

    assert owners(customers) == [None]


def test_cancelling_a_second_offer_shows_the_loss_of_the_first(settings):
    settings.WECOM_CORP_ID = "ww0000000000000001"
    handover, _mei, customers = make_running()
    HandoverItem.objects.update(tries=1)
    follow = make_follow(handover.from_staff, customers[0])
    settle(handover, ItemState.REFUSED)
    items = [handover.items.get().pk]
    reassign_items(handover, items, [make_staff("Sun")], actor=None, now=LATER)

    assert cancel_handover(handover, actor=None, now=LATER) == 1

    follow.refresh_from_db()
    assert (follow.end_reason, owners(customers)) == (FollowEnd.LOST, [None])


@pytest.mark.parametrize("state", [HandoverState.DONE, HandoverState.CANCELLED])
def test_what_is_over_cannot_be_cancelled(state):
    handover = make_handover(to_staff=make_staff(), state=state, item_state=ItemState.ACCEPTED)

    with pytest.raises(MovedOn, match="already ended"):
        cancel_handover(handover, actor=None, now=LATER)

    assert not HistoryEntry.objects.exists()


def test_customers_left_in_the_pool_can_be_planned_again():
    wei, lin = make_staff("Wei"), make_staff("Lin")
    make_customers(3, owner=wei)
    first = depart_staff(wei.pk, actor=None, now=NOON)
    assert first
    cancel_handover(first, actor=None, now=NOON)
    wei.refresh_from_db()

    again = plan_handover(wei, kind=HandoverKind.REBALANCE, actor=None, now=NOON)
    propose_receivers(again, [lin], strategy=Strategy.EVENLY, actor=None, now=NOON)
    start_handover(again, actor=None, now=NOON)

    assert (again.kind, again.size) == (HandoverKind.DEPARTURE, 3)
    assert Customer.objects.filter(owner=lin).count() == 3


def test_whoever_has_no_wecom_account_takes_over_no_wecom_customers(settings):
    settings.WECOM_CORP_ID = "ww0000000000000001"
    wei, lin = make_staff("Wei"), make_staff("Lin", wecom_userid=None)
    make_customers(1, owner=wei, followed=True)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover

    with pytest.raises(RuleBroken, match="no WeCom account"):
        propose_receivers(handover, [lin], strategy=Strategy.EVENLY, actor=None, now=NOON)

    assert not HandoverItem.objects.exclude(to_staff=None).exists()
