"""Segments through the API: how far those reach who change them."""

import pytest
from django.db import connection

from contacts.enums import Role, Scope
from crm.api.views import segments
from tests.builders import (
    first_store,
    make_campaign,
    make_customers,
    make_segment,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db


def test_the_segment_of_a_campaign_ahead_is_not_widened_beyond_the_scope(api):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    rule = {"all": [{"field": "store", "op": "in", "value": [first_store().pk]}]}
    used, free = make_segment(rule), make_segment(rule)
    make_campaign(segment=used, created_by=yu)

    refused = api(yu).patch(f"/api/v1/segments/{used.pk}", {"rule": {"all": []}})
    allowed = api(yu).patch(f"/api/v1/segments/{free.pk}", {"rule": {"all": []}})

    assert (refused.status_code, allowed.status_code) == (400, 200)
    used.refresh_from_db()
    assert used.rule == rule


def test_a_preview_names_some_of_those_that_one_sees(api):
    store, other = first_store(), make_store("Xidan")
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=store)
    (chen,) = make_customers(1, owner=make_staff("Lin", store=store), followed=True)
    make_customers(1, owner=make_staff("Mei", store=other), followed=True)

    body = api(yu).post("/api/v1/segments/preview", {"rule": {"all": []}}).json()

    assert body["sample"] == [{"id": chen.pk, "name": chen.name}]
    assert (body["customers"], body["reachable"], body["missing"]) == (1, 1, [])


def sleep():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(2)")


FIGURES = ("reachable", "batches", "senders", "skipped", "over_quota", "later")


@pytest.mark.parametrize("header", [{}, {"HTTP_IDEMPOTENCY_KEY": "once"}])
def test_a_preview_whose_audience_takes_too_long_says_what_it_has(api, upon, monkeypatch, header):
    monkeypatch.setattr(segments, "AUDIENCE_PATIENCE_MS", 50)
    tao = make_staff("Tao", role=Role.MARKETER)
    make_customers(3, owner=tao, followed=True)

    with upon("over_quota", sleep):
        answer = api(tao).post("/api/v1/segments/preview", {"rule": {"all": []}}, **header)

    body = answer.json()
    assert answer.status_code == 200
    assert (body["customers"], body["is_exact"], len(body["sample"])) == (3, True, 3)
    assert body["missing"] == ["audience"]
    assert {body[name] for name in FIGURES} == {None}


def test_the_audience_has_more_time_than_the_count(api, upon):
    tao = make_staff("Tao", role=Role.MARKETER)

    with upon("over_quota", sleep):
        body = api(tao).post("/api/v1/segments/preview", {"rule": {"all": []}}).json()

    assert (body["reachable"], body["missing"]) == (0, [])
