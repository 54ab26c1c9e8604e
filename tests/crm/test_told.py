"""What gateways tell: by real calls, taken up by the worker, in any order and twice."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.eligibility import skip_those_who_may_not
from campaigns.enums import BatchState, CampaignState, DeliveryState, EngagementKind
from campaigns.models import Batch, Campaign, Delivery, Engagement
from campaigns.restraint import restraint_on
from contacts.actions.consent import opt_out
from contacts.enums import CallbackState, IdentityKind
from contacts.models import Callback, ConsentEntry, Customer, Identity, Interaction
from crm.actions.sweeping import do_what_is_due
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_customer,
    make_erased,
    make_identity,
    merge_customer,
)

pytestmark = pytest.mark.django_db

KEY = "a-key-of-the-address"
PHONE = "+8613800000001"
MAIL = "chen@mail.example"
ADVERTISING = {("", "campaign"), ("", "care")}


@pytest.fixture(autouse=True)
def _gateway(settings: Any) -> None:
    settings.CALLBACK_KEY = KEY
    settings.SMS_URL = "json+http://127.0.0.1:9/send"
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"


@pytest.fixture
def chen() -> Customer:
    customer = make_customer("Chen")
    make_identity(customer, PHONE, kind=IdentityKind.PHONE)
    make_identity(customer, MAIL, kind=IdentityKind.EMAIL)
    return customer


def sent_to(
    customer: Customer, channel: str = "sms", state: DeliveryState = DeliveryState.SENT
) -> Campaign:
    campaign = make_campaign(channel=channel, state=CampaignState.DONE)
    make_batch(campaign, [customer], delivery_state=state)
    address = PHONE if channel == "sms" else MAIL
    Delivery.objects.filter(campaign=campaign).update(address=address, reference=f"r{campaign.pk}")
    return campaign


def call(*rows: dict[str, str], provider: str = "sms", key: str = KEY) -> Any:
    """One call of a gateway, without a worker."""
    answer = Client(enforce_csrf_checks=True).post(
        f"/callbacks/{provider}/?key={key}",
        json.dumps(rows),
        content_type="application/json",
    )
    assert not answer.cookies
    return answer


def tell(*rows: dict[str, str], provider: str = "sms") -> None:
    """One call of a gateway, and the worker that takes it up."""
    assert call(*rows, provider=provider).status_code == 200
    do_what_is_due(now=timezone.now())
    assert not Callback.objects.exclude(state=CallbackState.DONE).exists()


def answered(text: str, provider: str = "sms", second: int = 0) -> None:
    at = (NOON + timedelta(seconds=second)).isoformat()
    address = PHONE if provider == "sms" else MAIL
    tell({"kind": "replied", "address": address, "text": text, "at": at}, provider=provider)


def refused() -> set[tuple[str, str]]:
    """The channels and purposes that customers have refused; empty means all."""
    return set(ConsentEntry.objects.filter(granted=False).values_list("channel", "purpose"))


def fate() -> tuple[str, str]:
    delivery = Delivery.objects.order_by("campaign_id")[0]
    return delivery.state, delivery.reason


# --- the door -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "wrong", KEY + "x", KEY.upper(), "ü"])
@pytest.mark.parametrize("provider", ["sms", "mail"])
def test_stranger_leaves_no_trace(chen: Customer, key: str, provider: str) -> None:
    row = {"kind": "complained", "address": PHONE}

    assert call(row, key=key, provider=provider).status_code == 403
    assert not Callback.objects.exists()


@pytest.mark.parametrize("provider", ["sms", "mail"])
def test_without_a_key_nobody_gets_in(settings: Any, provider: str) -> None:
    settings.CALLBACK_KEY = ""

    assert call({"kind": "delivered"}, key="", provider=provider).status_code == 403


@pytest.mark.parametrize(
    "body",
    ["", "null", "7", "[7]", '[{"kind":"no"}]', '[{"kind":"replied","text":7}]', "[" * 9999,
     '[{"kind":"delivered","at":"yesterday"}]', '[{"kind":"delivered","at":"2026-03-02T12:00:00"}]'],
)  # fmt: skip
def test_nonsense_is_refused(body: str) -> None:
    answer = Client().post(f"/callbacks/sms/?key={KEY}", body, content_type="application/json")

    assert answer.status_code == 400
    assert not Callback.objects.exists()


def test_without_sms_there_is_no_door(settings: Any) -> None:
    settings.SMS_URL = ""

    assert call({"kind": "delivered"}).status_code == 404


def test_call_is_stored_before_it_is_answered_and_once(chen: Customer) -> None:
    campaign = sent_to(chen)
    row = {"kind": "delivered", "key": f"liuke-{campaign.pk}-{chen.pk}", "at": NOON.isoformat()}

    assert call(row).status_code == call(row).status_code == 200

    assert Callback.objects.get().state == CallbackState.RECEIVED
    assert fate()[0] == DeliveryState.SENT


def test_nothing_people_wrote_stays_in_the_inbox(chen: Customer) -> None:
    answered("See you on Sunday")

    assert Callback.objects.get().body == ""


# --- Twilio -------------------------------------------------------------------------------------


def twilio(form: dict[str, str], settings: Any, token: str = "secret") -> Any:
    settings.SMS_URL = "twilio+https://AC1:secret@api.twilio.example/?from=%2B1555"
    said = settings.PUBLIC_URL + "/callbacks/sms/" + "".join(k + form[k] for k in sorted(form))
    signature = base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest())
    answer = Client().post(
        "/callbacks/sms/",
        "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in form.items()),
        content_type="application/x-www-form-urlencoded",
        headers={"X-Twilio-Signature": signature.decode()},
    )
    do_what_is_due(now=timezone.now())
    return answer


def test_twilio_tells_of_a_message(chen: Customer, settings: Any) -> None:
    campaign = sent_to(chen)

    form = {"MessageSid": f"r{campaign.pk}", "MessageStatus": "delivered"}

    assert twilio(form, settings).status_code == 200
    assert fate() == ("delivered", "")


def test_twilio_brings_an_answer(chen: Customer, settings: Any) -> None:
    sent_to(chen)

    twilio({"MessageSid": "SM9", "From": PHONE, "Body": "STOP"}, settings)

    assert refused() == ADVERTISING


def test_call_with_another_signature_is_not_twilios(chen: Customer, settings: Any) -> None:
    form = {"MessageSid": "SM9", "From": PHONE, "Body": "STOP"}

    assert twilio(form, settings, token="another").status_code == 403
    assert not ConsentEntry.objects.exists()


# --- receipts -----------------------------------------------------------------------------------

ROWS = {
    "delivered": "delivered",
    "opened": "opened",
    "bounced": "bounced",
    "failed": "failed",
    "replied": "replied",
}
ENDS = [
    (("delivered", "opened"), ("read", "")),
    (("delivered", "bounced"), ("failed", "bounced")),
    (("failed", "bounced"), ("failed", "bounced")),
    (("failed", "delivered"), ("failed", "undelivered")),
    (("delivered", "bounced", "opened"), ("read", "")),
    (("delivered", "opened", "replied"), ("replied", "")),
    (("bounced", "replied"), ("replied", "")),
]


@pytest.mark.parametrize(("kinds", "end"), ENDS)
def test_whatever_comes_first_the_end_is_the_same(
    chen: Customer, kinds: tuple[str, ...], end: tuple[str, str]
) -> None:
    campaign = sent_to(chen)
    for order in permutations(kinds):
        Delivery.objects.update(state=DeliveryState.SENT, reason="")
        Callback.objects.all().delete()
        for second, kind in enumerate((*order, *order)):
            tell(
                {
                    "kind": kind,
                    "reference": f"r{campaign.pk}",
                    "at": (NOON + timedelta(seconds=second)).isoformat(),
                }
            )
        assert fate() == end, order


def test_receipts_of_one_call_are_taken_up_together(chen: Customer) -> None:
    zhao = make_customer("Zhao")
    campaign = make_campaign(channel="sms", state=CampaignState.DONE)
    make_batch(campaign, [chen, zhao], delivery_state=DeliveryState.SENT)

    tell(
        {"kind": "delivered", "key": f"liuke-{campaign.pk}-{chen.pk}"},
        {"kind": "opened", "key": f"liuke-{campaign.pk}-{zhao.pk}"},
        {"kind": "delivered", "key": "liuke-1-2-3"},
        {"kind": "delivered", "reference": "nobody knows"},
    )

    states = Delivery.objects.order_by("customer_id").values_list("state", flat=True)
    assert list(states) == ["delivered", "read"]


def test_receipt_of_another_channel_changes_nothing(chen: Customer) -> None:
    campaign = sent_to(chen, "sms")

    tell({"kind": "delivered", "reference": f"r{campaign.pk}"}, provider="mail")

    assert fate() == ("sent", "")


def test_address_that_leads_nowhere_is_marked(chen: Customer) -> None:
    campaign = sent_to(chen, "email")

    tell({"kind": "bounced", "reference": f"r{campaign.pk}"}, provider="mail")

    assert fate() == ("failed", "bounced")
    assert Identity.objects.get(kind=IdentityKind.EMAIL).dead_at is not None
    assert Identity.objects.get(kind=IdentityKind.PHONE).dead_at is None


def test_mailbox_that_is_full_is_no_dead_address(chen: Customer) -> None:
    campaign = sent_to(chen, "email")

    tell({"kind": "failed", "reference": f"r{campaign.pk}"}, provider="mail")

    assert fate() == ("failed", "undelivered")
    assert Identity.objects.get(kind=IdentityKind.EMAIL).dead_at is None


def test_unclear_letter_that_arrived_is_unclear_no_more(chen: Customer) -> None:
    campaign = sent_to(chen, state=DeliveryState.UNCLEAR)
    Batch.objects.update(state=BatchState.UNCLEAR)
    Campaign.objects.update(state=CampaignState.WAITING, closed_at=None)

    tell({"kind": "delivered", "reference": f"r{campaign.pk}"})

    assert fate() == ("delivered", "")
    assert Batch.objects.get().state == BatchState.DONE
    assert Campaign.objects.get().state == CampaignState.DONE


@pytest.mark.parametrize("state", [DeliveryState.SKIPPED, DeliveryState.CANCELLED])
def test_what_was_never_sent_does_not_arrive(chen: Customer, state: DeliveryState) -> None:
    campaign = sent_to(chen)
    Delivery.objects.update(state=state, reason="opted_out")

    tell({"kind": "delivered", "reference": f"r{campaign.pk}"})

    assert fate()[0] == state


@pytest.mark.parametrize(
    ("kind", "ended"), [("complained", {("email", "")}), ("unsubscribed", ADVERTISING)]
)
def test_complaint_ends_the_channel_and_a_wish_all_advertising(
    chen: Customer, kind: str, ended: set[tuple[str, str]]
) -> None:
    campaign = sent_to(chen, "email")

    for second in range(2):
        at = (NOON + timedelta(seconds=second)).isoformat()
        tell({"kind": kind, "reference": f"r{campaign.pk}", "at": at}, provider="mail")

    assert refused() == ended
    assert ConsentEntry.objects.filter(source=kind).count() == len(ended)
    assert Engagement.objects.filter(kind=EngagementKind.OPTED_OUT).count() == 1


# --- answers ------------------------------------------------------------------------------------


def test_answer_stands_on_the_timeline_once(chen: Customer) -> None:
    sent_to(chen)

    for _twice in range(2):
        answered("Do you have it in blue?")
        Callback.objects.all().delete()

    assert Interaction.objects.get().text == "Do you have it in blue?"
    assert fate() == ("replied", "")
    assert not ConsentEntry.objects.exists()


def test_answer_does_not_say_that_an_unclear_message_arrived_if_another_did(chen: Customer) -> None:
    sent_to(chen)
    sent_to(chen, state=DeliveryState.UNCLEAR)

    answered("Thank you!")

    states = Delivery.objects.order_by("campaign_id").values_list("state", flat=True)
    assert list(states) == ["replied", "unclear"]


@pytest.mark.parametrize(
    "text",
    [
        *("TD", "td", " ｔｄ。", "T", "退订", "【退订】", "「退订」", "退订\u200b", "退订🙏"),
        *("Stop!", "Stop?", "*STOP*", "UNSUBSCRIBE", "quit", "取消订阅"),
    ],
)
def test_keyword_ends_advertising_in_every_channel(chen: Customer, text: str) -> None:
    sent_to(chen)

    answered(text)

    assert refused() == ADVERTISING
    for entry in ConsentEntry.objects.all():
        assert (entry.customer, entry.granted) == (chen, False)
        assert (entry.source, entry.evidence) == ("keyword", text)
    assert Interaction.objects.count() == 1


def test_keyword_as_an_answer_to_service_ends_everything(chen: Customer) -> None:
    sent_to(chen)
    Campaign.objects.update(purpose="service")

    answered("TD")

    assert refused() == {("", "")}
    chen.refresh_from_db()
    assert chen.opted_out_at is not None


@pytest.mark.parametrize(
    "text", ["Don't stop", "T-shirt", "退订单", "stop by on Sunday", "", "取消订单"]
)
def test_word_in_a_sentence_is_no_keyword(chen: Customer, text: str) -> None:
    sent_to(chen)

    answered(text)

    assert not ConsentEntry.objects.exists()


def test_company_has_words_of_its_own(chen: Customer, settings: Any) -> None:
    settings.STOP_WORDS = ["Basta"]

    answered("basta")

    assert refused() == ADVERTISING


def test_quoted_mail_below_the_word_does_not_matter(chen: Customer) -> None:
    sent_to(chen, "email")

    answered("STOP\n\nOn Monday the shop wrote:\n> Our spring coats are here", "mail")

    assert refused() == ADVERTISING


def test_somebody_who_got_nothing_yet_may_say_stop(chen: Customer) -> None:
    answered("TD")

    assert set(ConsentEntry.objects.values_list("customer", flat=True)) == {chen.pk}
    assert refused() == ADVERTISING


def test_number_that_nobody_has_changes_nothing() -> None:
    answered("TD")

    assert not ConsentEntry.objects.exists()
    assert not Interaction.objects.exists()


def test_keyword_is_obeyed_by_what_leaves_next(chen: Customer) -> None:
    sent_to(chen)
    next_one = make_campaign("Summer", channel="sms", state=CampaignState.SENDING)
    batch = make_batch(next_one, [chen])

    answered("TD")
    restraint = restraint_on(next_one, now=timezone.now())
    skip_those_who_may_not(next_one, [batch.pk], restraint=restraint)

    waiting = Delivery.objects.get(campaign=next_one)
    assert (waiting.state, waiting.reason) == ("skipped", "opted_out")


def test_keyword_takes_back_a_keyword_where_it_is_said(chen: Customer) -> None:
    answered("TD")
    answered("START", second=5)

    words = ConsentEntry.objects.order_by("pk").values_list("granted", "channel", "purpose")
    assert list(words) == [
        (False, "", "campaign"),
        (False, "", "care"),
        (True, "sms", "campaign"),
        (True, "sms", "care"),
    ]
    for channel, state in (("sms", "queued"), ("email", "skipped")):
        campaign = make_campaign(channel, channel=channel, state=CampaignState.SENDING)
        batch = make_batch(campaign, [chen])
        restraint = restraint_on(campaign, now=timezone.now())
        skip_those_who_may_not(campaign, [batch.pk], restraint=restraint)
        assert Delivery.objects.get(campaign=campaign).state == state


def test_keyword_takes_back_nothing_else(chen: Customer) -> None:
    opt_out(chen, source="screen", now=NOON)

    answered("开通")

    chen.refresh_from_db()
    assert chen.opted_out_at is not None
    assert ConsentEntry.objects.count() == 1


def test_somebody_merged_answers_for_who_stays(chen: Customer) -> None:
    sent_to(chen)
    kept = make_customer("Chen Wei")
    merge_customer(chen, kept)

    answered("TD")

    assert set(ConsentEntry.objects.values_list("customer", flat=True)) == {kept.pk}
    assert Interaction.objects.get().customer == kept


def test_somebody_erased_is_left_alone(chen: Customer) -> None:
    sent_to(chen)
    make_erased(chen)

    answered("Hello")

    assert not Interaction.objects.exists()


@pytest.mark.parametrize("reason", ["unknown", "written_off"])
@pytest.mark.parametrize(
    ("kind", "state"), [("delivered", "delivered"), ("opened", "read"), ("replied", "replied")]
)
def test_what_is_heard_of_a_letter_that_was_given_up_counts(
    chen: Customer, reason: str, kind: str, state: str
) -> None:
    campaign = sent_to(chen, channel="email")
    Delivery.objects.update(state=DeliveryState.FAILED, reason=reason)

    tell({"kind": kind, "key": f"liuke-{campaign.pk}-{chen.pk}"}, provider="mail")

    assert fate() == (state, "")


# --- Aliyun -------------------------------------------------------------------------------------


@pytest.fixture
def aliyun(settings: Any) -> None:
    """Aliyun is the gateway of SMS."""
    settings.SMS_URL = "aliyun+http://key:secret@127.0.0.1:9/?sign=Shop&template=SMS_1"


@pytest.mark.usefixtures("aliyun")
def test_aliyun_hears_in_its_own_form_that_its_report_has_come(chen: Customer) -> None:
    campaign = sent_to(chen)
    report: dict[str, Any] = {"phone_number": PHONE[3:], "success": True, "err_code": "DELIVERED"}

    answer = call(report | {"out_id": f"liuke-{campaign.pk}-{chen.pk}", "biz_id": "1^0"})
    do_what_is_due(now=timezone.now())

    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert Delivery.objects.get().state == DeliveryState.DELIVERED


@pytest.mark.usefixtures("aliyun")
def test_aliyun_without_the_key_hears_nothing(chen: Customer) -> None:
    answer = call({"phone_number": PHONE[3:], "content": "TD"}, key="another")

    assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.usefixtures("aliyun")
@pytest.mark.parametrize("number", ["13800000001", "8613800000001", PHONE, "008613800000001"])
def test_stop_that_comes_through_aliyun_counts_however_the_number_is_written(
    chen: Customer, number: str
) -> None:
    sent_to(chen)

    call({"phone_number": number, "content": "TD", "sign_name": "Shop", "dest_code": "1"})
    do_what_is_due(now=timezone.now())

    assert (
        set(ConsentEntry.objects.filter(customer=chen).values_list("channel", "purpose"))
        == ADVERTISING
    )
