"""SendGrid and Mailgun tell of letters: by signed calls, and nobody else in their place."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client
from django.utils import timezone

from campaigns.enums import DeliveryState
from campaigns.models import Delivery
from connectors.base import Letter
from connectors.smtp.mails import Mailer
from contacts.models import Callback, ConsentEntry
from tests.sent_letters import (
    MAIL,
    WHERE_ENDED,
    fate,
    is_dead,
    key_of,
    nothing_changed,
    sent_to,
    work,
)

pytestmark = pytest.mark.django_db

SECRET = "key-of-mailgun"
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def public_of(key: Any) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


@pytest.fixture(autouse=True)
def _providers(settings: Any) -> None:
    settings.SENDGRID_WEBHOOK_KEY = public_of(PRIVATE)
    settings.MAILGUN_WEBHOOK_KEY = SECRET
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"


@pytest.fixture
def letter() -> Delivery:
    return sent_to()


def seconds_ago(**ago: float) -> str:
    return str(int((timezone.now() - timedelta(**ago)).timestamp()))


# --- SendGrid -----------------------------------------------------------------------------------


def event(letter: Delivery, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "email": MAIL,
        "timestamp": int(seconds_ago(minutes=1)),
        "smtp-id": f"<{key_of(letter)}.ER7zIAbcdefghijklmnopq12@shop.example>",
        "sg_event_id": "ZGVsaXZlcmVkLTA",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "event": name,
        **fields,
    }


def sendgrid(
    *events: Any,
    timestamp: str = "",
    key: Any = PRIVATE,
    signed: bytes = b"",
    headers: dict[str, str] | None = None,
) -> int:
    body = json.dumps(events, indent=1).encode()
    timestamp = timestamp or seconds_ago(seconds=2)
    signature = key.sign(timestamp.encode() + (signed or body), ec.ECDSA(hashes.SHA256()))
    answer = Client(enforce_csrf_checks=True).post(
        "/callbacks/mail/sendgrid/",
        body,
        content_type="application/json",
        headers={
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        | (headers or {}),
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("name", "fields", "end"),
    [
        ("delivered", {"response": "250 OK"}, ("delivered", "")),
        ("open", {"sg_machine_open": False}, ("read", "")),
        ("open", {"sg_machine_open": True}, ("sent", "")),
        ("bounce", {"type": "bounce", "status": "5.1.1"}, ("failed", "bounced")),
        ("bounce", {"type": "bounce", "status": "5.0.0",
                    "bounce_classification": "Invalid Address"}, ("failed", "bounced")),
        ("bounce", {"type": "bounce", "status": "5.2.2"}, ("failed", "undelivered")),
        ("bounce", {"type": "blocked", "status": "5.1.1"}, ("failed", "undelivered")),
        ("bounce", {}, ("failed", "undelivered")),
        ("dropped", {"reason": "Bounced Address"}, ("failed", "bounced")),
        ("dropped", {"reason": "Invalid SMTPAPI header"}, ("failed", "undelivered")),
        ("dropped", {"reason": 7}, ("failed", "undelivered")),
        ("deferred", {"response": "400 try again later"}, ("sent", "")),
        ("processed", {}, ("sent", "")),
        ("click", {"url": "https://shop.example"}, ("sent", "")),
        ("group_resubscribe", {"asm_group_id": 10}, ("sent", "")),
    ],
)  # fmt: skip
def test_sendgrid_tells_of_a_letter(
    letter: Delivery, name: str, fields: dict[str, Any], end: tuple[str, str]
) -> None:
    assert sendgrid(event(letter, name, **fields)) == 200
    work()

    assert fate(letter) == end
    dead = is_dead()
    assert dead == (end[1] == "bounced")


@pytest.mark.parametrize(
    ("name", "fields", "source"),
    [
        ("spamreport", {}, "complained"),
        ("unsubscribe", {}, "unsubscribed"),
        ("group_unsubscribe", {"asm_group_id": 10}, "unsubscribed"),
        ("dropped", {"reason": "Spam Reporting Address"}, "complained"),
        ("dropped", {"reason": "Unsubscribed Address"}, "unsubscribed"),
    ],
)
def test_sendgrid_tells_that_somebody_wants_no_more(
    letter: Delivery, name: str, fields: dict[str, Any], source: str
) -> None:
    for _twice in range(2):
        sendgrid(event(letter, name, **fields))
        work()

    said = set(ConsentEntry.objects.values_list("customer_id", "channel", "source"))
    assert said == {(letter.customer_id, WHERE_ENDED[source], source)}


def test_sendgrid_brings_back_the_key_that_the_letter_named(letter: Delivery) -> None:
    mailer = Mailer("news@shop.example", told_by=["sendgrid"])
    mail = mailer.mail(Letter(key=key_of(letter), address=MAIL, text="Hello"))
    [line] = [line for line in mail.decode().split("\r\n") if line.startswith("X-SMTPAPI: ")]
    arguments = json.loads(line.removeprefix("X-SMTPAPI: "))["unique_args"]
    told = event(letter, "delivered") | arguments
    del told["smtp-id"]

    sendgrid(told)
    work()

    assert fate(letter)[0] == "delivered"


def test_sendgrid_tells_of_mail_that_is_not_ours(letter: Delivery) -> None:
    told = event(letter, "spamreport") | {"smtp-id": "<14c5d75ce93.dfd@ismtpd-555>"}

    assert sendgrid(told, event(letter, "spamreport") | {"smtp-id": None}, 7, None, {}) == 200

    assert nothing_changed(letter)


def test_sendgrid_tells_much_at_once(letter: Delivery) -> None:
    others = [event(letter, "processed") for _ in range(3)]
    many = [event(letter, "delivered", timestamp=None) for _ in range(1500)]

    assert sendgrid(*others, *many, event(letter, "open")) == 200
    work()

    assert fate(letter)[0] == "read"
    assert Callback.objects.count() == 2


def test_call_of_sendgrid_that_comes_again_changes_nothing(letter: Delivery) -> None:
    told = event(letter, "open")
    timestamp = seconds_ago(minutes=2)

    sendgrid(told, timestamp=timestamp)
    work()
    Delivery.objects.update(state=DeliveryState.SENT)
    assert sendgrid(told, timestamp=timestamp) == 200
    work()

    assert Callback.objects.count() == 1
    assert fate(letter)[0] == "sent"


STRANGE_HEADERS = [
    {"X-Twilio-Email-Event-Webhook-Signature": ""},
    {"X-Twilio-Email-Event-Webhook-Signature": "not base64!"},
    {"X-Twilio-Email-Event-Webhook-Signature": "AAAA"},
    {"X-Twilio-Email-Event-Webhook-Signature": "ü"},
    {"X-Twilio-Email-Event-Webhook-Timestamp": ""},
    {"X-Twilio-Email-Event-Webhook-Timestamp": "yesterday"},
    {"X-Twilio-Email-Event-Webhook-Timestamp": "-1"},
    {"X-Twilio-Email-Event-Webhook-Timestamp": "9" * 40},
    {"X-Twilio-Email-Event-Webhook-Timestamp": "१७००००००००"},
]


@pytest.mark.parametrize("headers", STRANGE_HEADERS)
def test_call_that_is_not_signed_is_not_sendgrids(
    letter: Delivery, headers: dict[str, str]
) -> None:
    assert sendgrid(event(letter, "spamreport"), headers=headers) == 403
    assert nothing_changed(letter)


def test_call_signed_for_something_else_is_not_sendgrids(letter: Delivery) -> None:
    other = ec.generate_private_key(ec.SECP256R1())

    assert sendgrid(event(letter, "spamreport"), signed=b"[]") == 403
    assert sendgrid(event(letter, "spamreport"), key=other) == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize(("ago", "status"), [(24.5, 200), (25.5, 403), (-0.05, 200), (-1, 403)])
def test_call_of_sendgrid_has_its_time(letter: Delivery, ago: float, status: int) -> None:
    assert sendgrid(event(letter, "open"), timestamp=seconds_ago(hours=ago)) == status
    assert nothing_changed(letter) == (status == 403)


def test_key_that_is_none_lets_nobody_in(letter: Delivery, settings: Any) -> None:
    for key in ("x", "AAAA", "ü", public_of(rsa.generate_private_key(65537, 2048))):
        settings.SENDGRID_WEBHOOK_KEY = key

        assert sendgrid(event(letter, "spamreport")) == 403
    assert nothing_changed(letter)


def test_key_may_be_given_as_a_file_has_it(letter: Delivery, settings: Any) -> None:
    settings.SENDGRID_WEBHOOK_KEY = (
        PRIVATE.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )

    assert sendgrid(event(letter, "open")) == 200


@pytest.mark.parametrize("events", [[], [7], [[]], [{"event": ["open"]}], [{"event": {}}]])
def test_signed_call_of_sendgrid_without_sense_changes_nothing(
    letter: Delivery, events: list[Any]
) -> None:
    assert sendgrid(*events) == 200
    assert nothing_changed(letter)


# --- Mailgun ------------------------------------------------------------------------------------


def mailgun_event(letter: Delivery, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "event": name,
        "id": "W3X4JOhFT-OZidZGKKr9iA",
        "timestamp": float(seconds_ago(minutes=1)),
        "recipient": MAIL,
        "message": {
            "headers": {"message-id": f"{key_of(letter)}.ER7zIAbcdefghijklmnopq12@shop.example"}
        },
        **fields,
    }


def signature(
    token: str = "e0b5477167110d68991e", *, timestamp: str = "", key: str = SECRET
) -> dict[str, str]:
    timestamp = timestamp or seconds_ago(seconds=2)
    signed = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    return {"timestamp": timestamp, "token": token, "signature": signed}


def mailgun(told: Any, signed: Any = None) -> int:
    body = {"signature": signature() if signed is None else signed, "event-data": told}
    answer = Client(enforce_csrf_checks=True).post(
        "/callbacks/mail/mailgun/", json.dumps(body), content_type="application/json"
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("name", "fields", "end"),
    [
        ("delivered", {"delivery-status": {"code": 250}}, ("delivered", "")),
        ("opened", {"client-info": {"bot": ""}}, ("read", "")),
        ("opened", {"client-info": {"bot": "apple"}}, ("sent", "")),
        ("failed", {"severity": "permanent", "reason": "bounce",
                    "delivery-status": {"code": 550}}, ("failed", "bounced")),
        ("failed", {"severity": "permanent", "reason": "bounce",
                    "delivery-status": {"code": 550, "enhanced-code": "5.7.1"}},
         ("failed", "undelivered")),
        ("failed", {"severity": "permanent", "reason": "suppress-bounce",
                    "delivery-status": {"code": 605}}, ("failed", "bounced")),
        ("failed", {"severity": "permanent", "reason": "old"}, ("failed", "undelivered")),
        ("failed", {"severity": "temporary", "delivery-status": {"code": 452}}, ("sent", "")),
        ("accepted", {}, ("sent", "")),
        ("clicked", {}, ("sent", "")),
    ],
)  # fmt: skip
def test_mailgun_tells_of_a_letter(
    letter: Delivery, name: str, fields: dict[str, Any], end: tuple[str, str]
) -> None:
    assert mailgun(mailgun_event(letter, name, **fields)) == 200
    work()

    assert fate(letter) == end


@pytest.mark.parametrize(
    ("name", "fields", "source"),
    [
        ("complained", {}, "complained"),
        ("unsubscribed", {}, "unsubscribed"),
        ("failed", {"severity": "permanent", "reason": "suppress-complaint"}, "complained"),
        ("failed", {"severity": "permanent", "reason": "suppress-unsubscribe"}, "unsubscribed"),
    ],
)
def test_mailgun_tells_that_somebody_wants_no_more(
    letter: Delivery, name: str, fields: dict[str, Any], source: str
) -> None:
    mailgun(mailgun_event(letter, name, **fields))
    work()

    said = set(ConsentEntry.objects.values_list("customer_id", "channel", "source"))
    assert said == {(letter.customer_id, WHERE_ENDED[source], source)}


def test_token_of_mailgun_counts_once_whatever_is_told_with_it(letter: Delivery) -> None:
    signed = signature()

    assert mailgun(mailgun_event(letter, "clicked"), signed) == 200
    assert mailgun(mailgun_event(letter, "complained"), signed) == 200
    work()

    assert not ConsentEntry.objects.exists()
    assert Callback.objects.count() == 1


STRANGE_SIGNATURES = [
    {},
    7,
    [],
    None,
    {"timestamp": "1", "token": "", "signature": ""},
    signature(key="another"),
    signature() | {"token": "another"},
    signature() | {"timestamp": "1"},
    signature() | {"signature": "ü"},
    signature() | {"signature": None},
    signature() | {"token": 7},
    signature(timestamp="9" * 30),
]


@pytest.mark.parametrize("signed", STRANGE_SIGNATURES)
def test_call_that_is_not_signed_is_not_mailguns(letter: Delivery, signed: Any) -> None:
    body = {"signature": signed, "event-data": mailgun_event(letter, "complained")}
    answer = Client().post(
        "/callbacks/mail/mailgun/", json.dumps(body), content_type="application/json"
    )

    assert answer.status_code == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize("body", ["", "null", "[]", "7", "[" * 9999, "\udcff", '{"signature": 7}'])
def test_nonsense_is_not_mailguns(letter: Delivery, body: str) -> None:
    raw = body.encode("utf-8", "surrogateescape")
    answer = Client().post("/callbacks/mail/mailgun/", raw, content_type="application/json")

    assert answer.status_code == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize(("ago", "status"), [(8.5, 200), (9.5, 403), (-0.05, 200), (-1, 403)])
def test_call_of_mailgun_has_its_time(letter: Delivery, ago: float, status: int) -> None:
    signed = signature(timestamp=seconds_ago(hours=ago))

    assert mailgun(mailgun_event(letter, "opened"), signed) == status
    assert nothing_changed(letter) == (status == 403)


@pytest.mark.parametrize(
    "told",
    [None, 7, [], {}, {"event": "complained"}, {"event": "complained", "message": 7},
     {"event": "complained", "message": {"headers": []}},
     {"event": "complained", "message": {"headers": {"message-id": 7}}},
     {"event": "complained", "message": {"headers": {"message-id": "somebody@else.example"}}}],
)  # fmt: skip
def test_signed_call_of_mailgun_without_a_letter_of_ours_changes_nothing(
    letter: Delivery, told: Any
) -> None:
    assert mailgun(told) == 200
    work()

    assert fate(letter) == ("sent", "")
    assert not ConsentEntry.objects.exists()


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
def test_without_its_key_there_is_no_door(settings: Any, provider: str) -> None:
    settings.SENDGRID_WEBHOOK_KEY = settings.MAILGUN_WEBHOOK_KEY = ""
    settings.CALLBACK_KEY = "a-key"

    answer = Client().post(f"/callbacks/mail/{provider}/?key=a-key", "[]", "application/json")

    assert answer.status_code == 404


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
def test_the_key_of_the_address_is_no_signature(
    letter: Delivery, settings: Any, provider: str
) -> None:
    settings.CALLBACK_KEY = "a-key"
    rows = [{"kind": "complained", "key": key_of(letter)}]

    answer = Client().post(
        f"/callbacks/mail/{provider}/?key=a-key", json.dumps(rows), "application/json"
    )

    assert answer.status_code == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize("provider", ["sendgrid", "mailgun"])
def test_call_that_is_too_long_or_no_post_is_refused(provider: str) -> None:
    address = f"/callbacks/mail/{provider}/"

    assert Client().post(address, "x" * 1_000_001, "application/json").status_code == 413
    assert Client().get(address).status_code == 405
    assert not Callback.objects.exists()


def test_list_of_our_own_may_name_the_whole_message_id(letter: Delivery, settings: Any) -> None:
    settings.CALLBACK_KEY = "a-key"
    rows = [{"kind": "delivered", "key": f"{key_of(letter)}.ER7zIAbcdefghijklmnopq12"}]

    Client().post("/callbacks/mail/?key=a-key", json.dumps(rows), "application/json")
    work()

    assert fate(letter)[0] == "delivered"
