"""``{coupon_code}``: each customer's own coupon in their letter, through real channels and the API."""

from collections.abc import Callable
from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.actions.letters import Turn
from campaigns.actions.pump import pump_campaign
from campaigns.actions.wordings import Wording
from campaigns.channels import direct_connector
from campaigns.enums import DeliveryState
from campaigns.models import Batch, Campaign
from campaigns.recipients import recipients_in
from contacts.enums import IdentityKind, Role
from contacts.models import Coupon
from crm.api.keys import issue_key
from tests.builders import (
    make_content,
    make_coupon,
    make_customer,
    make_customers,
    make_identity,
    make_segment,
    make_staff,
    merge_customer,
)
from tests.campaigns.planning import planned
from tests.gateways import Gateway, MailServer

pytestmark = pytest.mark.django_db

WORDS = "Your coupon: {coupon_code|ask in the store}"
NONE = "Your coupon: ask in the store"


@pytest.fixture
def api(settings: Any) -> Callable[..., Any]:
    """Ask the API with a key of a marketer of the whole company."""
    settings.WHITENOISE_AUTOREFRESH = True  # let no client read through all static files first
    yan = make_staff("Yan", role=Role.MARKETER)
    _row, key = issue_key(yan, name="test", scopes=(), now=timezone.now())
    client = Client(HTTP_AUTHORIZATION=f"Bearer {key}")

    def ask(url: str, body: dict[str, Any]) -> Any:
        return client.post(f"/api/v1/{url}", body, content_type="application/json")

    return ask


def plan(channel: str = "webhook", text: str = WORDS, **more: Any) -> Campaign:
    return planned(text, channel=channel, **more)


def texts(gateway: Gateway) -> dict[str, str]:
    return {call["to"]: call["text"] for call in gateway.calls}


def ago(**time: float) -> Any:
    return timezone.now() - timedelta(**time)


def test_everybody_reads_the_code_of_their_own_newest_valid_coupon(gateway: Gateway) -> None:
    chen, zhao, wu, li = (make_customer(name) for name in ("Chen", "Zhao", "Wu", "Li"))
    make_coupon(chen, code="OLD", issued_at=ago(days=9))
    make_coupon(chen, code="NEW", issued_at=ago(days=2))
    make_coupon(chen, code="GONE", issued_at=ago(days=1), redeemed_at=ago(hours=1))
    make_coupon(zhao, code="ZHAO")
    make_coupon(wu, code="LATE", issued_at=ago(days=9), expires_at=ago(seconds=1))

    pump_campaign(plan().pk)

    assert texts(gateway) == {
        str(chen.pk): "Your coupon: NEW",
        str(zhao.pk): "Your coupon: ZHAO",
        str(wu.pk): NONE,
        str(li.pk): NONE,
    }


def test_coupon_of_somebody_merged_is_that_of_who_stays(gateway: Gateway) -> None:
    chen, twin = make_customer("Chen"), make_customer("Chen Wei")
    make_coupon(chen, code="OWN", issued_at=ago(days=9))
    make_coupon(twin, code="TWIN", issued_at=ago(days=1))
    merge_customer(twin, chen)

    pump_campaign(plan().pk)

    assert texts(gateway) == {str(chen.pk): "Your coupon: TWIN"}


def test_code_stands_in_subject_and_html_of_an_e_mail_as_plain_text(mails: MailServer) -> None:
    chen = make_customer("Chen")
    make_identity(chen, "chen@mail.example", kind=IdentityKind.EMAIL)
    make_coupon(chen, code="A<b>&B")
    wording = Wording(subject="{coupon_code} for you", html="<p>{coupon_code}</p>")

    pump_campaign(plan("email", "Use {coupon_code}", wording=wording).pk)

    ((_to, raw),) = mails.mails
    mail = message_from_string(raw, policy=policy.default)
    plain, html = mail.iter_parts()
    assert mail["Subject"] == "A<b>&B for you"
    assert "Use A<b>&B" in plain.get_content()
    assert "<p>A&lt;b&gt;&amp;B</p>" in html.get_content()


@pytest.mark.parametrize(("words", "reads"), [(WORDS, 1), ("Our coats are here", 0)])
def test_codes_are_read_with_the_recipients_and_only_where_words_name_them(
    gateway: Gateway, words: str, reads: int
) -> None:
    for customer in make_customers(450, owner=make_staff("Lin")):
        make_coupon(customer)
    campaign = plan(text=words)

    with CaptureQueriesContext(connection) as asked:
        pump_campaign(campaign.pk)

    statements = [query["sql"] for query in asked.captured_queries]
    assert len([sql for sql in statements if "mine.slot" in sql]) == 1
    assert len([sql for sql in statements if "contacts_coupon" in sql]) == reads
    assert len(gateway.taken) == 450


def test_letter_that_is_asked_about_has_the_words_that_were_sent(gateway: Gateway) -> None:
    coupon = make_coupon(make_customer("Chen"), code="SPRING")
    campaign = plan()
    assert next(Turn(campaign, direct_connector("webhook"), end=float("inf"))._letters())
    now = timezone.now()
    Coupon.objects.filter(pk=coupon.pk).update(redeemed_at=now)
    make_coupon(coupon.customer, code="LATER", issued_at=now)

    [person] = recipients_in([Batch.objects.get().pk], DeliveryState.QUEUED, coupons=True)

    assert person.coupon_code == "SPRING"


def test_wecom_cannot_fill_it_and_says_so(api: Callable[..., Any], redis: Any) -> None:
    content = make_content(WORDS)
    body = {"name": "Coupons", "content": content.pk, "segment": make_segment().pk}

    answer = api("campaigns", body | {"channel": "wecom"})

    assert answer.status_code == 400
    assert "{coupon_code}" in answer.text
    assert not Campaign.objects.exists()
    assert api("campaigns", body | {"channel": "echo"}).status_code == 201


def test_preview_shows_the_code_of_the_chosen_customer(api: Callable[..., Any], redis: Any) -> None:
    content = make_content(WORDS)
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    make_coupon(chen, code="SPRING")
    url = f"contents/{content.pk}/preview"

    assert api(url, {"channel": "echo", "customer": chen.pk}).json()["text"] == (
        "Your coupon: SPRING"
    )
    assert api(url, {"channel": "echo", "customer": zhao.pk}).json()["text"] == NONE
    assert api(url, {"channel": "echo"}).json()["text"] == NONE
    in_wecom = api(url, {"channel": "wecom", "customer": chen.pk}).json()
    assert in_wecom["unfilled"] == ["coupon_code"]


def test_test_to_oneself_names_no_real_coupon(api: Callable[..., Any], gateway: Gateway) -> None:
    chen = make_customer("Chen")
    make_coupon(chen, code="SPRING")
    content = make_content(WORDS)

    answer = api(f"contents/{content.pk}/test", {"channel": "webhook", "customer": chen.pk})

    assert answer.status_code == 200
    assert [call["text"] for call in gateway.calls] == ["Your coupon: EXAMPLE"]
