"""An erasure and somebody who writes about the customer in the same moment, on real connections."""

from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from campaigns.actions.batches import claim_batch
from campaigns.enums import CampaignState
from campaigns.models import Delivery
from contacts.actions.interactions import log_interaction
from contacts.enums import InteractionKind
from contacts.errors import MovedOn, broken_constraint
from contacts.models import Customer, HistoryEntry, Interaction
from crm.actions.erasing import erase_customer
from tests.builders import NOON, make_batch, make_campaign, make_customer, make_staff
from tests.contacts.test_races import broken, overtake

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chen() -> Customer:
    return make_customer("Chen", owner=make_staff("Lin"))


def erasing(customer: Customer) -> "partial[None]":
    return partial(erase_customer, customer, actor=None, now=NOON)


def writing(customer: Customer) -> "partial[Interaction]":
    note = InteractionKind.NOTE
    return partial(log_interaction, customer, kind=note, text="Chen", actor=None, now=NOON)


def fresh(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def test_who_writes_during_an_erasure_waits_and_is_refused(chen: Customer) -> None:
    late = overtake(erasing(fresh(chen)), writing(fresh(chen)))

    error = late.exception()
    assert isinstance(error, IntegrityError)
    assert broken_constraint(error) == "customer_was_erased"
    assert not Interaction.objects.exists()
    assert broken() == {}


def test_an_erasure_waits_for_who_writes_and_takes_the_words_out(chen: Customer) -> None:
    late = overtake(writing(fresh(chen)), erasing(fresh(chen)))

    assert late.exception() is None
    assert Interaction.objects.get().text == ""
    assert broken() == {}


def test_of_two_who_press_at_once_one_is_told(chen: Customer) -> None:
    late = overtake(erasing(fresh(chen)), erasing(fresh(chen)))

    assert isinstance(late.exception(), MovedOn)
    assert HistoryEntry.objects.filter(action="customer.erased").count() == 1


def test_nobody_claims_a_batch_that_an_erasure_is_working_on(chen: Customer) -> None:
    campaign = make_campaign(state=CampaignState.PLANNED, recipients=1)
    make_batch(campaign, [chen])
    with transaction.atomic():
        erase_customer(chen, actor=None, now=NOON)
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT id FROM campaigns_batch FOR UPDATE SKIP LOCKED")
            assert cursor.fetchall() == []
        other.close()

    assert claim_batch(campaign.pk, now=NOON) is not None
    assert Delivery.objects.get().state == "skipped"
