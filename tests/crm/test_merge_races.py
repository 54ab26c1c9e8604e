"""Merges beside other things in the same moment, on real connections."""

from collections import Counter
from datetime import timedelta
from functools import partial

import pytest

from contacts.actions.customers import Profile, tag_customer
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow
from contacts.actions.ownership import move_ownership
from contacts.actions.tasks import add_task
from contacts.enums import CustomerState, OwnershipReason, TaskKind
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, Follow, Merge, Task
from crm.actions.merges import merge_customers, undo_merge
from tests.builders import NOON, make_customer, make_identity, make_staff, make_tag
from tests.contacts.test_races import at_once, broken, overtake

pytestmark = pytest.mark.django_db(transaction=True)

LATER = NOON + timedelta(hours=1)


def fresh(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def merging(gone: Customer, kept: Customer) -> partial:
    return partial(merge_customers, fresh(gone), into=fresh(kept), actor=None, now=LATER)


def pair() -> tuple[Customer, Customer]:
    return (
        make_customer("Chen", owner=make_staff("Mei")),
        make_customer("Chen Jing", owner=make_staff("Lin")),
    )


def test_of_two_opposite_merges_one_wins():
    chen, jing = pair()

    future = overtake(merging(chen, jing), merging(jing, chen))

    assert isinstance(future.exception(), MovedOn)
    assert (fresh(chen).merged_into, fresh(jing).state) == (jing, CustomerState.ACTIVE)
    assert Merge.objects.count() == 1
    assert broken() == {}


def test_of_sixteen_merges_to_and_fro_one_wins():
    chen, jing = pair()

    futures = at_once(
        [merging(*records) for records in ((chen, jing), (jing, chen)) for _ in range(8)]
    )

    outcomes = Counter(repr(future.exception()) for future in futures)
    assert outcomes.pop("None") == 1
    assert all(outcome.startswith("MovedOn(") for outcome in outcomes)
    assert Merge.objects.count() == 1
    assert broken() == {}


def test_two_merges_in_a_row_at_the_same_moment_make_no_chain():
    chen, jing = pair()
    zhao = make_customer("Zhao", owner=make_staff("Ann"))

    future = overtake(merging(jing, zhao), merging(chen, jing))

    assert isinstance(future.exception(), MovedOn)
    assert (fresh(jing).merged_into, fresh(chen).state) == (zhao, CustomerState.ACTIVE)
    assert broken() == {}


def test_of_two_who_take_a_merge_apart_one_wins():
    chen, jing = pair()
    merge = merge_customers(chen, into=jing, actor=None, now=LATER)
    again = Merge.objects.get(pk=merge.pk)

    future = overtake(
        partial(undo_merge, merge, actor=None, now=LATER),
        partial(undo_merge, again, actor=None, now=LATER),
    )

    assert isinstance(future.exception(), MovedOn)
    assert fresh(chen).state == CustomerState.ACTIVE
    assert broken() == {}


def test_a_tag_that_comes_at_the_same_moment_is_refused():
    (chen, jing), tag = pair(), make_tag()

    future = overtake(
        merging(chen, jing), partial(tag_customer, fresh(chen), [tag], actor=None, now=LATER)
    )

    assert isinstance(future.exception(), RuleBroken)
    assert broken() == {}


def test_a_task_that_comes_at_the_same_moment_is_refused_or_goes_along():
    (chen, jing), lin = pair(), make_staff("Ann")
    adding = partial(
        add_task,
        kind=TaskKind.TO_DO,
        store=chen.store,
        staff=lin,
        actor=lin,
        now=LATER,
        customer=fresh(chen),
        text="Call back",
    )

    future = overtake(merging(chen, jing), adding)
    assert isinstance(future.exception(), RuleBroken)
    undo_merge(Merge.objects.get(), actor=None, now=LATER)
    overtake(adding, merging(chen, jing))

    assert Task.objects.get().customer == jing
    assert broken() == {}


def test_a_connection_that_begins_at_the_same_moment_is_with_whoever_stays():
    (chen, jing), ann = pair(), make_staff("Ann")
    make_identity(chen, "wm-chen")

    overtake(
        merging(chen, jing), partial(begin_follow, ann, "wm-chen", profile=Profile(), now=LATER)
    )

    assert Follow.objects.get().customer == jing
    assert broken() == {}


def test_whoever_changes_hands_at_the_same_moment_is_looked_at_again():
    chen, jing = pair()
    ann = make_staff("Ann")

    future = overtake(
        partial(move_ownership, [(chen.pk, ann.pk)], reason=OwnershipReason.TRANSFER, now=LATER),
        merging(chen, jing),
    )

    assert isinstance(future.exception(), MovedOn)
    assert not Merge.objects.exists()


@pytest.mark.parametrize("departs_first", [True, False])
def test_an_owner_who_departs_at_the_same_moment_takes_nobody_along(departs_first):
    chen, jing = pair()
    assert jing.owner_id
    departing = partial(depart_staff, jing.owner_id, actor=None, now=LATER)
    both = (departing, merging(chen, jing))

    future = overtake(*(both if departs_first else reversed(both)))

    assert isinstance(future.exception(), MovedOn) == departs_first
    assert fresh(jing).owner is None
    assert broken() == {}
