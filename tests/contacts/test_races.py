"""Two things in the same moment, on real connections.

Where one interleaving matters it is forced: the rival starts while our transaction is open, and
we commit only when the database says that the rival waits for us.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import count
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections, transaction

from contacts.actions.customers import Profile, tag_customer
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow
from contacts.actions.handovers import (
    cancel_handover,
    propose_receivers,
    reassign_items,
    start_handover,
)
from contacts.actions.ownership import move_ownership
from contacts.actions.plans import move_customers
from contacts.actions.settlement import settle_items
from contacts.actions.sharing import Strategy
from contacts.enums import HandoverState, ItemState, OwnershipReason, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    Follow,
    Handover,
    HandoverItem,
    HistoryEntry,
    OwnershipPeriod,
    Staff,
)
from contacts.promises import plan_fingerprint
from crm.invariants import check_rules
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
    make_tag,
)

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20.0  # seconds
CHEN = Profile(name="Chen")


def broken():
    return {
        finding.rule.number: finding.examples for finding in check_rules(now=NOON) if finding.rows
    }


def on_own_connection(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connections.close_all()


def overtake(ours: Callable[[], Any], theirs: Callable[[], Any]) -> "Future[Any]":
    """Do ours, start theirs, commit ours when theirs waits for it; returns what became of theirs."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            ours()
            future = pool.submit(on_own_connection, theirs)
            deadline = time.monotonic() + PATIENCE
            while not somebody_waits_for_us():
                assert not future.done(), f"it ended without waiting: {future.exception()}"
                assert time.monotonic() < deadline, "it neither waited nor ended"
                time.sleep(0.005)
        return future


def somebody_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


def at_once(works: Sequence[Callable[[], Any]]) -> list["Future[Any]"]:
    """Start all of these in the same moment, and wait for them."""
    barrier = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        barrier.wait(PATIENCE)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(on_own_connection, partial(run, work)) for work in works]
        wait(futures, PATIENCE)
    return futures


def give(customer, staff):
    return move_ownership([(customer.pk, staff.pk)], reason=OwnershipReason.TRANSFER, now=NOON)


# --- forced interleavings -----------------------------------------------------------------------


def test_of_two_moves_of_one_customer_the_second_goes_on_from_the_first():
    chen, lin, mei = make_customer(), make_staff("Lin"), make_staff("Mei")

    second = overtake(lambda: give(chen, lin), lambda: give(chen, mei))

    assert second.result() == 1
    chen.refresh_from_db()
    assert chen.owner == mei
    owners = chen.ownership_periods.order_by("pk").values_list("staff", flat=True)
    assert list(owners) == [None, lin.pk, mei.pk]
    assert broken() == {}


def test_of_two_guides_whom_a_pooled_customer_adds_the_first_answers_for_them():
    chen, lin, mei = make_customer(address="wm-chen"), make_staff("Lin"), make_staff("Mei")

    def added_by(staff):
        return lambda: begin_follow(staff, "wm-chen", profile=CHEN, now=NOON)

    second = overtake(added_by(lin), added_by(mei))

    assert second.result().customer == chen
    chen.refresh_from_db()
    assert chen.owner == lin
    assert chen.follows.active().count() == 2
    assert broken() == {}


def test_two_workers_who_meet_the_same_stranger_create_one_customer():
    lin, mei = make_staff("Lin"), make_staff("Mei")

    second = overtake(
        lambda: begin_follow(lin, "wm-chen", profile=CHEN, now=NOON),
        lambda: begin_follow(mei, "wm-chen", profile=CHEN, now=NOON),
    )

    assert second.result().customer == Customer.objects.get()
    assert Customer.objects.get().owner == lin
    assert broken() == {}


def test_whoever_is_added_just_before_the_departure_is_in_its_handover():
    lin = make_staff()

    departure = overtake(
        lambda: begin_follow(lin, "wm-chen", profile=CHEN, now=NOON),
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
    )

    chen = Customer.objects.get()
    assert chen.owner is None
    assert departure.result().items.get().customer == chen
    assert broken() == {}


def test_whoever_is_added_during_the_departure_goes_to_the_pool():
    lin = make_staff()

    adding = overtake(
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
        lambda: begin_follow(lin, "wm-chen", profile=CHEN, now=NOON),
    )

    assert adding.result().customer.owner is None
    assert broken() == {}


def test_a_pooled_customer_added_during_the_departure_stays_in_the_pool():
    lin, chen = make_staff(), make_customer(address="wm-chen")

    adding = overtake(
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
        lambda: begin_follow(lin, "wm-chen", profile=CHEN, now=NOON),
    )

    assert adding.result().customer == chen
    chen.refresh_from_db()
    assert chen.owner is None
    assert broken() == {}


def test_a_handover_is_not_started_into_the_hands_of_somebody_who_departs():
    lin = make_staff()
    handover = make_handover(to_staff=lin)

    start = overtake(
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
        lambda: start_handover(handover, actor=None, now=NOON),
    )

    with pytest.raises(RuleBroken, match="Lin is not at work"):
        start.result()
    handover.refresh_from_db()
    assert handover.state == HandoverState.PLANNED
    assert broken() == {}


def test_a_plan_that_is_changed_in_the_moment_of_the_start_is_not_started():
    mei, sun = make_staff("Mei"), make_staff("Sun")
    handover = make_handover(customers=make_customers(3), to_staff=mei)
    promise = plan_fingerprint(handover)

    start = overtake(
        lambda: move_customers(
            handover,
            handover.items.filter(pk=handover.items.all()[0].pk),
            sun,
            actor=None,
            now=NOON,
        ),
        lambda: start_handover(handover, actor=None, now=NOON, fingerprint=promise),
    )

    with pytest.raises(MovedOn, match="Things have changed"):
        start.result()
    handover.refresh_from_db()
    assert handover.state == HandoverState.PLANNED
    assert not Customer.objects.exclude(owner=None).exists()
    assert broken() == {}


def test_a_receiver_who_departs_just_after_the_start_hands_everything_on():
    lin = make_staff()
    handover = make_handover(customers=make_customers(3), to_staff=lin)

    departure = overtake(
        lambda: start_handover(handover, actor=None, now=NOON),
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
    )

    assert departure.result().size == 3
    assert not Customer.objects.filter(owner=lin).exists()
    assert broken() == {}


def make_waiting(receiver, number=3, state=ItemState.WAITING):
    """A handover whose customers are provisionally with the receiver."""
    return make_handover(
        customers=make_customers(number, owner=receiver),
        to_staff=receiver,
        state=HandoverState.RUNNING,
        item_state=state,
    )


def accept(handover):
    return settle_items(handover, handover.items.all(), ItemState.ACCEPTED, now=NOON)


def test_whoever_is_accepted_during_the_departure_of_the_receiver_is_handed_on():
    lin = make_staff()
    handover = make_waiting(lin)

    accepting = overtake(
        lambda: depart_staff(lin.pk, actor=None, now=NOON), lambda: accept(handover)
    )

    assert accepting.result() == 3
    assert Handover.objects.get(from_staff=lin, state=HandoverState.PLANNED).size == 3
    assert not Customer.objects.exclude(owner=None).exists()
    assert Follow.objects.active().filter(staff=lin).count() == 3
    assert broken() == {}


def test_whoever_is_accepted_just_before_the_departure_of_the_receiver_is_handed_on():
    lin = make_staff()
    handover = make_waiting(lin)

    departure = overtake(
        lambda: accept(handover), lambda: depart_staff(lin.pk, actor=None, now=NOON)
    )

    assert departure.result().items.count() == 3
    assert not Customer.objects.exclude(owner=None).exists()
    assert broken() == {}


def test_a_plan_that_starts_in_the_moment_of_an_acceptance_leaves_nobody_out():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover, planned = make_waiting(lin), make_customers(2, owner=lin)
    plan = depart_staff(lin.pk, actor=None, now=NOON)
    assert plan
    assert plan.size == len(planned)
    propose_receivers(plan, [mei], strategy=Strategy.EVENLY, actor=None, now=NOON)

    accepting = overtake(
        lambda: start_handover(plan, actor=None, now=NOON), lambda: accept(handover)
    )

    assert accepting.result() == 3
    assert Handover.objects.get(from_staff=lin, state=HandoverState.PLANNED).size == 3
    assert Customer.objects.filter(owner=mei).count() == 2
    assert broken() == {}


def test_nobody_is_offered_again_to_somebody_who_departs():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    handover = make_waiting(lin, state=ItemState.REFUSED)
    items = list(handover.items.values_list("pk", flat=True))

    offer = overtake(
        lambda: depart_staff(mei.pk, actor=None, now=NOON),
        lambda: reassign_items(handover, items, [mei], actor=None, now=NOON),
    )

    with pytest.raises(RuleBroken, match="Mei is not at work"):
        offer.result()
    assert set(handover.items.values_list("state", flat=True)) == {ItemState.REFUSED}
    assert broken() == {}


def test_of_start_and_cancel_one_wins_and_the_other_is_told():
    handover = make_handover(to_staff=make_staff())

    cancel = overtake(
        lambda: start_handover(handover, actor=None, now=NOON),
        lambda: cancel_handover(Handover.objects.get(pk=handover.pk), actor=None, now=NOON),
    )

    with pytest.raises(MovedOn, match="already ended"):
        cancel.result()
    assert Handover.objects.get().state == HandoverState.DONE
    assert broken() == {}


def test_of_two_tags_of_an_exclusive_group_given_at_once_the_second_holds():
    chen, gold = make_customer(), make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)

    second = overtake(
        lambda: tag_customer(chen, [gold], actor=None, now=NOON),
        lambda: tag_customer(chen, [silver], actor=None, now=NOON),
    )

    assert second.result() == [silver]
    assert chen.carried_tags.get().tag == silver


# --- crowds -------------------------------------------------------------------------------------


def test_of_sixteen_departures_of_one_person_one_wins_and_fifteen_are_told():
    lin = make_staff()
    make_customers(20, owner=lin)

    futures = at_once([lambda: depart_staff(lin.pk, actor=None, now=NOON)] * 16)

    outcomes = Counter(type(future.exception()) for future in futures)
    assert outcomes == {type(None): 1, MovedOn: 15}
    assert Handover.objects.get().size == HandoverItem.objects.count() == 20
    assert HistoryEntry.objects.filter(action="staff.departed").count() == 1
    assert OwnershipPeriod.objects.filter(staff=None, ended_at=None).count() == 20
    assert broken() == {}


def test_nobody_is_lost_when_guides_depart_while_customers_add_them():
    """Six threads add 50 customers each to six guides, a seventh lets five of the guides go."""
    guides = [make_staff(f"Guide {number}") for number in range(6)]
    make_customers(30, owner=guides[0])
    numbers = count(1)

    def add(turn):
        for step in range(50):
            staff = Staff.objects.get(pk=guides[(turn + step) % 6].pk)
            begin_follow(staff, f"wm{next(numbers)}", profile=CHEN, now=NOON)

    def let_go():
        for guide in guides[:5]:
            depart_staff(guide.pk, actor=None, now=NOON)

    futures = at_once([*(lambda turn=turn: add(turn) for turn in range(6)), let_go])

    assert [future.exception() for future in futures] == [None] * 7
    assert Customer.objects.count() == 330
    assert Follow.objects.count() == 300
    assert not Customer.objects.filter(owner__state=StaffState.DEPARTED).exists()
    in_hand = Customer.objects.filter(owner=guides[5]).count()
    assert in_hand + Customer.objects.filter(owner=None).count() == 330
    taken = sum(Handover.objects.values_list("size", flat=True))
    assert taken == HandoverItem.objects.count() <= 330 - in_hand
    assert broken() == {}


def test_of_eight_starts_of_one_handover_one_wins():
    lin = make_staff()
    handover = make_handover(make_departed(), customers=make_customers(10), to_staff=lin)

    futures = at_once(
        [lambda: start_handover(Handover.objects.get(pk=handover.pk), actor=None, now=NOON)] * 8
    )

    outcomes = Counter(type(future.exception()) for future in futures)
    assert outcomes == {type(None): 1, MovedOn: 7}
    assert Customer.objects.filter(owner=lin).count() == 10
    assert OwnershipPeriod.objects.count() == 20
    assert broken() == {}
