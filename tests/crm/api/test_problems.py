"""Errors have one shape, say what to do, and give nothing away."""

import pytest
from django.db import OperationalError

from campaigns.models import Content
from contacts.enums import HandoverState, Role
from crm.api.throttles import KeyThrottle
from tests.builders import make_campaign, make_handover, make_segment, make_staff

pytestmark = pytest.mark.django_db

MEMBERS = {"type", "title", "status", "detail"}


@pytest.fixture
def hua():
    return make_staff("Hua", role=Role.ADMINISTRATOR)


def check(answer, status, kind):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) >= MEMBERS
    assert body["status"] == status
    assert body["type"] == f"urn:liuke:problem:{kind}"
    return body


def test_wrong_fields_are_named(api, hua):
    body = check(api(hua).post("/api/v1/campaigns", {"nmae": "Spring"}), 400, "invalid")

    assert set(body["errors"]) == {"nmae"}


def test_a_broken_rule_says_what_to_do(api, hua):
    handover = make_handover()

    client, address = api(hua), f"/api/v1/handovers/{handover.pk}"
    token = client.get(f"{address}/preview").json()["token"]

    body = check(client.post(f"{address}/start", {"token": token}), 400, "rule-broken")

    assert body["detail"] == "Propose who takes these customers before starting the handover."


def test_coming_too_late_shows_the_row_as_it_is_now(api, hua):
    handover = make_handover(state=HandoverState.CANCELLED)

    body = check(api(hua).post(f"/api/v1/handovers/{handover.pk}/cancel"), 409, "moved-on")

    assert body["fresh"]["id"] == handover.pk
    assert body["fresh"]["state"] == "cancelled"


def test_an_unknown_row_and_an_unknown_address_are_not_found(api, hua):
    check(api(hua).get("/api/v1/customers/1"), 404, "not-found")
    check(api(hua).get("/api/v1/nothing"), 404, "not-found")
    check(api(hua).get("/api/v1/customers/"), 404, "not-found")
    check(api(hua).post("/api/v1/nothing/12/else"), 404, "not-found")


def test_a_method_that_is_not_there(api, hua):
    check(api(hua).delete("/api/v1/customers"), 405, "method-not-allowed")
    check(api(hua).options("/api/v1/customers"), 405, "method-not-allowed")


def test_another_media_type(api, hua):
    answer = api(hua).post("/api/v1/contents", "name=x", content_type="text/plain")

    check(answer, 415, "unsupported-media-type")


def test_a_body_that_is_too_large(api, hua):
    answer = api(hua).post("/api/v1/contents", {"name": "x", "text": "y" * 3_000_000})

    check(answer, 413, "too-large")


def test_too_many_requests(api, hua, monkeypatch):
    monkeypatch.setitem(KeyThrottle.THROTTLE_RATES, "user", "2/min")
    client = api(hua)
    answers = [client.get("/api/v1/tags") for _ in range(4)]  # at most one window ends in between

    last = max(answers, key=lambda answer: answer.status_code)
    check(last, 429, "too-many-requests")
    assert 1 <= int(last["Retry-After"]) <= 61


def test_one_key_does_not_use_up_what_another_may(api, hua, monkeypatch):
    monkeypatch.setitem(KeyThrottle.THROTTLE_RATES, "user", "1/min")

    assert api(hua).get("/api/v1/tags").status_code == 200
    assert api(hua).get("/api/v1/tags").status_code == 200


def test_nobody_is_held_up_while_the_cache_is_away(api, hua, settings):
    cache = settings.CACHES["default"]
    settings.CACHES = {"default": cache | {"LOCATION": "redis://127.0.0.1:1/0"}}

    assert api(hua).get("/api/v1/tags").status_code == 200


def test_what_is_unexpected_is_logged_and_not_shown(api, hua, upon, caplog):
    asked = {"name": "x", "text": "Hello", "segment": make_segment().pk}

    with upon('INSERT INTO "campaigns_campaign"', lambda: 1 / 0):
        body = check(api(hua).post("/api/v1/campaigns", asked), 500, "internal")

    assert "division" not in str(body)
    assert not Content.objects.exists()
    assert "ZeroDivisionError" in caplog.text


def test_a_busy_database_asks_to_try_again(api, hua, upon):
    def busy():
        raise OperationalError("canceling statement due to lock timeout")

    with upon('FROM "contacts_customer"', busy):
        answer = api(hua).get("/api/v1/customers")

    check(answer, 503, "busy")
    assert answer["Retry-After"] == "5"


def test_a_person_without_work_here_is_not_allowed(client, django_user_model):
    client.force_login(
        django_user_model.objects.create_user("x"),
        backend="django.contrib.auth.backends.ModelBackend",
    )

    check(client.get("/api/v1/customers"), 403, "not-allowed")


def test_a_late_campaign_verb_shows_the_campaign(api, hua):
    campaign = make_campaign(created_by=hua)

    body = check(api(hua).post(f"/api/v1/campaigns/{campaign.pk}/pause"), 409, "moved-on")

    assert body["fresh"]["state"] == "draft"
