"""Consent per channel and purpose, and the company's messaging rules, through the API."""

import pytest

from campaigns.models import MessagingRules
from contacts.enums import Role
from contacts.models import Consent, ConsentEntry, HistoryEntry
from tests.builders import make_campaign, make_customer, make_customers, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def lin():
    return make_staff("Lin")


@pytest.fixture
def ada():
    return make_staff("Ada", role=Role.ADMINISTRATOR)


def test_a_customer_opts_out_of_one_channel_and_in_again(api, lin):
    chen = make_customer("Chen", owner=lin)
    client, url = api(lin), f"/api/v1/customers/{chen.pk}"

    out = client.post(
        f"{url}/opt-out", {"channel": "email", "purpose": "campaign", "evidence": "Q"}
    )
    client.post(f"{url}/opt-in", {"channel": "email", "source": "till"})

    assert out.json()["opted_out_at"] is None
    body = client.get(f"{url}/consents").json()
    assert [(row["channel"], row["purpose"], row["granted"]) for row in body["standing"]] == [
        ("email", "", True)
    ]
    assert [(row["granted"], row["source"], row["evidence"]) for row in body["ledger"]] == [
        (True, "till", ""),
        (False, "api", "Q"),
    ]


@pytest.mark.parametrize("body", [{"channel": "pigeon"}, {"purpose": "fun"}, {"granted": True}])
def test_an_unknown_channel_or_purpose_changes_nothing(api, lin, body):
    chen = make_customer("Chen", owner=lin)

    answer = api(lin).post(f"/api/v1/customers/{chen.pk}/opt-out", body)

    assert answer.status_code == 400
    assert not Consent.objects.exists()
    assert not ConsentEntry.objects.exists()


def test_the_time_zone_of_a_customer_is_one_that_there_is(api, lin):
    chen = make_customer("Chen", owner=lin)
    url = f"/api/v1/customers/{chen.pk}"

    assert api(lin).patch(url, {"time_zone": "Mars/Here"}).status_code == 400
    assert api(lin).patch(url, {"time_zone": "Europe/Paris"}).json()["time_zone"] == "Europe/Paris"


def test_messaging_rules_are_read_and_changed(api, ada):
    client = api(ada)
    change = {
        "cap_messages": 3,
        "channel_caps": {"sms": {"messages": 1, "days": 30}},
        "quiet_from": "21:00",
        "quiet_to": "09:00",
        "consent_required": ["email:campaign"],
        "skip_over_quota": True,
        "approval_above": 500,
    }

    assert client.get("/api/v1/messaging-rules").json()["cap_messages"] is None
    changed = client.put("/api/v1/messaging-rules", change).json()

    assert changed == client.get("/api/v1/messaging-rules").json()
    assert (changed["cap_messages"], changed["cap_days"], changed["quiet_to"]) == (3, 7, "09:00:00")
    assert changed["approval_above"] == MessagingRules.objects.get().approval_above == 500
    assert HistoryEntry.objects.get().action == "messaging_rules.changed"


@pytest.mark.parametrize("change", [
    {"quiet_from": "21:00"},
    {"cap_messages": 0},
    {"channel_caps": {"pigeon": {"messages": 1, "days": 1}}},
    {"channel_caps": {"sms": {"messages": 1}}},
    {"consent_required": ["email"]},
    {"else": 1},
])  # fmt: skip
def test_rules_that_do_not_go_together_change_nothing(api, ada, change):
    assert api(ada).put("/api/v1/messaging-rules", change).status_code == 400
    assert not MessagingRules.objects.exists()


def test_a_campaign_says_whom_it_would_reach(api, lin):
    tao = make_staff("Tao", role=Role.MARKETER)
    make_customers(3, owner=lin, followed=True)
    make_customer("Zhao", owner=lin)
    campaign = make_campaign(created_by=tao)

    body = api(tao).get(f"/api/v1/campaigns/{campaign.pk}/audience").json()

    assert body == {
        "reachable": 3, "batches": 1, "senders": 1, "skipped": {"no_address": 1},
        "over_quota": 0, "later": 0,
    }  # fmt: skip


def test_a_campaign_is_drafted_with_its_purpose(api):
    tao = make_staff("Tao", role=Role.MARKETER)
    wanted = {"name": "Care", "text": "Hi", "rule": {"all": []}, "purpose": "care"}

    body = api(tao).post("/api/v1/campaigns", wanted | {"skip_if_in_another": True}).json()

    assert (body["purpose"], body["skip_if_in_another"]) == ("care", True)
