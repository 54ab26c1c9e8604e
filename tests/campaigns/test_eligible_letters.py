"""Who may get a letter: planned without senders, and asked once more when it leaves."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions.letters import Turn
from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.actions.pump import pump_campaign
from campaigns.audience import preview_audience
from campaigns.channels import direct_connector
from campaigns.eligibility import note_dead_addresses
from campaigns.models import Batch, Campaign, Delivery
from connectors.base import Outcome
from contacts.actions.consent import mark_addresses_dead, opt_in, opt_out
from contacts.enums import IdentityKind
from contacts.models import Customer, Identity
from tests.builders import make_customers, make_identity, make_staff, merge_customer
from tests.campaigns.planning import Hand, fates, frozen
from tests.gateways import Gateway

pytestmark = pytest.mark.django_db


@pytest.fixture
def five() -> list[Customer]:
    return make_customers(5, owner=make_staff("Lin"))


def plan(channel: str = "webhook", **fields: Any) -> Campaign:
    return frozen(channel, text="Hello", **fields)


def test_letters_are_cut_into_batches_of_200_in_the_order_of_customers(gateway: Gateway) -> None:
    customers = make_customers(450, owner=make_staff("Lin"))
    opt_out(customers[0], channel="webhook", source="test", now=timezone.now())

    campaign = plan()

    batches = Batch.objects.filter(campaign=campaign).order_by("seq")
    assert list(batches.values_list("size", flat=True)) == [200, 200, 49]
    assert not batches.exclude(sender=None).exists()
    rows = Delivery.objects.filter(campaign=campaign, state="queued").order_by("batch", "slot")
    expected = [(pk, str(pk)) for pk in sorted(one.pk for one in customers[1:])]
    assert list(rows.values_list("customer_id", "address")) == expected


def test_the_first_kind_of_address_that_a_customer_has_counts(
    five: list[Customer], settings: Any
) -> None:
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <a@shop.example>"
    for number, customer in enumerate(five[:4]):
        make_identity(customer, f"{number}@x.cn", kind=IdentityKind.EMAIL)
    make_identity(five[0], "other@x.cn", kind=IdentityKind.EMAIL)
    mark_addresses_dead(IdentityKind.EMAIL, ["0@x.cn", "1@x.cn"], now=timezone.now())
    make_identity(five[2], "3@X.cn", kind=IdentityKind.EMAIL)  # and so the same as the next

    campaign = plan("email")

    rows = Delivery.objects.filter(campaign=campaign).order_by("customer_id")
    assert list(rows.values_list("address", "reason")) == [
        ("other@x.cn", ""),
        ("1@x.cn", "dead_address"),
        ("2@x.cn", ""),
        ("3@x.cn", "duplicate"),
        ("", "no_address"),
    ]
    found = preview_audience({}, channel="email")
    assert found.skipped == {"dead_address": 1, "duplicate": 1, "no_address": 1}
    assert (found.reachable, found.batches, found.senders) == (2, 1, 0)


def test_letters_ask_once_more_when_they_leave(gateway: Gateway, five: list[Customer]) -> None:
    campaign = plan()
    now = timezone.now()
    opt_out(five[0], source="test", now=now)
    opt_out(five[1], channel="webhook", purpose="campaign", source="test", now=now)
    opt_out(five[2], channel="email", source="test", now=now)
    opt_in(five[3], source="test", now=now)
    change_messaging_rules({"consent_required": ["webhook:campaign"]}, actor=None, now=now)

    pump_campaign(campaign.pk)

    assert fates(campaign) == [
        ("skipped", "opted_out"),
        ("skipped", "opted_out"),
        ("skipped", "no_consent"),
        ("sent", ""),
        ("skipped", "no_consent"),
    ]


def test_whoever_got_it_before_a_merge_does_not_get_it_once_more(
    gateway: Gateway, five: list[Customer]
) -> None:
    had_it, waits, stays, lives, elsewhere = five
    earlier, campaign = plan(), plan()
    Delivery.objects.filter(campaign=campaign, customer=had_it).update(state="sent")
    Delivery.objects.filter(campaign=earlier, customer=waits).update(state="sent")
    merge_customer(had_it, stays)
    merge_customer(waits, lives)  # who had another message

    pump_campaign(campaign.pk)

    assert fates(campaign) == [
        ("sent", ""),
        ("skipped", "gone"),
        ("skipped", "duplicate"),
        ("sent", ""),
        ("sent", ""),
    ]
    assert {key.rsplit("-", 1)[1] for key in gateway.taken} == {str(lives.pk), str(elsewhere.pk)}


def test_whoever_has_it_when_merged_while_others_are_drawn_gets_nothing(
    gateway: Gateway, five: list[Customer]
) -> None:
    campaign = plan()
    hand = Hand(campaign)
    hand.hear(hand.take(), Outcome.TAKEN)
    merge_customer(five[0], five[4])
    hand.wait()

    hand.go_on()
    pump_campaign(campaign.pk)

    assert fates(campaign) == [*[("sent", "")] * 4, ("skipped", "duplicate")]


def test_letters_wait_for_the_end_of_quiet_hours(gateway: Gateway, five: list[Customer]) -> None:
    campaign = plan()
    clock = timezone.localtime()
    quiet = {
        "quiet_from": (clock - timedelta(hours=1)).time().replace(microsecond=0),
        "quiet_to": (clock + timedelta(hours=1)).time().replace(microsecond=0),
    }
    change_messaging_rules(quiet, actor=None, now=clock)

    Turn(campaign, direct_connector("webhook"), end=float("inf")).run()

    batch = Batch.objects.get(campaign=campaign)
    assert (batch.state, batch.attempts) == ("waiting", 0)
    assert batch.next_attempt_at is not None
    assert timedelta(minutes=58) < batch.next_attempt_at - clock < timedelta(minutes=61)
    assert fates(campaign) == [("queued", "")] * 5


def test_letters_leave_at_once_when_quiet_hours_are_given_up(
    gateway: Gateway, five: list[Customer]
) -> None:
    Customer.objects.filter(pk=five[0].pk).update(time_zone="Asia/Tokyo")
    campaign = plan()
    clock = timezone.localtime()
    quiet = {
        "quiet_from": (clock - timedelta(hours=3)).time().replace(microsecond=0),
        "quiet_to": (clock + timedelta(hours=3)).time().replace(microsecond=0),
    }
    change_messaging_rules(quiet, actor=None, now=clock)
    Turn(campaign, direct_connector("webhook"), end=float("inf")).run()
    busy = Batch.objects.filter(campaign=campaign, time_zone="Asia/Tokyo")
    busy.update(next_attempt_at=clock + timedelta(minutes=5))  # as a channel may ask for it

    change_messaging_rules({"quiet_from": None, "quiet_to": None}, actor=None, now=clock)
    pump_campaign(campaign.pk)

    assert fates(campaign) == [("queued", ""), *[("sent", "")] * 4]


def test_quiet_hours_that_outlast_the_campaign_are_a_reason(
    gateway: Gateway, five: list[Customer]
) -> None:
    Customer.objects.filter(pk=five[0].pk).update(time_zone="Etc/GMT+12")
    now = timezone.now()
    here = now.astimezone(timezone.get_fixed_timezone(-12 * 60))
    quiet = {
        "quiet_from": (here - timedelta(hours=1)).time().replace(microsecond=0),
        "quiet_to": (here + timedelta(hours=2)).time().replace(microsecond=0),
    }
    change_messaging_rules(quiet, actor=None, now=now)

    campaign = plan(send_until=now + timedelta(hours=1))

    assert fates(campaign) == [("skipped", "quiet_hours"), *[("queued", "")] * 4]
    assert fates(plan(send_until=now + timedelta(hours=3))) == [("queued", "")] * 5


def test_addresses_that_a_channel_refuses_are_remembered(
    five: list[Customer], settings: Any
) -> None:
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <a@shop.example>"
    make_identity(five[0], "a@x.cn", kind=IdentityKind.EMAIL)
    make_identity(five[1], "b@x.cn", kind=IdentityKind.EMAIL)
    campaign = plan("email")

    note_dead_addresses(campaign, [five[0].pk], now=timezone.now())

    dead = Identity.objects.exclude(dead_at=None)
    assert list(dead.values_list("value", flat=True)) == ["a@x.cn"]
