"""A keyword or one press ends advertising everywhere: also campaigns of other channels under way."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.letters import Turn
from campaigns.actions.pump import pump_campaign
from campaigns.channels import direct_connector
from campaigns.enums import CampaignState, DeliveryState
from campaigns.models import Campaign, Delivery
from campaigns.tracking.tokens import TokenUse, maker
from connectors.base import Answer, Outcome
from contacts.enums import IdentityKind, Purpose
from contacts.models import Customer
from crm.actions.sweeping import do_what_is_due
from tests.builders import make_batch, make_campaign, make_customer, make_identity
from tests.gateways import Gateway, MailServer, open_gateway

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mails")]

KEY = "a-key-of-the-address"
PHONE = "+8613800000001"
MAIL = "chen@mail.example"


@pytest.fixture(autouse=True)
def gateway(settings: Any) -> Iterator[Gateway]:
    settings.CALLBACK_KEY = KEY
    with open_gateway() as opened:
        settings.SMS_URL = f"json+{opened.url}"
        yield opened


@pytest.fixture
def chen() -> Customer:
    return reachable("Chen", PHONE, MAIL)


def reachable(name: str, phone: str, mail: str) -> Customer:
    customer = make_customer(name)
    make_identity(customer, phone, kind=IdentityKind.PHONE)
    make_identity(customer, mail, kind=IdentityKind.EMAIL)
    return customer


def under_way(channel: str, *customers: Customer, **fields: Any) -> Campaign:
    """A campaign that is being sent and has not reached these customers yet."""
    values = {"state": CampaignState.SENDING, "subject": "Coats", "text": "Our coats are here"}
    if channel == "sms":
        del values["subject"]
    campaign = make_campaign(channel=channel, **values | fields)
    make_batch(campaign, customers)
    kind = IdentityKind.PHONE if channel == "sms" else IdentityKind.EMAIL
    for customer in customers:
        address = customer.identities.get(kind=kind).value
        Delivery.objects.filter(campaign=campaign, customer=customer).update(address=address)
    return campaign


def sent(channel: str, customer: Customer, **fields: Any) -> Campaign:
    campaign = make_campaign(channel=channel, state=CampaignState.DONE, **fields)
    make_batch(campaign, [customer], delivery_state=DeliveryState.SENT)
    return campaign


def say(text: str, *, phone: str = PHONE) -> None:
    """Answer an SMS, as the gateway tells of it."""
    row = {"kind": "replied", "address": phone, "text": text, "at": timezone.now().isoformat()}
    body = json.dumps([row])
    answer = Client().post(f"/callbacks/sms/?key={KEY}", body, content_type="application/json")
    assert answer.status_code == 200
    do_what_is_due(now=timezone.now())


def press_one_click(campaign: Campaign, customer: Customer) -> None:
    """What a mail programme posts by itself (RFC 8058)."""
    way_out = f"/u/{maker(TokenUse.UNSUBSCRIBE, campaign.pk)(customer.pk)}"
    posted = {"List-Unsubscribe": "One-Click"}
    assert Client(enforce_csrf_checks=True).post(way_out, posted).status_code == 200


def fate(campaign: Campaign, customer: Customer) -> tuple[str, str]:
    row = Delivery.objects.get(campaign=campaign, customer=customer)
    return row.state, row.reason


@pytest.mark.parametrize("purpose", [Purpose.CAMPAIGN, Purpose.CARE])
def test_keyword_in_an_sms_stops_e_mails_under_way(
    chen: Customer, mails: MailServer, purpose: Purpose
) -> None:
    sent("sms", chen)
    campaign = under_way("email", chen, purpose=purpose)

    say("TD")
    pump_campaign(campaign.pk)

    assert fate(campaign, chen) == ("skipped", "opted_out")
    assert mails.mails == []


def test_keyword_counts_for_letters_of_another_channel_that_are_being_drawn(
    mails: MailServer,
) -> None:
    many = [reachable(f"C{n}", f"+86138000001{n:02}", f"c{n}@mail.example") for n in range(40)]
    campaign = under_way("email", *many)
    turn = Turn(campaign, direct_connector("email"), end=float("inf"))
    letters = turn._letters()
    drawn = [next(letters) for _letter in range(5)]

    say("退订", phone="+8613800000139")
    turn._looked_at = 0.0  # half a second later
    drawn += list(letters)

    assert f"liuke-{campaign.pk}-{many[39].pk}" not in {one.key for one in drawn if one}
    for letter in filter(None, drawn):
        turn._hear(Answer(letter.key, Outcome.TAKEN))
    turn._write()
    turn._give_back()
    pump_campaign(campaign.pk)
    assert fate(campaign, many[39]) == ("skipped", "opted_out")
    assert fate(campaign, many[38]) == ("sent", "")


def test_one_click_in_an_e_mail_stops_an_sms_under_way(chen: Customer, gateway: Gateway) -> None:
    letter = sent("email", chen)
    campaign = under_way("sms", chen)

    press_one_click(letter, chen)
    pump_campaign(campaign.pk)

    assert fate(campaign, chen) == ("skipped", "opted_out")
    assert gateway.calls == []


@pytest.mark.parametrize("text", ["TD please not", "stop by on Sunday", "退订单", "不要退订"])
def test_word_that_only_contains_a_keyword_stops_nothing(
    chen: Customer, mails: MailServer, text: str
) -> None:
    sent("sms", chen)
    campaign = under_way("email", chen)

    say(text)
    pump_campaign(campaign.pk)

    assert fate(campaign, chen) == ("sent", "")
    assert [to for to, _mail in mails.mails] == [MAIL]


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_service_still_goes_after_a_keyword_and_a_press(chen: Customer, channel: str) -> None:
    sent("sms", chen)
    letter = sent("email", chen)
    campaign = under_way(channel, chen, purpose=Purpose.SERVICE)

    say("STOP")
    press_one_click(letter, chen)
    pump_campaign(campaign.pk)

    assert fate(campaign, chen) == ("sent", "")


def test_others_go_on_getting_theirs(chen: Customer) -> None:
    zhao = reachable("Zhao", "+8613800000002", "zhao@mail.example")
    sent("sms", chen)
    campaign = under_way("email", chen, zhao)

    say("TD")
    pump_campaign(campaign.pk)

    assert (fate(campaign, chen)[0], fate(campaign, zhao)[0]) == ("skipped", "sent")
