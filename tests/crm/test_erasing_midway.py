"""An erasure while a campaign is under way: nothing more is sent, and everything still adds up."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.batches import claim_batch, look_up_batch, send_batch
from campaigns.actions.parts import LOOK_EVERY
from campaigns.actions.pump import pump_campaign
from campaigns.actions.results import check_batch
from campaigns.actions.unclear import look_up_letters
from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, Engagement
from campaigns.tracking.receipts import note_receipts
from connectors.base import Outcome, Receipt, ReceiptKind
from contacts.models import ConsentEntry, Customer, Interaction, Staff
from crm.actions.erasing import erase_customer
from crm.actions.sweeping import do_what_is_due
from crm.invariants import check_rules
from tests.builders import (
    make_batch,
    make_campaign,
    make_customers,
    make_staff,
)
from tests.campaigns.planning import Hand, fates, frozen
from tests.gateways import Gateway
from tests.sandboxed import Shop, address_of, open_shop
from tests.sent_letters import MAIL, key_of, sent_to

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def five() -> list[Customer]:
    return make_customers(5, owner=make_staff("Lin"), followed=True)


def erase(customer: Customer) -> None:
    erase_customer(customer, actor=None, now=timezone.now())


def owner_of(customer: Customer) -> Staff:
    assert customer.owner
    return customer.owner


def plan(channel: str = "webhook") -> Campaign:
    return frozen(channel, text="Hello")


def address_in(campaign: Campaign, customer: Customer) -> str:
    return Delivery.objects.get(campaign=campaign, customer=customer).address


def adds_up() -> bool:
    return not [
        one for one in check_rules(now=timezone.now(), only={3, 5, 12, 15, 16, 17}) if one.rows
    ]


def test_whoever_is_erased_before_planning_is_not_planned(
    gateway: Gateway, five: list[Customer]
) -> None:
    erase(five[0])

    campaign = plan()

    assert not Delivery.objects.filter(campaign=campaign, customer=five[0]).exists()
    assert adds_up()


def test_whoever_is_erased_before_sending_gets_nothing(
    gateway: Gateway, five: list[Customer]
) -> None:
    campaign = plan()
    erase(five[0])

    assert (fates(campaign)[0], address_in(campaign, five[0])) == (("skipped", "gone"), "")
    pump_campaign(campaign.pk)

    assert fates(campaign) == [("skipped", "gone"), *[("sent", "")] * 4]
    assert len(gateway.taken) == 4
    assert adds_up()


def test_a_campaign_to_nobody_else_ends(gateway: Gateway, five: list[Customer]) -> None:
    campaign = plan()
    for customer in five:
        erase(customer)

    pump_campaign(campaign.pk)

    assert Campaign.objects.get().state == CampaignState.DONE
    assert not gateway.taken
    assert adds_up()


def test_whoever_is_erased_while_others_are_drawn_gets_nothing(
    gateway: Gateway, five: list[Customer]
) -> None:
    campaign = plan()
    hand = Hand(campaign)
    hand.hear(hand.take(), Outcome.TAKEN)
    erase(five[4])
    assert fates(campaign)[4] == ("queued", "")  # nobody knows what the worker has in hand
    hand.wait()

    hand.go_on()
    pump_campaign(campaign.pk)

    assert fates(campaign) == [*[("sent", "")] * 4, ("skipped", "gone")]
    assert adds_up()


def test_a_letter_in_flight_is_written_down_without_its_address(
    gateway: Gateway, five: list[Customer]
) -> None:
    campaign = plan()
    hand = Hand(campaign)
    first = hand.take()
    erase(five[0])

    hand.hear(first, Outcome.REFUSED, is_address=True)
    hand.go_on()

    assert fates(campaign)[0] == ("failed", "invalid")
    assert address_in(campaign, five[0]) == ""
    assert adds_up()


def test_an_unclear_letter_waits_for_a_person(settings: Any, five: list[Customer]) -> None:
    settings.SMS_URL = "json+http://127.0.0.1:9/send"
    campaign = make_campaign(channel="sms", state=CampaignState.SENDING, recipients=1)
    batch = make_batch(campaign, [five[0]], delivery_state=DeliveryState.UNCLEAR)
    Batch.objects.filter(pk=batch.pk).update(state=BatchState.UNCLEAR, next_attempt_at=None)
    erase(five[0])
    batch.refresh_from_db()

    look_up_letters(batch, now=timezone.now())

    assert fates(campaign) == [("unclear", "")]
    assert address_in(campaign, five[0]) == ""
    assert adds_up()


def test_a_batch_of_wecom_goes_to_all_the_others(shop: Shop, five: list[Customer]) -> None:
    shop.open(owner_of(five[0]))
    campaign = plan("wecom")
    gone = address_of(five[0])
    erase(five[0])

    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch is not None
    send_batch(batch, now=timezone.now())

    assert fates(campaign) == [("skipped", "gone"), *[("handed", "")] * 4]
    assert gone not in shop.reached()
    assert adds_up()


def test_a_batch_of_wecom_that_is_claimed_leaves_them_out(shop: Shop, five: list[Customer]) -> None:
    shop.open(owner_of(five[0]))
    campaign = plan("wecom")
    gone = address_of(five[0])
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch is not None
    erase(five[0])

    send_batch(batch, now=timezone.now())

    assert fates(campaign) == [("skipped", "gone"), *[("handed", "")] * 4]
    assert gone not in shop.reached()


def test_an_unclear_batch_of_wecom_is_found_without_them(shop: Shop, five: list[Customer]) -> None:
    shop.open(owner_of(five[0]))
    campaign = plan("wecom")
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch is not None
    shop.control.faults(lose=[{"path": "externalcontact/add_msg_template", "times": 1}])
    send_batch(batch, now=timezone.now())
    assert Batch.objects.get().state == BatchState.UNCLEAR
    erase(five[0])
    shop.control.advance(300)

    look_up_batch(batch.pk, now=timezone.now() + LOOK_EVERY)

    assert Batch.objects.get().state == BatchState.HANDED
    assert set(fates(campaign)) == {("handed", "")}
    assert set(shop.reached().values()) == {1}


def test_a_batch_ends_once_all_others_are_known(shop: Shop, five: list[Customer]) -> None:
    lin = owner_of(five[0])
    shop.open(lin)
    campaign = plan("wecom")
    batch = claim_batch(campaign.pk, now=timezone.now())
    assert batch is not None
    send_batch(batch, now=timezone.now())
    erase(five[0])
    shop.control.advance(300)
    shop.control.confirm(userid=lin.wecom_userid or "")

    check_batch(batch.pk, now=timezone.now() + timedelta(minutes=5))

    assert Batch.objects.get().state == BatchState.DONE
    assert fates(campaign) == [("cancelled", "gone"), *[("sent", "")] * 4]
    assert adds_up()


@pytest.mark.parametrize("kind", list(ReceiptKind))
def test_what_is_told_afterwards_writes_nothing_of_them(kind: ReceiptKind, settings: Any) -> None:
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"
    letter = sent_to()
    key = key_of(letter)
    erase(Customer.objects.get())

    for receipt in (Receipt(kind, key=key, address=MAIL, text="Chen"), Receipt(kind, address=MAIL)):
        note_receipts("email", [receipt], now=timezone.now())

    assert Delivery.objects.get().address == ""
    assert not Engagement.objects.exists()
    assert not Interaction.objects.exists()
    assert not ConsentEntry.objects.exists()


def test_what_was_planned_in_the_same_moment_is_swept(five: list[Customer]) -> None:
    erase(five[0])
    campaign = make_campaign(state=CampaignState.PLANNED)
    batch = make_batch(campaign, five[:1])
    Delivery.objects.filter(batch=batch).update(address="late@mail.example")

    do_what_is_due(now=timezone.now())

    assert address_in(campaign, five[0]) == ""
