"""What the database refuses about campaigns, whoever writes: each write names the constraint it meets."""

import pytest

from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState, WelcomeState
from campaigns.models import Batch, Campaign, Delivery, Welcome, WelcomeRule
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_code,
    make_content,
    make_customer,
    make_customers,
    make_segment,
    make_staff,
    make_welcome,
)

pytestmark = pytest.mark.django_db


def make_sending(number=1):
    """A campaign under way, its one batch of this many recipients, and the recipients."""
    customers = make_customers(number)
    campaign = make_campaign(state=CampaignState.SENDING, recipients=number)
    return campaign, make_batch(campaign, customers), customers


# --- 5: batches of at most 200, nobody twice ----------------------------------------------------


def test_a_batch_takes_two_hundred_recipients_and_refuses_one_more(refused_by):
    campaign, batch, _customers = make_sending(200)
    one_more = {"campaign": campaign, "customer": make_customer("Zhao"), "batch": batch}

    with refused_by("delivery_batch_at_most_200"):
        Delivery.objects.create(slot=200, **one_more)
    with refused_by("delivery_slot_once"):
        Delivery.objects.create(slot=199, **one_more)
    with refused_by("delivery_batch_at_most_200"):
        Delivery.objects.create(slot=None, **one_more)
    assert batch.deliveries.count() == 200


@pytest.mark.parametrize("size", [0, 201])
def test_a_batch_of_a_size_beyond_the_limits_is_refused(refused_by, size):
    with refused_by("batch_at_most_200"):
        Batch.objects.create(campaign=make_campaign(), seq=1, size=size)


def test_a_campaign_reaches_a_customer_once(refused_by):
    campaign, _batch, (chen,) = make_sending()
    second = Batch.objects.create(campaign=campaign, seq=2, size=1)

    with refused_by("campaigns_delivery_pkey"):
        Delivery.objects.create(campaign=campaign, customer=chen, batch=second, slot=0)


def test_another_campaign_may_reach_the_same_customer():
    _campaign, _batch, customers = make_sending()

    make_batch(make_campaign(state=CampaignState.SENDING, recipients=1), customers)

    assert Delivery.objects.count() == 2


def test_who_is_in_no_batch_was_skipped(refused_by):
    campaign = make_campaign()

    with refused_by("delivery_batch_at_most_200"):
        Delivery.objects.create(campaign=campaign, customer=make_customer())


@pytest.mark.parametrize("state", [DeliveryState.SKIPPED, DeliveryState.FAILED])
def test_a_recipient_who_does_not_get_it_has_a_reason(refused_by, state):
    campaign, _batch, _customers = make_sending()

    with refused_by("delivery_says_why"):
        campaign.deliveries.update(state=state)

    campaign.deliveries.update(state=state, reason=DeliveryReason.OPTED_OUT)


# --- 6: claims ----------------------------------------------------------------------------------


def test_a_batch_is_not_sent_without_a_lease(refused_by):
    _campaign, batch, _customers = make_sending()

    with refused_by("batch_sending_has_lease"):
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.SENDING)
    with refused_by("batch_sending_has_lease"):
        Batch.objects.filter(pk=batch.pk).update(state=BatchState.SENDING, lease_until=NOON)


def test_a_reference_of_the_channel_belongs_to_one_batch(refused_by):
    _campaign, first, _customers = make_sending()
    Batch.objects.filter(pk=first.pk).update(reference="msg1")
    _campaign, second, _customers = make_sending()

    with refused_by("batch_reference_once"):
        Batch.objects.filter(pk=second.pk).update(reference="msg1")


def test_batches_of_a_campaign_are_numbered(refused_by):
    campaign, batch, _customers = make_sending()

    with refused_by("batch_seq_once"):
        Batch.objects.create(campaign=campaign, seq=batch.seq, size=1)


# --- 8: welcomes --------------------------------------------------------------------------------


def test_a_welcome_code_is_stored_once(refused_by):
    first = make_welcome(make_staff(), make_customer())

    with refused_by("campaigns_welcome_code_digest_key"):
        make_welcome(first.staff, first.customer, code_digest=first.code_digest)


def test_a_sent_welcome_says_when(refused_by):
    welcome = make_welcome(make_staff(), make_customer())

    with refused_by("welcome_sent_has_time"):
        Welcome.objects.filter(pk=welcome.pk).update(state=WelcomeState.SENT)


def test_a_welcome_rule_stands_on_one_level(refused_by):
    with refused_by("welcome_rule_one_level"):
        WelcomeRule.objects.create(
            content=make_content(), staff=make_staff(), contact_code=make_code()
        )


def test_there_is_one_welcome_rule_for_the_company(refused_by):
    WelcomeRule.objects.create(content=make_content())

    with refused_by("welcome_rule_one_for_company"):
        WelcomeRule.objects.create(content=make_content())


# --- 12: states and their times -----------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        CampaignState.PLANNED,
        CampaignState.SENDING,
        CampaignState.WAITING,
        CampaignState.PAUSED,
    ],
)
@pytest.mark.parametrize("missing", [{"planned_at": None}, {"recipients": None}, {"skipped": None}])
def test_a_planned_campaign_has_its_frozen_figures(refused_by, state, missing):
    with refused_by("campaign_planned_has_figures"):
        make_campaign(state=state, **missing)


def test_a_done_campaign_has_its_frozen_figures(refused_by):
    with refused_by("campaign_planned_has_figures"):
        make_campaign(state=CampaignState.DONE, recipients=None)


def test_a_scheduled_campaign_has_a_time(refused_by):
    with refused_by("campaign_scheduled_has_time"):
        make_campaign(state=CampaignState.SCHEDULED, send_at=None)


@pytest.mark.parametrize("state", [CampaignState.DONE, CampaignState.CANCELLED])
def test_a_campaign_that_is_over_says_since_when(refused_by, state):
    with refused_by("campaign_closed_has_time"):
        make_campaign(state=state, closed_at=None)


def test_a_campaign_that_goes_on_is_not_closed(refused_by):
    with refused_by("campaign_closed_has_time"):
        make_campaign(state=CampaignState.SENDING, closed_at=NOON)


def test_unknown_states_are_refused(refused_by):
    campaign, batch, _customers = make_sending()
    welcome = make_welcome(make_staff(), make_customer())

    with refused_by("campaign_state_known"):
        Campaign.objects.filter(pk=campaign.pk).update(state="odd")
    with refused_by("batch_state_known"):
        Batch.objects.filter(pk=batch.pk).update(state="odd")
    with refused_by("delivery_state_known"):
        Delivery.objects.filter(campaign=campaign).update(state="odd")
    with refused_by("welcome_state_known"):
        Welcome.objects.filter(pk=welcome.pk).update(state="odd")


def test_segments_differ_by_more_than_case(refused_by):
    make_segment(name="Regulars")

    with refused_by("segment_name_unique"):
        make_segment(name="REGULARS")
