"""Several people, and several workers, at the same pool in the same moment."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction

from contacts.actions.departures import depart_staff
from contacts.actions.handovers import plan_handover
from contacts.actions.interactions import log_interaction
from contacts.actions.pool_rounds import assign_automatically
from contacts.actions.pools import assign_from_pool, claim_customer, claim_next
from contacts.actions.recycling import recycle
from contacts.actions.sharing import Strategy
from contacts.enums import (
    Assignment,
    HandoverKind,
    InteractionKind,
    ItemState,
    OwnershipReason,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, HandoverItem, HistoryEntry, OwnershipPeriod, PoolRule
from contacts.pools import resting
from tests.builders import NOON, first_store, make_customer, make_customers, make_staff
from tests.contacts.test_races import at_once, broken, overtake

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(days=1)


def make_rule(**fields):
    return PoolRule.objects.create(**{"claiming": True, "store": first_store()} | fields)


def outcomes(futures):
    return Counter(type(future.exception()) for future in futures)


def test_of_sixteen_guides_who_claim_one_customer_one_wins_and_fifteen_are_told():
    make_rule()
    guides = [make_staff(f"Guide {number}") for number in range(16)]
    chen = make_customer("Chen")

    futures = at_once([partial(claim_customer, chen, staff=guide, now=LATER) for guide in guides])

    assert outcomes(futures) == {type(None): 1, MovedOn: 15}
    assert OwnershipPeriod.objects.filter(reason=OwnershipReason.CLAIMED).count() == 1
    assert HistoryEntry.objects.filter(action="pool.claimed").count() == 1
    assert broken() == {}


def test_sixteen_claims_of_one_guide_stop_at_the_days_limit():
    make_rule(claims_per_day=5)
    lin = make_staff("Lin")
    customers = make_customers(16)

    futures = at_once([partial(claim_customer, chen, staff=lin, now=LATER) for chen in customers])

    assert outcomes(futures) == {type(None): 5, RuleBroken: 11}
    assert Customer.objects.filter(owner=lin).count() == 5
    assert broken() == {}


def test_sixteen_claims_of_one_guide_stop_where_there_is_no_more_room():
    make_rule(claims_per_day=50)
    lin = make_staff("Lin", capacity=3)
    customers = make_customers(16)

    futures = at_once([partial(claim_customer, chen, staff=lin, now=LATER) for chen in customers])

    assert outcomes(futures) == {type(None): 3, RuleBroken: 13}
    assert broken() == {}


def test_sixteen_guides_who_ask_for_the_next_one_get_sixteen_customers():
    make_rule()
    guides = [make_staff(f"Guide {number}") for number in range(16)]
    make_customers(16)

    futures = at_once([partial(claim_next, guide, now=LATER) for guide in guides])

    assert outcomes(futures) == {type(None): 16}
    assert len({future.result().pk for future in futures}) == 16
    assert not Customer.objects.filter(owner=None).exists()
    assert broken() == {}


def test_whoever_departs_in_the_same_moment_claims_nobody():
    make_rule()
    lin, chen = make_staff("Lin"), make_customer("Chen")

    claim = overtake(
        lambda: depart_staff(lin.pk, actor=None, now=NOON),
        lambda: claim_customer(chen, staff=lin, now=LATER),
    )

    with pytest.raises(RuleBroken, match="Only who is at work"):
        claim.result()
    assert broken() == {}


def test_whoever_was_claimed_just_before_the_departure_is_in_its_handover():
    make_rule()
    lin, chen = make_staff("Lin"), make_customer("Chen")

    departure = overtake(
        lambda: claim_customer(chen, staff=lin, now=LATER),
        lambda: depart_staff(lin.pk, actor=None, now=LATER),
    )

    assert departure.result().items.get().customer == chen
    assert broken() == {}


def left_over():
    """A customer in the pool whom somebody could plan to hand over, and no plan does."""
    wei = make_staff("Wei")
    chen = make_customer("Chen", owner=wei)
    depart_staff(wei.pk, actor=None, now=NOON)
    HandoverItem.objects.update(state=ItemState.CANCELLED, closed_at=NOON)
    wei.handovers.update(state="cancelled", closed_at=NOON)
    wei.refresh_from_db()
    return wei, chen


def plan(wei):
    return plan_handover(wei, kind=HandoverKind.DEPARTURE, actor=None, now=LATER)


def test_who_is_being_claimed_is_not_planned_for_a_handover():
    make_rule()
    lin = make_staff("Lin")
    wei, chen = left_over()

    planning = overtake(lambda: claim_customer(chen, staff=lin, now=LATER), lambda: plan(wei))

    with pytest.raises(RuleBroken, match="answers for no customers"):
        planning.result()
    assert Customer.objects.get().owner == lin
    assert broken() == {}


def test_who_is_being_planned_for_a_handover_is_not_claimed():
    make_rule()
    lin = make_staff("Lin")
    wei, chen = left_over()

    claim = overtake(lambda: plan(wei), lambda: claim_customer(chen, staff=lin, now=LATER))

    with pytest.raises(MovedOn):
        claim.result()
    assert Customer.objects.get().owner is None
    assert broken() == {}


def test_two_assignments_of_the_same_customers_give_each_away_once():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(20)

    def assign(person):
        assign_from_pool(resting(), [person], strategy=Strategy.EVENLY, actor=None, now=LATER)

    futures = at_once([partial(assign, lin), partial(assign, mei)] * 2)

    assert set(outcomes(futures)) <= {type(None), RuleBroken}
    assert OwnershipPeriod.objects.filter(reason=OwnershipReason.ASSIGNED).count() == 20
    assert broken() == {}


def test_of_eight_sweepers_one_assigns():
    make_rule(assignment=Assignment.TURNS, assign_after_hours=1)
    for name in ("Lin", "Mei", "Sun"):
        make_staff(name)
    make_customers(12)
    store = first_store()

    futures = at_once([partial(assign_automatically, store, now=LATER)] * 8)

    assert outcomes(futures) == {type(None): 8}
    assert sum(future.result() for future in futures) == 12
    per_guide = Counter(Customer.objects.values_list("owner__name", flat=True))
    assert per_guide == {"Lin": 4, "Mei": 4, "Sun": 4}
    assert broken() == {}


def test_while_one_sweeper_assigns_the_other_does_not_wait():
    make_rule(assignment=Assignment.TURNS, assign_after_hours=1)
    make_staff("Lin")
    make_customers(3)
    store = first_store()

    with transaction.atomic():
        assert assign_automatically(store, now=LATER) == 3
        (second,) = at_once([partial(assign_automatically, store, now=LATER)])

    assert second.result() == 0


def test_eight_recyclers_send_back_one_days_part():
    make_rule(recycle_after_days=60, warn_days=0, recycle_per_day=5)
    make_customers(20, owner=make_staff("Lin"))
    store, now = first_store(), NOON + timedelta(days=61)

    futures = at_once([partial(recycle, store, now=now)] * 8)

    assert outcomes(futures) == {type(None): 8}
    assert sum(future.result() for future in futures) == 5
    assert Customer.objects.filter(owner=None).count() == 5
    assert broken() == {}


def test_whoever_is_contacted_in_the_last_moment_stays():
    make_rule(recycle_after_days=60, warn_days=0)
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    store, now = first_store(), NOON + timedelta(days=61)

    recycling = overtake(
        lambda: log_interaction(chen, kind=InteractionKind.CALL, text="Hi", actor=lin, now=now),
        lambda: recycle(store, now=now),
    )

    assert recycling.result() == 0
    assert Customer.objects.get().owner == lin
    assert broken() == {}
