"""Webhooks by API: the secret once, deliveries, replays, and nothing for anybody else."""

from typing import Any

import pytest

from contacts.enums import Role, Scope
from crm.enums import EventState, WebhookState
from crm.models import SavedAnswer, Webhook
from crm.sealing import unseal
from crm.webhook_events import EVENTS
from tests.builders import (
    NOON,
    make_staff,
    make_store,
    make_webhook,
    make_webhook_event,
)

pytestmark = pytest.mark.django_db

GOOD = {"url": "https://example.com/new", "events": ["staff.departed"]}


@pytest.fixture
def hua():
    return make_staff("Hua", role=Role.ADMINISTRATOR)


@pytest.fixture
def client(api, hua):
    return api(hua)


def test_a_webhook_is_made_and_its_secret_told_once(client):
    made = client.post("/api/v1/webhooks", GOOD)

    assert made.status_code == 201
    secret = made.json()["secret"]
    assert unseal(Webhook.objects.get().secret) == secret
    page = client.get(f"/api/v1/webhooks/{made.json()['id']}")
    assert "secret" not in page.json()
    assert secret not in client.get("/api/v1/webhooks").content.decode()


def test_a_repeated_request_makes_one_webhook_and_stores_no_secret(client):
    key = {"HTTP_IDEMPOTENCY_KEY": "k1"}
    first = client.post("/api/v1/webhooks", GOOD, **key).json()
    again = client.post("/api/v1/webhooks", GOOD, **key)

    assert Webhook.objects.count() == 1
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {name: value for name, value in first.items() if name != "secret"}
    assert first["secret"] not in SavedAnswer.objects.get().body


def test_a_new_secret_is_told_once(client):
    webhook = make_webhook()
    answer = client.post(
        f"/api/v1/webhooks/{webhook.pk}/rotate-secret", {}, HTTP_IDEMPOTENCY_KEY="k1"
    )

    webhook.refresh_from_db()
    assert unseal(webhook.secret) == answer.json()["secret"]
    assert answer.json()["old_secret_until"]
    assert answer.json()["secret"] not in SavedAnswer.objects.get().body
    again = client.post(f"/api/v1/webhooks/{webhook.pk}/rotate-secret", {})
    assert again.status_code == 400
    at_once = client.post(f"/api/v1/webhooks/{webhook.pk}/rotate-secret", {"at_once": True})
    assert at_once.json()["old_secret_until"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://127.0.0.1:22/"},
        {"url": "ftp://example.com/"},
        {"events": []},
        {"events": ["nonsense"]},
        {"secret": "whsec_mine"},
        {"state": "paused"},
    ],
)
def test_what_is_wrong_is_refused(client, wrong):
    answer = client.post("/api/v1/webhooks", GOOD | wrong)

    assert answer.status_code == 400
    assert not Webhook.objects.exists()


def test_a_part_of_a_webhook_is_changed(client):
    webhook = make_webhook()

    answer = client.patch(f"/api/v1/webhooks/{webhook.pk}", {"events": ["task.done"]})

    assert (answer.json()["url"], answer.json()["events"]) == (webhook.url, ["task.done"])


def test_pause_resume_remove(client):
    address = f"/api/v1/webhooks/{make_webhook().pk}"

    assert client.post(f"{address}/pause").json()["state"] == WebhookState.PAUSED
    late = client.post(f"{address}/pause")
    assert (late.status_code, late.json()["fresh"]["state"]) == (409, WebhookState.PAUSED)
    assert client.post(f"{address}/resume").json()["state"] == WebhookState.ACTIVE
    assert client.post(f"{address}/remove").json()["state"] == WebhookState.REMOVED
    assert client.get(address).status_code == 404
    assert client.post(f"{address}/resume").status_code == 404


def test_deliveries_show_what_was_sent_and_what_came_of_it(client):
    webhook = make_webhook()
    failed = make_webhook_event(
        webhook, state=EventState.FAILED, attempts=8, status=500, error="HTTP 500"
    )
    make_webhook_event(webhook, type="task.done")
    make_webhook_event(make_webhook("https://example.com/other"))

    def rows(query=""):
        return client.get(f"/api/v1/webhooks/{webhook.pk}/deliveries{query}").json()["results"]

    assert len(rows()) == 2
    [row] = rows("?state=failed")
    assert (row["id"], row["status"], row["error"]) == (failed.pk, 500, "HTTP 500")
    assert row["body"] == failed.body
    assert [row["type"] for row in rows("?type=task.done")] == ["task.done"]


def test_events_are_sent_again(client):
    webhook = make_webhook()
    old, new = (make_webhook_event(webhook, state=EventState.FAILED) for _ in range(2))
    there = make_webhook_event(webhook, state=EventState.DELIVERED)
    foreign = make_webhook_event(make_webhook("https://x.example/"), state=EventState.FAILED)
    address = f"/api/v1/webhooks/{webhook.pk}/replay"

    assert client.post(address, {"events": [old.pk, there.pk]}).json() == {"replayed": 2}
    since = {"failed_since": NOON.isoformat()}
    assert client.post(address, since).json() == {"replayed": 1}
    assert client.post(address, since).status_code == 400
    wrongs: list[dict[str, Any]] = [
        {},
        {"events": [foreign.pk]},
        {"events": []},
        {"events": [new.pk], **since},
    ]
    for wrong in wrongs:
        assert client.post(address, wrong).status_code == 400
    foreign.refresh_from_db()
    assert foreign.state == EventState.FAILED


def test_the_catalogue_names_every_event(client):
    events = client.get("/api/v1/webhooks/events").json()["events"]

    assert {event["name"] for event in events} == set(EVENTS)
    assert all(event["description"] and event["example"]["data"] for event in events)


def test_an_administrator_of_part_of_the_company_sees_none(api):
    make_webhook()
    part = make_staff("Jin", role=Role.ADMINISTRATOR, scope=Scope.STORE, store=make_store())

    assert api(part).get("/api/v1/webhooks").status_code == 403


def test_a_key_needs_the_scope(api, hua):
    assert api(hua, "webhooks:read").get("/api/v1/webhooks").status_code == 200
    assert api(hua, "webhooks:read").post("/api/v1/webhooks", GOOD).status_code == 403
    assert api(hua, "history:read").get("/api/v1/webhooks").status_code == 403


@pytest.mark.parametrize("name", ["webhooks", "deliveries"])
def test_lists_take_the_same_queries_for_any_length(client, django_assert_num_queries, name):
    webhook = make_webhook()
    address = {
        "webhooks": "/api/v1/webhooks",
        "deliveries": f"/api/v1/webhooks/{webhook.pk}/deliveries",
    }[name]
    for number in range(3):
        make_webhook(f"https://example.com/{number}", created_by=make_staff())
        make_webhook_event(webhook)
        client.get(address)
        with django_assert_num_queries({"webhooks": 4, "deliveries": 5}[name]):
            client.get(address)
