"""Planning, starting and ending a handover. What the channel answers is in ``test_transfers``."""

from datetime import timedelta

import pytest

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import Share, plan_handover, plan_shares
from contacts.actions.sharing import Strategy
from contacts.enums import HandoverKind, HandoverState, ItemState, OwnershipReason, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover, HandoverItem, HistoryEntry, OwnershipPeriod
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
)
from tests.contacts.handing_over import LATER, owners, plan, propose, start, states

pytestmark = pytest.mark.django_db


# --- planning -----------------------------------------------------------------------------------


def test_a_plan_holds_everybody_and_moves_nobody():
    hua, lin = make_staff("Hua"), make_staff("Lin")
    customers = make_customers(3, owner=lin)
    make_customer("Zhao", owner=hua)

    handover = plan_handover(lin, kind=HandoverKind.REBALANCE, actor=hua, now=NOON)

    assert (handover.size, handover.kind, handover.planned_by) == (3, HandoverKind.REBALANCE, hua)
    assert states(handover) == {ItemState.PLANNED: 3}
    assert owners(customers) == [lin] * 3
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.data, entry.actor) == ("handover.planned", {"size": 3}, hua)


def test_somebody_without_customers_has_nothing_to_plan():
    with pytest.raises(RuleBroken, match="Lin answers for no customers"):
        plan(make_staff())

    assert not Handover.objects.exists()


def test_a_second_plan_is_refused_and_changes_nothing():
    lin = make_staff()
    make_customers(2, owner=lin)
    plan(lin)

    with pytest.raises(RuleBroken, match="in another open handover"):
        plan(lin)

    assert Handover.objects.count() == 1
    assert HandoverItem.objects.count() == 2
    assert HistoryEntry.objects.count() == 1


# --- proposing ----------------------------------------------------------------------------------


def test_evenly_deals_the_customers_out_like_cards():
    lin, mei, sun = make_staff("Lin"), make_staff("Mei"), make_staff("Sun")
    make_customers(5, owner=lin)

    shares = propose(plan(lin), mei, sun)

    assert shares == [Share(mei, 3), Share(sun, 2)]


def test_by_capacity_counts_the_customers_that_colleagues_have_already():
    lin, mei, sun = make_staff("Lin"), make_staff("Mei", capacity=5), make_staff("Sun", capacity=4)
    make_customers(8, owner=lin)
    make_customers(3, owner=mei)

    shares = propose(plan(lin), mei, sun, strategy=Strategy.CAPACITY)

    assert shares == [Share(mei, 2), Share(sun, 4), Share(None, 2)]


def test_when_room_is_short_the_most_recently_met_customers_are_placed():
    lin, mei = make_staff("Lin"), make_staff("Mei", capacity=2)
    make_customer("Never met", owner=lin)
    long_ago = make_customer("Chen", owner=lin, last_interaction_at=NOON - timedelta(days=90))
    lately = make_customer("Zhao", owner=lin, last_interaction_at=NOON)
    handover = plan(lin)

    propose(handover, mei, strategy=Strategy.CAPACITY)

    placed = handover.items.filter(to_staff=mei).values_list("customer", flat=True)
    assert set(placed) == {long_ago.pk, lately.pk}


def test_the_last_proposal_holds():
    lin, mei, sun = make_staff("Lin"), make_staff("Mei"), make_staff("Sun")
    make_customers(4, owner=lin)
    handover = plan(lin)
    propose(handover, mei)

    assert propose(handover, sun) == [Share(sun, 4)] == plan_shares(handover)


def test_receivers_must_be_other_people_at_work():
    lin = make_staff("Lin")
    make_customers(2, owner=lin)
    handover = plan(lin)

    with pytest.raises(RuleBroken, match="at least one colleague"):
        propose(handover)
    with pytest.raises(RuleBroken, match="Lin cannot take over their own customers"):
        propose(handover, lin)
    for state in (StaffState.SUSPENDED, StaffState.LEAVING):
        with pytest.raises(RuleBroken, match="Sun is not at work"):
            propose(handover, make_staff("Mei"), make_staff("Sun", state=state))
    with pytest.raises(RuleBroken, match="Wei is not at work"):
        propose(handover, make_departed())

    assert plan_shares(handover) == [Share(None, 2)]
    assert not HistoryEntry.objects.filter(action="handover.proposed").exists()


def test_a_started_handover_takes_no_proposals():
    mei = make_staff("Mei")
    handover = make_handover(to_staff=mei, state=HandoverState.RUNNING)

    with pytest.raises(MovedOn, match="already been started or cancelled"):
        propose(handover, make_staff("Sun"))

    assert handover.items.get().to_staff == mei


# --- starting -----------------------------------------------------------------------------------


def test_without_a_channel_to_ask_everybody_changes_hands_at_once():
    hua, mei = make_staff("Hua"), make_staff("Mei")
    wei = make_staff("Wei")
    customers = make_customers(3, owner=wei)
    depart_staff(wei.pk, actor=hua, now=NOON)
    handover = Handover.objects.get()
    propose(handover, mei)

    start(handover, actor=hua)

    assert (handover.state, handover.started_at, handover.closed_at) == (
        HandoverState.DONE,
        LATER,
        LATER,
    )
    assert states(handover) == {ItemState.ACCEPTED: 3}
    assert owners(customers) == [mei] * 3
    period = OwnershipPeriod.objects.get(customer=customers[0], ended_at=None)
    assert (period.reason, period.handover) == (OwnershipReason.HANDOVER, handover)
    assert HistoryEntry.objects.get(action="handover.started").actor == hua


def test_whoever_found_no_receiver_rests_where_they_are():
    lin, mei = make_staff("Lin"), make_staff("Mei", capacity=1)
    customers = make_customers(2, owner=lin)
    handover = plan(lin)
    propose(handover, mei, strategy=Strategy.CAPACITY)

    start(handover)

    assert states(handover) == {ItemState.ACCEPTED: 1, ItemState.CANCELLED: 1}
    assert sorted(owner.name for owner in owners(customers)) == ["Lin", "Mei"]


def test_a_plan_without_receivers_does_not_start():
    handover = make_handover()

    with pytest.raises(RuleBroken, match="Propose who takes these customers"):
        start(handover)

    handover.refresh_from_db()
    assert handover.state == HandoverState.PLANNED


def test_a_receiver_who_left_after_the_proposal_stops_the_start():
    mei = make_staff("Mei")
    handover = make_handover(customers=make_customers(2), to_staff=mei)
    depart_staff(mei.pk, actor=None, now=NOON)

    with pytest.raises(RuleBroken, match="Mei is not at work"):
        start(handover)

    handover.refresh_from_db()
    assert handover.state == HandoverState.PLANNED
    assert states(handover) == {ItemState.PLANNED: 2}


@pytest.mark.parametrize(
    "state", [HandoverState.RUNNING, HandoverState.DONE, HandoverState.CANCELLED]
)
def test_what_is_no_plan_any_more_does_not_start_again(state):
    item_state = ItemState.WAITING if state == HandoverState.RUNNING else ItemState.ACCEPTED
    chen = make_customer()
    handover = make_handover(
        customers=[chen], to_staff=make_staff(), state=state, item_state=item_state
    )

    with pytest.raises(MovedOn, match="just started or cancelled"):
        start(handover)

    assert owners([chen]) == [None]


def test_the_start_rings_for_a_worker_once_it_is_committed(
    rung, django_capture_on_commit_callbacks
):
    handover = make_handover(to_staff=make_staff())

    with django_capture_on_commit_callbacks(execute=True):
        start(handover)
        assert rung() == []

    assert rung() == [("contacts.tasks.make_requests", [handover.pk])]
