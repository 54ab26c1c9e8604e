"""The plan of a handover through the API: steps, moves, saved plans, preview and start."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import HandoverKind, HandoverState, Role
from contacts.models import Customer, Handover, Staff
from crm.actions.plans import plan_token
from tests.builders import (
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_segment,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(api, hua):
    return api(hua)


@pytest.fixture
def plan():
    """Wei has left; six customers wait in the pool, one of them of great value."""
    customers = [*make_customers(5), make_customer("Rich", spent=900)]
    return make_handover(make_departed("Wei"), customers=customers)


def post(client, handover, verb, **body):
    return client.post(f"/api/v1/handovers/{handover.pk}/{verb}", body)


def preview(client, handover):
    return client.get(f"/api/v1/handovers/{handover.pk}/preview").json()


def given(answer):
    return {
        share["staff"]["name"] if share["staff"] else "": share["customers"]
        for share in answer.json()["shares"]
    }


def test_steps_are_planned_and_previewed(client, plan):
    mei, sun = make_staff("Mei", capacity=2), make_staff("Sun")
    steps = [
        {"who": {"field": "value", "op": "top", "value": 1}, "receivers": [sun.pk]},
        {"receivers": [mei.pk], "limit": 4},
    ]

    answer = post(client, plan, "plan", steps=steps, customer_message="{guide} is there for you.")

    assert given(answer) == {"Mei": 4, "Sun": 1, "": 1}
    body = answer.json()
    mei_share, sun_share, _pool = body["shares"]
    assert (sun_share["value"], sun_share["sample"]) == ("900.00", ["Rich"])
    assert (mei_share["owned"], mei_share["owned_after"], mei_share["at_once"]) == (0, 4, 4)
    assert [conflict["kind"] for conflict in mei_share["conflicts"]] == ["over_capacity"]
    assert body["conflicts"] == 1
    assert body["words"]["text"] in {"Mei is there for you.", "Sun is there for you."}
    assert [step["limit"] for step in body["steps"]] == [None, 4]


def test_a_segment_gives_its_customers(client, plan):
    mei, vip = make_staff("Mei"), make_tag("VIP")
    rich = plan.items.get(customer__name="Rich").customer
    rich.carried_tags.create(tag=vip, added_at=timezone.now())
    segment = make_segment({"all": [{"field": "tag", "op": "any", "value": [vip.pk]}]})
    who = {"field": "segment", "op": "is", "value": segment.pk}

    answer = post(client, plan, "plan", steps=[{"who": who, "receivers": [mei.pk]}])
    gone = post(
        client, plan, "plan", steps=[{"who": who | {"value": 999_999}, "receivers": [mei.pk]}]
    )

    assert given(answer) == {"Mei": 1, "": 5}
    assert (gone.status_code, gone.json()["type"]) == (400, "urn:liuke:problem:rule-broken")
    assert plan.items.filter(to_staff=mei).count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"steps": [], "saved": 1},
        {"saved": 999_999},
        {"steps": "x"},
        {"steps": [{"receivers": []}]},
        {"steps": [{"receivers": [1], "colour": "red"}]},
        {"steps": [{"receivers": [999_999]}]},
    ],
)
def test_what_is_no_plan_is_an_error(client, plan, body):
    answer = post(client, plan, "plan", **body)

    assert answer.status_code == 400, answer.content
    assert not plan.items.exclude(to_staff=None).exists()


def test_a_receiver_out_of_sight_is_unknown(client, plan):
    outsider = make_staff("Zed", store=make_store("Elsewhere"))

    steps = post(client, plan, "plan", steps=[{"receivers": [outsider.pk]}])
    moved = post(client, plan, "move", items=[plan.items.first().pk], to=outsider.pk)

    assert list(steps.json()["errors"]) == ["steps"]
    assert list(moved.json()["errors"]) == ["to"]
    assert not plan.items.exclude(to_staff=None).exists()


def test_customers_are_moved_one_by_one_and_all_that_match(client, plan):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    post(client, plan, "plan", steps=[{"receivers": [mei.pk]}])
    first, second = plan.items.order_by("pk")[:2]

    one = post(client, plan, "move", items=[first.pk], to=sun.pk)
    others = post(client, plan, "move", match={"to": mei.pk}, but=[second.pk], to=None)

    assert given(one) == {"Mei": 5, "Sun": 1}
    assert given(others) == {"Mei": 1, "Sun": 1, "": 4}
    assert preview(client, plan)["shares"][2]["moved"] == 4


def test_customers_of_a_leave_are_left_out_and_those_of_a_leaver_are_not(client, plan):
    lin = make_staff("Lin")
    leave = make_handover(lin, customers=make_customers(4, owner=lin), kind="leave")
    first = leave.items.order_by("pk")[0]

    refused = post(client, plan, "leave-out", match={})
    answer = post(client, leave, "leave-out", match={"to": "pool"}, but=[first.pk])

    assert (refused.status_code, answer.status_code) == (400, 200)
    assert given(answer) == {"": 1}
    assert leave.items.get() == first


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"items": [999_999]},
        {"items": [1], "match": {}},
        {"match": "all"},
        {"match": {"to": "Mei"}},
        {"match": {"case": "nice"}},
        {"match": {"colour": "red"}},
        {"match": {"tag": "x"}},
    ],
)
def test_a_selection_that_is_not_understood_moves_nobody(client, plan, which):
    answer = post(client, plan, "move", to=make_staff("Mei").pk, **which)

    assert answer.status_code == 400, answer.content
    assert not plan.items.filter(by_hand=True).exists()


def test_plans_are_kept_listed_and_taken_up_again(client, plan):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    post(client, plan, "plan", steps=[{"receivers": [mei.pk]}])
    kept = post(client, plan, "plans", name="To Mei").json()
    post(client, plan, "plan", steps=[{"receivers": [sun.pk]}])

    listed = client.get(f"/api/v1/handovers/{plan.pk}/plans").json()["results"]
    again = post(client, plan, "plans", name="To Mei")
    taken = post(client, plan, "plan", saved=kept["id"])

    assert [(row["name"], row["figures"][0]["customers"]) for row in listed] == [("To Mei", 6)]
    assert (again.status_code, given(taken)) == (400, {"Mei": 6})


def test_a_plan_of_another_handover_is_unknown(client, plan):
    other = make_handover(make_departed("Old"))
    kept = post(client, other, "plans", name="A").json()

    assert list(post(client, plan, "plan", saved=kept["id"]).json()["errors"]) == ["saved"]


def test_the_start_takes_the_token_of_a_preview(client, plan):
    mei = make_staff("Mei")
    post(client, plan, "propose", receivers=[mei.pk])

    without = post(client, plan, "start")
    forged = post(client, plan, "start", token="x.y.z")
    body = {"token": preview(client, plan)["token"], "greeting": "Hello", "max_offers": 2}
    started = post(client, plan, "start", **body)

    assert (without.status_code, forged.status_code) == (400, 400)
    assert f"GET /api/v1/handovers/{plan.pk}/preview" in without.json()["detail"]
    assert (started.status_code, started.json()["greeting"]) == (200, "Hello")
    assert started.json()["max_offers"] == 2
    assert Customer.objects.filter(owner=mei).count() == 6


def test_a_token_of_another_handover_starts_nothing(client, plan):
    other = make_handover(make_departed("Old"), to_staff=make_staff("Mei"))

    answer = post(client, plan, "start", token=plan_token(other))

    assert answer.status_code == 400
    assert "another handover" in answer.json()["detail"]


def test_a_stale_token_brings_the_fresh_preview_which_starts(client, plan):
    mei = make_staff("Mei")
    post(client, plan, "propose", receivers=[mei.pk])
    token = preview(client, plan)["token"]
    Staff.objects.filter(pk=mei.pk).update(capacity=3)

    stale = post(client, plan, "start", token=token)

    assert (stale.status_code, stale.json()["type"]) == (409, "urn:liuke:problem:moved-on")
    assert "Things have changed" in stale.json()["detail"]
    fresh = stale.json()["fresh"]
    assert fresh["shares"][0]["conflicts"][0]["kind"] == "over_capacity"
    assert Handover.objects.get(pk=plan.pk).state == HandoverState.PLANNED
    assert post(client, plan, "start", token=fresh["token"]).status_code == 200


def test_a_token_is_used_once_and_lasts_an_hour(client, plan, monkeypatch):
    post(client, plan, "propose", receivers=[make_staff("Mei").pk])
    token = preview(client, plan)["token"]
    monkeypatch.setattr("crm.actions.plans.TOKEN_SECONDS", -1)
    late = post(client, plan, "start", token=token)
    monkeypatch.undo()

    started = post(client, plan, "start", token=token)
    again = post(client, plan, "start", token=token)

    assert (late.status_code, started.status_code, again.status_code) == (409, 200, 409)
    assert "over an hour old" in late.json()["detail"]
    assert again.json()["fresh"]["state"] in {"running", "done"}


def planned(client, lin, **select):
    body = {"from_staff": lin.pk, "kind": "rebalance"}
    return client.post("/api/v1/handovers", body | {"select": select})


def test_a_handover_may_take_only_some(client):
    lin = make_staff("Lin")
    make_customers(5, owner=lin)
    make_customer("Rich", owner=lin, spent=900)

    some = planned(client, lin, who={"field": "value", "op": "at_least", "value": 100})
    post(client, Handover.objects.get(), "cancel")
    down = planned(client, lin, down_to=4)

    assert (some.status_code, some.json()["size"]) == (201, 1)
    assert (down.json()["size"], down.json()["kind"]) == (2, HandoverKind.REBALANCE)


@pytest.mark.parametrize(
    "select",
    [{"down_to": 5}, {"at_most": 0}, {"who": {"field": "name"}}, {"order": "x"}, {"x": 1}],
)
def test_a_selection_that_is_not_understood_plans_nothing(client, select):
    lin = make_staff("Lin")
    make_customers(5, owner=lin)

    assert planned(client, lin, **select).status_code == 400
    assert not Handover.objects.exists()


def test_the_preview_asks_the_same_number_of_queries_for_1_and_3_receivers(client, plan):
    post(client, plan, "propose", receivers=[make_staff("Mei").pk])
    few = queries(client, plan)
    post(client, plan, "propose", receivers=[make_staff(name).pk for name in ("A", "B", "C")])

    assert queries(client, plan) == few <= 14


def queries(client, plan):
    with CaptureQueriesContext(connection) as found:
        assert len(preview(client, plan)["shares"]) in {1, 3}
    return len(found)


def test_the_api_reads_and_plans_the_level(api):
    lin, _mei = make_staff("Lin", capacity=100), make_staff("Mei", capacity=100)
    make_customers(20, owner=lin)
    client = api(make_staff("Hua", role=Role.MANAGER))
    address = f"/api/v1/stores/{lin.store_id}/level"

    read = client.get(address).json()
    planned = client.post(address)

    assert [(row["staff"]["name"], row["gives"], row["gets"]) for row in read["loads"]] == [
        ("Lin", 10, 0),
        ("Mei", 0, 10),
    ]
    assert planned.status_code == 201
    assert [plan["size"] for plan in planned.json()["handovers"]] == [10]
