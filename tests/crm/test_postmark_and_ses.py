"""Postmark and Amazon SES tell of letters: with a password, or signed by SNS."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.channels import direct_connector
from campaigns.models import Delivery
from config import env
from connectors.base import Letter
from connectors.smtp import sns as far_sns
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
from tests.sns import HOME, OTHER_KEY, TOPIC, Sns, call, certificate, open_sns

pytestmark = pytest.mark.django_db

PASSWORD = "a-long-random-wörd"


@pytest.fixture(autouse=True)
def _providers(settings: Any) -> None:
    settings.POSTMARK_WEBHOOK_KEY = PASSWORD
    settings.SES_TOPIC_ARNS = [TOPIC]
    settings.EMAIL_URL, settings.MAIL_FROM = "smtp://127.0.0.1:9", "Shop <news@shop.example>"


@pytest.fixture
def sns(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sns]:
    monkeypatch.setattr(far_sns, "_BREATH", 0.0)
    monkeypatch.setattr(far_sns._certificates, "_next_look", 0.0)
    with open_sns() as far:
        settings.SES_SNS_VIA = far.url
        yield far


@pytest.fixture
def letter() -> Delivery:
    return sent_to()


# --- Postmark -----------------------------------------------------------------------------------


def record(letter: Delivery, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "RecordType": kind,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "MessageStream": "broadcast",
        "Metadata": {"liuke": key_of(letter)},
        "ReceivedAt": "2026-03-02T04:00:00.1234567Z",
        **fields,
    }


def basic(password: str = PASSWORD, user: str = "liuke") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def postmark(told: Any, login: str | None = None) -> int:
    body = told if isinstance(told, str) else json.dumps(told)
    answer = Client(enforce_csrf_checks=True).post(
        "/callbacks/mail/postmark/",
        body,
        content_type="application/json",
        headers={"Authorization": basic() if login is None else login},
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("kind", "fields", "end"),
    [
        ("Delivery", {"DeliveredAt": "2026-03-02T04:00:00Z"}, ("delivered", "")),
        ("Open", {"FirstOpen": True}, ("read", "")),
        ("Bounce", {"Type": "HardBounce", "TypeCode": 1, "BouncedAt": "never"},
         ("failed", "bounced")),
        ("Bounce", {"Type": "BadEmailAddress"}, ("failed", "bounced")),
        ("Bounce", {"Type": "SoftBounce"}, ("failed", "undelivered")),
        ("Bounce", {"Type": "Blocked"}, ("failed", "undelivered")),
        ("Bounce", {"Type": 7}, ("failed", "undelivered")),
        ("Bounce", {"Type": "Transient"}, ("sent", "")),
        ("Bounce", {"Type": "AutoResponder"}, ("sent", "")),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "HardBounce"},
         ("sent", "")),
        ("Click", {"OriginalLink": "https://shop.example"}, ("sent", "")),
        ("Inbound", {}, ("sent", "")),
    ],
)  # fmt: skip
def test_postmark_tells_of_a_letter(
    letter: Delivery, kind: str, fields: dict[str, Any], end: tuple[str, str]
) -> None:
    assert postmark(record(letter, kind, **fields)) == 200
    work()

    assert fate(letter) == end
    assert is_dead() == (end[1] == "bounced")
    assert not ConsentEntry.objects.exists()


@pytest.mark.parametrize(
    ("kind", "fields", "source"),
    [
        ("SpamComplaint", {"Type": "SpamComplaint"}, "complained"),
        ("Bounce", {"Type": "SpamComplaint"}, "complained"),
        ("Bounce", {"Type": "Unsubscribe"}, "unsubscribed"),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "SpamComplaint",
                                "Origin": "Recipient"}, "complained"),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "ManualSuppression",
                                "Origin": "Recipient"}, "unsubscribed"),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "ManualSuppression",
                                "Origin": "Customer"}, ""),
        ("SubscriptionChange", {"SuppressSending": False, "SuppressionReason": None}, ""),
    ],
)  # fmt: skip
def test_postmark_tells_that_somebody_wants_no_more(
    letter: Delivery, kind: str, fields: dict[str, Any], source: str
) -> None:
    for _twice in range(2):
        assert postmark(record(letter, kind, **fields)) == 200
        work()

    said = set(ConsentEntry.objects.values_list("channel", "source"))
    assert said == ({(WHERE_ENDED[source], source)} if source else set())


def test_postmark_lets_letters_keep_what_names_them(letter: Delivery) -> None:
    mailer = Mailer("news@shop.example", told_by=["postmark"])
    mail = mailer.mail(Letter(key=key_of(letter), address=MAIL, text="Hello")).decode()

    assert f"\r\nX-PM-Metadata-liuke: {key_of(letter)}\r\nX-PM-KeepID: true\r\n" in mail


@pytest.mark.parametrize(
    "login",
    ["", "Basic", "Basic !", basic("another"), basic(""), basic("", PASSWORD), "Bearer x",
     basic().replace("Basic", "Digest"), "Basic ü", basic() + "A"],
)  # fmt: skip
def test_call_without_the_password_is_not_postmarks(letter: Delivery, login: str) -> None:
    assert postmark(record(letter, "SpamComplaint"), login) == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize(
    "told", [[], 7, None, {}, {"RecordType": []}, {"RecordType": "Open", "Metadata": 7},
             {"RecordType": "Open", "Metadata": {"liuke": "somebody@else.example"}}],
)  # fmt: skip
def test_postmark_tells_of_mail_that_is_not_ours(letter: Delivery, told: Any) -> None:
    assert postmark(told) == 200
    assert nothing_changed(letter)


def test_nonsense_of_postmark_is_refused(letter: Delivery) -> None:
    assert postmark("[" * 9999) == 400
    assert nothing_changed(letter)


# --- Amazon SES ---------------------------------------------------------------------------------


def published(letter: Delivery, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "mail": {
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": [MAIL],
            "tags": {"ses:configuration-set": ["set"], "liuke": [key_of(letter)]},
        },
        kind.lower(): {"timestamp": "2026-03-02T04:00:00.000Z", **fields},
    }


def ses(told: Any) -> int:
    body = told if isinstance(told, str) else json.dumps(told)
    answer = Client(enforce_csrf_checks=True).post(
        "/callbacks/mail/ses/", body, content_type="text/plain; charset=UTF-8"
    )
    return answer.status_code


def bounce(status: str = "", action: str = "failed") -> dict[str, Any]:
    return {"bouncedRecipients": [{"emailAddress": MAIL, "action": action, "status": status}]}


@pytest.mark.parametrize(
    ("kind", "fields", "end"),
    [
        ("Delivery", {}, ("delivered", "")),
        ("Open", {"ipAddress": "192.0.2.1"}, ("read", "")),
        ("Bounce", {"bounceType": "Permanent", **bounce("5.1.1")}, ("failed", "bounced")),
        ("Bounce", {"bounceType": "Permanent", "bounceSubType": "NoEmail"}, ("failed", "bounced")),
        ("Bounce", {"bounceType": "Permanent", **bounce("5.7.1")}, ("failed", "undelivered")),
        ("Bounce", {"bounceType": "Permanent", "bouncedRecipients": 7}, ("failed", "undelivered")),
        ("Bounce", {"bounceType": "Transient", **bounce("5.2.2")}, ("failed", "undelivered")),
        ("Bounce", {"bounceType": "Transient", **bounce("", "")}, ("sent", "")),
        ("Reject", {"reason": "Bad content"}, ("failed", "undelivered")),
        ("Complaint", {"complaintFeedbackType": "not-spam"}, ("sent", "")),
        ("Click", {"link": "https://shop.example"}, ("sent", "")),
        ("DeliveryDelay", {}, ("sent", "")),
        ("Send", {}, ("sent", "")),
    ],
)  # fmt: skip
def test_ses_tells_of_a_letter(
    sns: Sns, letter: Delivery, kind: str, fields: dict[str, Any], end: tuple[str, str]
) -> None:
    assert ses(call(published(letter, kind, **fields), sns.certificate_url())) == 200
    work()

    assert fate(letter) == end
    assert is_dead() == (end[1] == "bounced")
    assert not ConsentEntry.objects.exists()


@pytest.mark.parametrize(
    ("kind", "fields", "source"),
    [
        ("Complaint", {"complaintFeedbackType": "abuse"}, "complained"),
        ("Complaint", {}, "complained"),
        ("Subscription", {"newTopicPreferences": {"unsubscribeAll": True}}, "unsubscribed"),
    ],
)
def test_ses_tells_that_somebody_wants_no_more(
    sns: Sns, letter: Delivery, kind: str, fields: dict[str, Any], source: str
) -> None:
    told = call(published(letter, kind, **fields), sns.certificate_url())
    for _twice in range(2):
        assert ses(told) == 200
        work()

    said = set(ConsentEntry.objects.values_list("channel", "source"))
    assert said == {(WHERE_ENDED[source], source)}
    assert Callback.objects.count() == 1


def test_notification_names_the_letter_by_its_message_id(sns: Sns, letter: Delivery) -> None:
    name = f"<{key_of(letter)}.ER7zIAbcdefghijklmnopq12@shop.example>"
    told = {
        "notificationType": "Delivery",
        "mail": {"headers": [7, {"name": "To"}, {"name": "Message-ID", "value": name}]},
        "delivery": {},
    }

    assert ses(call(told, sns.certificate_url(), Subject="Amazon SES")) == 200
    work()

    assert fate(letter)[0] == "delivered"


def test_letters_bring_their_key_along_for_ses(letter: Delivery, settings: Any) -> None:
    settings.POSTMARK_WEBHOOK_KEY = ""
    # What goes to the mail server is written by the mailer, which the channel keeps to itself.
    mailer = direct_connector("email")._mailer  # type: ignore[attr-defined]
    mail = mailer.mail(Letter(key=key_of(letter), address=MAIL, text="Hello")).decode()

    assert f"\r\nX-SES-MESSAGE-TAGS: liuke={key_of(letter)}\r\n" in mail
    assert "X-PM-" not in mail


@pytest.mark.parametrize("version", ["1", "2"])
def test_certificate_is_fetched_once(sns: Sns, letter: Delivery, version: str) -> None:
    where = sns.certificate_url()
    for kind in ("Delivery", "Open"):
        assert ses(call(published(letter, kind), where, version=version)) == 200
    work()

    assert fate(letter)[0] == "read"
    assert sns.asked == [where.removeprefix(HOME)]


def test_subscription_is_confirmed(sns: Sns) -> None:
    told = call("Confirm?", sns.certificate_url(), kind="SubscriptionConfirmation")

    assert ses(told) == 200

    assert sns.asked[1:] == [
        "/?Action=ConfirmSubscription&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aletters"
        "&Token=a-token"
    ]
    assert not Callback.objects.exists()


def test_subscription_that_cannot_be_confirmed_comes_again(sns: Sns) -> None:
    where = sns.certificate_url()
    assert ses(call("x", where, kind="UnsubscribeConfirmation")) == 200
    sns.status = 500

    assert ses(call("x", where, kind="SubscriptionConfirmation")) == 503


OTHER_TOPIC = "arn:aws:sns:eu-west-1:123456789012:other"


@pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation"])
@pytest.mark.parametrize(
    "fields",
    [
        {"TopicArn": OTHER_TOPIC},
        {"Timestamp": "2026-03-02T04:00:00.000Z"},
        {"Timestamp": "2026-03-02"},
        {"Timestamp": "soon"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/" + "a" * 40},
        {"SigningCertURL": "https://evil.example/SimpleNotificationService-" + "a" * 32 + ".pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-"
                           + "a" * 32 + ".pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-"
                           + "a" * 32 + ".pem"},
        {"SigningCertURL": HOME + "/evil/SimpleNotificationService-" + "a" * 32 + ".pem"},
        {"SigningCertURL": HOME + "@evil.example/SimpleNotificationService-" + "a" * 32 + ".pem"},
    ],
)  # fmt: skip
def test_call_of_another_topic_time_or_place_is_refused_before_anything_is_fetched(
    sns: Sns, letter: Delivery, kind: str, fields: dict[str, Any]
) -> None:
    told = call(published(letter, "Complaint"), sns.certificate_url(), kind=kind, **fields)

    assert ses(told) == 403
    assert sns.asked == []
    assert nothing_changed(letter)


def test_call_that_is_signed_by_others_or_changed_is_refused(sns: Sns, letter: Delivery) -> None:
    good = call(published(letter, "Complaint"), sns.certificate_url())
    where = good["SigningCertURL"]
    forged = [
        call(published(letter, "Complaint"), where, key=OTHER_KEY),
        good | {"Message": good["Message"] + " "},
        good | {"Subject": "More"},
        good | {"MessageId": "another"},
        good | {"Type": "SubscriptionConfirmation"},
        good | {"Signature": "not base64!"},
        good | {"Signature": None},
        good | {"SignatureVersion": "3"},
        good | {"SignatureVersion": "1"},
        {},
    ]

    assert [ses(told) for told in forged] == [403] * len(forged)
    assert nothing_changed(letter)
    assert all("Action" not in path for path in sns.asked)


def test_certificate_that_is_out_of_date_proves_nothing(sns: Sns, letter: Delivery) -> None:
    sns.pem = certificate(days=-1)

    assert ses(call(published(letter, "Complaint"), sns.certificate_url())) == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize("body", ["", "[]", "7", "null", "[" * 9999, "\udcff"])
def test_nonsense_is_not_amazons(sns: Sns, letter: Delivery, body: str) -> None:
    raw = body.encode("utf-8", "surrogateescape")
    answer = Client().post("/callbacks/mail/ses/", raw, content_type="text/plain")

    assert answer.status_code == 403
    assert nothing_changed(letter)


@pytest.mark.parametrize(
    ("pem", "status"), [(b"nonsense", 200), (b"x" * 100_000, 200), (b"", 302), (b"", 500)]
)
def test_certificate_that_cannot_be_had_has_the_call_come_again(
    sns: Sns, letter: Delivery, pem: bytes, status: int
) -> None:
    told = call(published(letter, "Open"), sns.certificate_url())
    good, sns.pem, sns.status = sns.pem, pem, status

    assert ses(told) == 503
    assert nothing_changed(letter)
    sns.pem, sns.status = good, 200
    assert ses(told) == 200
    work()

    assert fate(letter)[0] == "read"


def test_strangers_cannot_make_us_fetch_one_certificate_after_the_other(
    sns: Sns, letter: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(far_sns, "_BREATH", 60.0)
    answers = [
        ses(call(published(letter, "Open"), sns.certificate_url(), key=OTHER_KEY))
        for _call in range(3)
    ]

    assert answers == [403, 503, 503]
    assert len(sns.asked) == 1


def test_server_that_is_not_there_has_the_call_come_again(
    sns: Sns, letter: Delivery, settings: Any
) -> None:
    settings.SES_SNS_VIA = "http://127.0.0.1:9"

    assert ses(call(published(letter, "Open"), sns.certificate_url())) == 503


@pytest.mark.parametrize(
    "message", ["", "x", "[]", "[" * 9999, '{"eventType": []}', '{"eventType": "Bounce"}',
                '{"eventType": "Bounce", "mail": 7, "bounce": []}']
)  # fmt: skip
def test_proven_call_without_sense_changes_nothing(
    sns: Sns, letter: Delivery, message: str
) -> None:
    assert ses(call(message, sns.certificate_url())) == 200
    assert nothing_changed(letter)


def test_call_has_its_time(sns: Sns, letter: Delivery) -> None:
    def told_ago(**ago: float) -> int:
        at = (timezone.now() - timedelta(**ago)).isoformat(timespec="milliseconds")[:23] + "Z"
        return ses(call(published(letter, "Open"), sns.certificate_url(), Timestamp=at))

    assert [told_ago(hours=24.5), told_ago(hours=25.5), told_ago(hours=-1)] == [200, 403, 403]


# --- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["postmark", "ses"])
def test_without_its_setting_there_is_no_door(settings: Any, provider: str) -> None:
    settings.POSTMARK_WEBHOOK_KEY, settings.SES_TOPIC_ARNS = "", []
    settings.CALLBACK_KEY = "a-key"

    answer = Client().post(f"/callbacks/mail/{provider}/?key=a-key", "[]", "application/json")

    assert answer.status_code == 404


@pytest.mark.parametrize("provider", ["postmark", "ses"])
def test_call_that_is_too_long_or_no_post_is_refused(provider: str) -> None:
    address = f"/callbacks/mail/{provider}/"

    assert Client().post(address, "x" * 1_000_001, "application/json").status_code == 413
    assert Client().get(address).status_code == 405
    assert not Callback.objects.exists()


def test_topic_that_is_none_is_found_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SES_TOPIC_ARN", f"{TOPIC}, letters")

    with pytest.raises(env.BadSetting, match="SES_TOPIC_ARN"):
        env.topics("SES_TOPIC_ARN")
    with pytest.raises(ValueError, match="SES_TOPIC_ARN"):
        far_sns.Topics(["letters"])
