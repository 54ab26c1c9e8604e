"""Logging what happened between a staff member and a customer."""

from datetime import timedelta

import pytest

from contacts.actions.interactions import log_interaction
from contacts.enums import CustomerState, InteractionKind
from contacts.errors import RuleBroken
from contacts.models import Interaction
from tests.builders import NOON, make_customer, make_staff

pytestmark = pytest.mark.django_db


def log(customer, **values):
    fields = {"kind": InteractionKind.CALL, "text": " Called ", "actor": None, "now": NOON} | values
    return log_interaction(customer, **fields)


def test_an_interaction_stands_on_the_timeline_and_dates_the_customer():
    lin = make_staff()
    chen = make_customer(owner=lin)

    interaction = log(chen, actor=lin)

    chen.refresh_from_db()
    assert (interaction.staff, interaction.text, interaction.happened_at) == (lin, "Called", NOON)
    assert chen.last_interaction_at == NOON


def test_one_logged_late_does_not_turn_the_customers_clock_back():
    chen = make_customer()
    log(chen)

    log(chen, happened_at=NOON - timedelta(days=3))

    chen.refresh_from_db()
    assert chen.last_interaction_at == NOON
    assert chen.interactions.count() == 2


def test_a_clock_that_is_a_little_fast_is_forgiven():
    assert log(make_customer(), happened_at=NOON + timedelta(minutes=5)).pk


def test_the_future_is_refused_and_changes_nothing():
    chen = make_customer()

    with pytest.raises(RuleBroken, match="cannot lie in the future"):
        log(chen, happened_at=NOON + timedelta(minutes=5, seconds=1))

    chen.refresh_from_db()
    assert chen.last_interaction_at is None
    assert not Interaction.objects.exists()


def test_a_customer_who_is_gone_takes_no_interactions():
    chen = make_customer(state=CustomerState.ERASED)

    with pytest.raises(RuleBroken, match="no longer an active customer"):
        log(chen)

    assert not Interaction.objects.exists()
