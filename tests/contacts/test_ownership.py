"""Changing who answers for customers: the row and the ledger move together."""

from datetime import timedelta

import pytest

from contacts.actions.ownership import move_ownership
from contacts.enums import CustomerState, OwnershipReason
from contacts.models import OwnershipPeriod
from tests.builders import (
    NOON,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
)

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=1)


def move(*moves, now=LATER, **options):
    pairs = [(customer.pk, staff and staff.pk) for customer, staff in moves]
    return move_ownership(pairs, reason=OwnershipReason.TRANSFER, now=now, **options)


def ledger(customer):
    """The customer's periods, oldest first: staff, from, to."""
    rows = customer.ownership_periods.order_by("began_at", "pk")
    return [(row.staff, row.began_at, row.ended_at) for row in rows]


def test_the_old_period_ends_where_the_new_one_begins():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer(owner=lin)

    assert move((chen, mei)) == 1

    chen.refresh_from_db()
    assert chen.owner == mei
    assert ledger(chen) == [(lin, NOON, LATER), (mei, LATER, None)]


def test_many_move_at_once_each_to_their_own():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen, zhao, sun = make_customer(owner=lin), make_customer("Zhao"), make_customer("Sun")
    handover = make_handover()

    assert move((chen, None), (zhao, mei), (sun, lin), handover=handover) == 3

    for customer, owner in ((chen, None), (zhao, mei), (sun, lin)):
        customer.refresh_from_db()
        assert customer.owner == owner
        assert ledger(customer)[-1] == (owner, LATER, None)
    assert OwnershipPeriod.objects.filter(handover=handover).count() == 3


def test_a_move_to_the_same_owner_leaves_no_trace():
    lin = make_staff()
    chen, zhao = make_customer(owner=lin), make_customer("Zhao")

    assert move((chen, lin), (zhao, None)) == 0

    assert OwnershipPeriod.objects.count() == 2


def test_nobody_to_move_is_nothing_to_do(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert move() == 0


def test_a_tombstone_is_not_moved():
    chen = make_customer(state=CustomerState.ERASED)

    assert move((chen, make_staff())) == 0

    chen.refresh_from_db()
    assert chen.owner is None


def test_a_move_with_a_clock_that_runs_behind_keeps_the_ledger_whole():
    lin = make_staff()
    chen = make_customer(since=LATER)

    move((chen, lin), now=NOON)

    assert ledger(chen) == [(None, LATER, LATER), (lin, LATER, None)]


def test_two_moves_in_the_same_moment_keep_the_ledger_whole():
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer(owner=lin)

    move((chen, mei))
    move((chen, lin))

    assert ledger(chen) == [(lin, NOON, LATER), (mei, LATER, LATER), (lin, LATER, None)]


def test_a_departed_receiver_is_refused_and_nobody_moves(refused_by):
    mei, wei = make_staff("Mei"), make_departed()
    chen, zhao = make_customer(), make_customer("Zhao")

    with refused_by("customer_owner_is_employed"):
        move((chen, mei), (zhao, wei))

    assert ledger(chen) == [(None, NOON, None)]


def test_a_thousand_move_in_as_many_statements_as_one(django_assert_max_num_queries):
    lin = make_staff()
    customers = make_customers(1000)

    with django_assert_max_num_queries(4):
        assert move(*((customer, lin) for customer in customers)) == 1000
