"""An erasure while a campaign is under way: nothing more is sent, and everything still adds up."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns.actions.batches import claim_batch, look_up_batch, send_batch
from campaigns.actions.letters import Turn
from campaigns.actions.parts import LOOK_EVERY
from campaigns.actions.pump import pump_campaign
from campaigns.actions.results import check_batch
from campaigns.actions.unclear import look_up_letters
from campaigns.audience import freeze_audience
from campaigns.channels import direct_connector
from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, Engagement
from campaigns.tracking.receipts import note_receipts
from connectors.base import Answer, Outcome, Receipt, ReceiptKind
from contacts.enums import IdentityKind
from contacts.models import ConsentEntry, Customer, Interaction, Staff
from crm.actions.erasing import erase_customer
from crm.actions.sweeping import do_what_is_due
from crm.invariants import check_rules
from tests.builders import (
    make_batch,
    make_campaign,
    make_customer,
    make_customers,
    make_identity,
    make_staff,
)
from tests.gateways import Gateway, open_gateway
from tests.sandboxed import Shop, address_of, open_shop

pytestmark = pytest.mark.django_db

MAIL = "chen@mail.example"


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    with open_gateway() as opened:
        settings.CAMPAIGN_WEBHOOK_URL = opened.url
        yield opened


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
    now = timezone.now()
    campaign = make_campaign("Spring", channel=channel, text="Hello")
    with transaction.atomic():
        freeze_audience(campaign, now=now)
    rows = Delivery.objects.filter(campaign=campaign)
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.PLANNED,
        planned_at=now,
        recipients=rows.exclude(batch=None).count(),
        skipped=rows.filter(batch=None).count(),
    )
    campaign.refresh_from_db()
    return campaign


def fates(campaign: Campaign) -> list[tuple[str, str]]:
    rows = Delivery.objects.filter(campaign=campaign).order_by("customer_id")
    return list(rows.values_list("state", "reason"))


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
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letters = turn._letters()
    first = next(letters)
    assert first is not None
    turn._hear(Answer(first.key, Outcome.TAKEN))
    turn._write()
    erase(five[4])
    assert fates(campaign)[4] == ("queued", "")  # nobody knows what the worker has in hand
    turn._looked_at = 0.0  # half a second later

    for letter in filter(None, letters):
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()
    pump_campaign(campaign.pk)

    assert fates(campaign) == [*[("sent", "")] * 4, ("skipped", "gone")]
    assert adds_up()


def test_a_letter_in_flight_is_written_down_without_its_address(
    gateway: Gateway, five: list[Customer]
) -> None:
    campaign = plan()
    turn = Turn(campaign, direct_connector("webhook"), end=float("inf"))
    letters = turn._letters()
    first = next(letters)
    assert first is not None
    erase(five[0])

    turn._hear(Answer(first.key, Outcome.REFUSED, is_address=True))
    turn._write()
    for letter in filter(None, letters):
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()

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
    chen = make_customer("Chen")
    make_identity(chen, MAIL, kind=IdentityKind.EMAIL)
    campaign = make_campaign(channel="email", state=CampaignState.DONE)
    make_batch(campaign, [chen], delivery_state=DeliveryState.SENT)
    Delivery.objects.update(address=MAIL)
    erase(chen)
    key = f"liuke-{campaign.pk}-{chen.pk}"

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
