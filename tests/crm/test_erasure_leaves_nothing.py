"""Somebody who has been everywhere is erased, and is found nowhere: every column of every table."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.actions.posts.life import plan_post
from campaigns.enums import CampaignState, DeliveryState, PostKind
from campaigns.models import Delivery, PostTarget, Welcome, WelcomeRule
from connectors.wecom.callback import seal_envelope
from contacts.enums import Role, Scope
from contacts.models import Customer, Interaction, RoleGrant, Staff
from contacts.wecom import wecom_config
from crm.actions.erasing import erase_customer
from crm.actions.sweeping import do_what_is_due
from crm.actions.webhook_collecting import collect_events
from crm.api.keys import issue_key
from crm.invariants import check_rules
from crm.models import SavedAnswer
from tests.builders import (
    make_batch,
    make_campaign,
    make_chat,
    make_content,
    make_customer,
    make_finding,
    make_loss,
    make_post,
    make_reaction,
    make_staff,
    make_tag,
    make_webhook,
    sign_in,
)
from tests.crm.erasure_rules import ABOUT_A_CUSTOMER, GOES, STAYS
from tests.gateways import Gateway, open_gateway
from tests.sandboxed import Shop, open_shop
from tests.traces import places_of

pytestmark = pytest.mark.django_db

NAME = "Kanarie Vogel"
WECOM = "woKanarie7766"
PHONE = "+8613877776666"
MAIL = "Kanarie@vogel.example"
SONG = "sings of kanarie 7766"
TRACES = ("kanarie", "13877776666")
KEY = "a-key-of-the-address"


@pytest.fixture
def gateway(settings: Any) -> Iterator[Gateway]:
    settings.CALLBACK_KEY = KEY
    settings.SMS_URL = "json+http://127.0.0.1:9/send"
    settings.WHITENOISE_AUTOREFRESH = True
    with open_gateway() as opened:
        settings.CAMPAIGN_WEBHOOK_URL = opened.url
        yield opened


@pytest.fixture
def shop(redis: object) -> Iterator[Shop]:
    with open_shop() as opened:
        yield opened


@pytest.fixture
def boss(db: None) -> Staff:
    return make_staff("Wu", role=Role.ADMINISTRATOR)


@pytest.fixture
def api(boss: Staff) -> APIClient:
    _row, key = issue_key(boss, name="test", scopes=(), now=timezone.now())
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    client.default_format = "json"
    return client


def post(api: APIClient, path: str, body: dict[str, Any], expected: int = 201) -> dict[str, Any]:
    """One call with a key, so that its answer is kept for a day."""
    key = f"call-{SavedAnswer.objects.count()}"
    answer = api.post(f"/api/v1/{path}", body, headers={"Idempotency-Key": key})
    assert answer.status_code == expected, answer.content
    told: dict[str, Any] = answer.json()
    return told


def in_wecom(lin: Staff, change: str, **more: str) -> None:
    """Something that WeCom calls back about the person."""
    config = wecom_config()
    assert config
    now = int(timezone.now().timestamp())
    values = {"UserID": lin.wecom_userid or "", "ExternalUserID": WECOM, **more}
    inside = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in values.items())
    xml = (
        "<xml><ToUserName>ww1</ToUserName><FromUserName>sys</FromUserName><MsgType>event</MsgType>"
        f"<CreateTime>{now}</CreateTime><Event>change_external_contact</Event>"
        f"<ChangeType>{change}</ChangeType>{inside}</xml>"
    )
    sealed = seal_envelope(config, xml, timestamp=now, nonce="n")
    client = Client()
    answer = client.post(
        "/callbacks/wecom/", sealed.body, content_type="text/xml", query_params=sealed.query
    )
    assert answer.status_code == 200


def gateways_tell(provider: str, *rows: dict[str, str]) -> None:
    Client().post(
        f"/callbacks/{provider}/?key={KEY}", json.dumps(rows), content_type="application/json"
    )


def add_customer(api: APIClient, lin: Staff) -> Customer:
    addresses = [("wecom:external_userid", WECOM), ("phone", PHONE), ("email", MAIL)]
    addresses += [("member_no", "kanarie-1"), ("wechat:unionid", "kanarie-union")]
    told = post(
        api,
        "customers",
        {
            "identities": [{"kind": kind, "value": value} for kind, value in addresses],
            "name": NAME,
            "city": "Kanarie City",
            "note": SONG,
            "owner": lin.pk,
        },
    )
    customer = Customer.objects.get(pk=told["id"])
    Customer.objects.filter(pk=customer.pk).update(attributes={"nest": SONG})
    return customer


def live_a_full_life(api: APIClient, chen: Customer, lin: Staff) -> None:
    """Everything that people and systems can say of somebody, through the doors they use."""
    pk = chen.pk
    post(api, f"customers/{pk}/interactions", {"kind": "note", "text": SONG})
    task = {"customer": pk, "kind": "promise", "text": SONG}
    promise = post(api, "tasks", task)
    post(api, f"tasks/{promise['id']}/done", {}, 200)
    post(api, "tasks", task)
    post(api, f"customers/{pk}/tags", {"add": [make_tag("Blue").pk]}, 200)
    order = {"system": "shop", "number": "1", "amount": "10.00", "ordered_at": "2026-01-02T10:00Z"}
    items = [{"name": SONG, "sku": "1", "category": "", "quantity": 1, "price": "10.00"}]
    post(api, "orders", order | {"customer": pk, "state": "paid", "items": items})
    coupon = {"code": "KANARIE-10", "title": SONG, "percent": 10, "expires_at": "2030-01-01T00:00Z"}
    post(api, "coupons", {"coupons": [coupon | {"customer": pk, "source": SONG}]})
    word = {"channel": "sms", "source": "kanarie himself", "evidence": SONG}
    post(api, f"customers/{pk}/opt-out", word, 200)
    make_loss(make_staff("Mei"), chen, note=SONG, state="written_off")
    make_finding(customer=chen, address=WECOM, detail={"name": NAME}, note=SONG)
    make_chat(lin, customers=[WECOM, "woOther"])


def get_messages(chen: Customer, lin: Staff, boss: Staff) -> None:
    """A greeting, a campaign, an answer, a complaint, a like."""
    now = timezone.now()
    WelcomeRule.objects.create(content=make_content("Hello {customer}"))
    in_wecom(lin, "add_external_contact", WelcomeCode="kanarie-code")
    do_what_is_due(now=timezone.now())
    assert NAME in Welcome.objects.get().text
    campaign = make_campaign("Spring", channel="sms", state=CampaignState.DONE)
    make_batch(campaign, [chen], delivery_state=DeliveryState.SENT)
    Delivery.objects.update(address=PHONE)
    gateways_tell("sms", {"kind": "replied", "address": PHONE, "text": SONG, "at": ""})
    gateways_tell("mail", {"kind": "complained", "address": MAIL, "text": SONG, "at": ""})
    do_what_is_due(now=timezone.now())
    assert Interaction.objects.filter(customer=chen, text=SONG).count() == 2
    gateways_tell("sms", {"kind": "replied", "address": PHONE, "text": f"{SONG} again"})
    in_wecom(lin, "edit_external_contact", State="kanarie")
    moment = make_post(kind=PostKind.MOMENT, state="scheduled", send_at=now, created_by=boss)
    plan_post(moment.pk, now=now)
    make_reaction(PostTarget.objects.get(), WECOM)


def test_who_has_been_everywhere_is_found_nowhere(
    api: APIClient, boss: Staff, gateway: Gateway, shop: Shop, client: Client
) -> None:
    lin = make_staff("Lin")
    make_webhook()
    chen = add_customer(api, lin)
    live_a_full_life(api, chen, lin)
    get_messages(chen, lin, boss)
    sign_in(client, boss)
    collect_events(now=timezone.now() + timedelta(seconds=1))
    before = places_of(*TRACES)
    assert {place.split(".")[0] for place in before} >= EXPECTED

    answer = client.post(reverse("customer_erase", args=[chen.pk]), {"name": NAME})

    assert answer.status_code == 302
    assert places_of(*TRACES) == set()
    in_wecom(lin, "del_follow_user")
    gateways_tell("sms", {"kind": "replied", "address": PHONE, "text": SONG})
    do_what_is_due(now=timezone.now())
    assert places_of(*TRACES) == set()
    assert not [one for one in check_rules(now=timezone.now(), only={1, 3, 11, 16, 17}) if one.rows]


EXPECTED = {
    "contacts_customer", "contacts_identity", "contacts_interaction", "contacts_task",
    "contacts_historyentry", "contacts_consententry", "contacts_coupon", "contacts_callback",
    "contacts_groupchat", "contacts_loss", "contacts_finding", "campaigns_delivery",
    "campaigns_welcome", "campaigns_postreaction", "crm_order", "crm_savedanswer",
}  # fmt: skip
"""Tables in which the person stood before; the test would prove nothing otherwise."""


def answers_kept() -> set[str]:
    return set(SavedAnswer.objects.exclude(body="").values_list("body", flat=True))


def test_answers_are_found_without_name_and_address(api: APIClient) -> None:
    blue = make_tag("Blue")
    for note in (SONG, "Zhao sings"):
        customer = make_customer("", note=note)
        post(api, f"customers/{customer.pk}/tags", {"add": [blue.pk]}, 200)

    erase_customer(Customer.objects.get(note=SONG), actor=None, now=timezone.now())

    [kept] = answers_kept()
    assert "Zhao sings" in kept


@pytest.mark.parametrize("name", ["陈静", "陈", 'Chen "Blue" Jing'])
def test_what_somebody_would_have_read_is_not_kept(
    api: APIClient, boss: Staff, gateway: Gateway, name: str
) -> None:
    RoleGrant.objects.create(staff=boss, role=Role.MARKETER, scope=Scope.COMPANY)
    chen = make_customer(name, owner=boss)
    content = make_content("Dear {customer}, come and see.")
    body = {"channel": "sms", "customer": chen.pk}
    told = post(api, f"contents/{content.pk}/preview", body, 200)
    assert name in told["text"]

    erase_customer(chen, actor=None, now=timezone.now())

    assert answers_kept() == set()


# --- nothing is forgotten that comes later ------------------------------------------------------

WORDS = (
    models.CharField,
    models.TextField,
    models.JSONField,
    models.BinaryField,
    models.DateField,
    ArrayField,
)


def our_models() -> list[type[Model]]:
    return [
        m for app in ("contacts", "campaigns", "crm") for m in apps.get_app_config(app).get_models()
    ]


def columns_with_words() -> set[str]:
    return {
        f"{model._meta.label}.{field.name}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if isinstance(field, WORDS)
        and not isinstance(field, models.DateTimeField)
        and not field.choices
    }


def listed(rules: dict[str, str]) -> set[str]:
    return {f"{model}.{name}" for model, names in rules.items() for name in names.split()}


def test_every_column_that_can_hold_words_has_a_rule() -> None:
    assert columns_with_words() == listed(GOES) | listed(STAYS)
    assert not listed(GOES) & listed(STAYS)


def test_every_table_about_customers_has_a_rule() -> None:
    about = {
        model._meta.label
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.related_model is Customer
    }

    assert about == set(ABOUT_A_CUSTOMER)
