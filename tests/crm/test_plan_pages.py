"""The plan editor: steps, customers moved by hand, saved plans, and a start that was promised."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.enums import HandoverKind, HandoverState, ItemState, Role
from contacts.models import Customer, Handover, HandoverRequest, HistoryEntry, Staff
from crm.access import viewer_for
from crm.plan_queries import plan_preview
from tests.builders import (
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def plan(hua: Staff) -> Handover:
    """Wei has left; ten customers wait in the pool, one of them of great value."""
    customers = [*make_customers(9), make_customer("Rich", spent=1234)]
    return make_handover(make_departed("Wei"), customers=customers)


def step(client: Client, handover: Handover, *receivers: Staff, **more: Any) -> Any:
    data = {"receivers": [staff.pk for staff in receivers], "strategy": "evenly"} | more
    return client.post(f"/handovers/{handover.pk}/propose/", data)


def page(client: Client, handover: Handover, query: str = "") -> Any:
    return client.get(f"/handovers/{handover.pk}/{query}")


def shares(client: Client, handover: Handover) -> dict[str, int]:
    found = page(client, handover).context["shares"]
    return {share.staff.name if share.staff else "": share.customers for share in found}


VERBS = ("propose", "try", "steps/0", "move", "unmove", "plans", "start")


def test_guides_get_403_and_other_stores_404(client: Client, plan: Handover):
    sign_in(client, make_staff("Lin"))
    for part in ("customers/", "plans/compare/", "words/"):
        assert client.get(f"/handovers/{plan.pk}/{part}").status_code == 403

    sign_in(client, make_staff("Yu", role=Role.MANAGER, store=make_store("Elsewhere")))
    for part in ("customers/", "plans/compare/", "words/"):
        assert client.get(f"/handovers/{plan.pk}/{part}").status_code == 404
    for verb in VERBS:
        assert client.post(f"/handovers/{plan.pk}/{verb}/").status_code == 404
    assert not HistoryEntry.objects.exists()


def test_buttons_do_nothing_when_followed_as_a_link_or_without_the_token(
    manager: Client, plan: Handover, hua: Staff
):
    strict = sign_in(Client(enforce_csrf_checks=True), hua)

    for verb in VERBS:
        assert manager.get(f"/handovers/{plan.pk}/{verb}/").status_code == 405
        assert strict.post(f"/handovers/{plan.pk}/{verb}/").status_code == 403
    assert not HistoryEntry.objects.exists()


def test_every_form_of_the_editor_carries_the_token(manager: Client, plan: Handover):
    step(manager, plan, make_staff("Mei"), limit=3)
    step(manager, plan, make_staff("Sun"), step="new")
    manager.post(f"/handovers/{plan.pk}/plans/", {"name": "By turns"})

    for place in ("?step=1", "customers/", "plans/compare/"):
        html = page(manager, plan, place).content.decode()
        forms = re.findall(r'<form method="post".*?</form>', html, re.DOTALL)
        assert forms
        assert [form for form in forms if "csrfmiddlewaretoken" not in form] == []


# --- steps --------------------------------------------------------------------------------------


def test_steps_are_added_changed_moved_and_removed(manager: Client, plan: Handover):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    step(manager, plan, mei)
    step(manager, plan, sun, step="new")
    assert shares(manager, plan) == {"Mei": 10}

    step(manager, plan, mei, step="0", who="value top", figure="1")
    assert shares(manager, plan) == {"Mei": 1, "Sun": 9}

    manager.post(f"/handovers/{plan.pk}/steps/1/", {"do": "up"})
    assert shares(manager, plan) == {"Sun": 10}

    manager.post(f"/handovers/{plan.pk}/steps/0/", {"do": "remove"})
    assert shares(manager, plan) == {"Mei": 1, "": 9}
    assert "The 1 of highest value" in page(manager, plan, "?step=new").content.decode()


def test_what_cannot_be_moved_changes_nothing(manager: Client, plan: Handover):
    step(manager, plan, make_staff("Mei"), limit=3)
    before = Handover.objects.get(pk=plan.pk).steps

    for number, do in ((0, "up"), (0, "down"), (7, "remove"), (0, "dance")):
        manager.post(f"/handovers/{plan.pk}/steps/{number}/", {"do": do})

    assert Handover.objects.get(pk=plan.pk).steps == before


CONDITIONS = [
    ({"who": "tag any", "tags": "tag"}, {"field": "tag", "op": "any", "value": ["tag"]}, "Tagged VIP"),
    ({"who": "tag all", "tags": "tag"}, {"field": "tag", "op": "all", "value": ["tag"]}, "all of VIP"),
    ({"who": "segment is", "segment": "segment"}, {"field": "segment", "op": "is", "value": "segment"}, "segment Regulars"),
    ({"who": "store in", "stores": "store"}, {"field": "store", "op": "in", "value": ["store"]}, "Customers of Nanjing Road"),
    ({"who": "last_interaction within_days", "figure": 30}, {"field": "last_interaction", "op": "within_days", "value": 30}, "Met within 30 days"),
    ({"who": "last_interaction before_days", "figure": 30}, {"field": "last_interaction", "op": "before_days", "value": 30}, "Not met for 30 days"),
    ({"who": "value at_least", "figure": 0}, {"field": "value", "op": "at_least", "value": 0}, "Value of 0 or more"),
    ({"who": "value top_percent", "figure": 10}, {"field": "value", "op": "top_percent", "value": 10}, "The 10 % of highest value"),
    ({"who": "connected no"}, {"field": "connected", "op": "is", "value": False}, "Not connected in WeCom"),
    ({"who": "connected yes"}, {"field": "connected", "op": "is", "value": True}, "Connected in WeCom"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "kept", "words"), CONDITIONS)
def test_a_condition_is_kept_said_in_words_and_shown_again(
    manager: Client, plan: Handover, typed: Any, kept: Any, words: str
):
    ids = {
        "tag": make_tag("VIP").pk,
        "segment": make_segment(name="Regulars").pk,
        "store": plan.store_id,
    }
    typed = {name: ids.get(value, value) for name, value in typed.items()}
    value = kept["value"]
    value = [ids[one] for one in value] if isinstance(value, list) else ids.get(value, value)

    response = step(manager, plan, make_staff("Mei"), **typed)

    assert response.status_code == 302, response.content.decode()
    assert Handover.objects.get(pk=plan.pk).steps[0]["who"] == kept | {"value": value}
    assert page(manager, plan).context["plan"]["who"].value() == typed["who"]
    assert words in page(manager, plan, "?step=new").content.decode()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"who": "tag any"}, "Choose at least one."),
        ({"who": "segment is"}, "Choose at least one."),
        ({"who": "value top"}, "lies between 1 and"),
        ({"who": "value top_percent", "figure": 101}, "between 1 and 100"),
        ({"strategy": "one"}, "exactly one colleague"),
        ({"limit": 0}, "greater than or equal to 1"),
        ({"who": "customer in"}, "Select a valid choice"),
    ],
)
def test_an_unsound_step_is_refused_and_keeps_what_was_typed(
    manager: Client, plan: Handover, typed: Any, words: str
):
    mei, sun = make_staff("Mei"), make_staff("Sun")

    response = step(manager, plan, mei, sun, order="value", **typed)

    assert (response.status_code, words in response.content.decode()) == (400, True)
    assert response.context["ticked"] == {mei.pk, sun.pk}
    assert response.context["plan"]["order"].value() == "value"
    assert not plan.items.exclude(to_staff=None).exists()


def test_a_step_made_by_a_program_is_changed_without_losing_its_customers(
    manager: Client, plan: Handover
):
    mei = make_staff("Mei")
    rich = plan.items.get(customer__name="Rich").customer_id
    who = {"field": "customer", "op": "in", "value": [rich]}
    Handover.objects.filter(pk=plan.pk).update(
        steps=[{"who": who, "receivers": [mei.pk], "strategy": "evenly", "order": "recent", "limit": None}]
    )  # fmt: skip

    step(manager, plan, make_staff("Sun"), step="0", who="customer in")

    assert shares(manager, plan) == {"Sun": 1, "": 9}


def test_a_first_look_at_a_step_keeps_nothing(manager: Client, plan: Handover):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    step(manager, plan, mei)
    data = {"step": "0", "receivers": [sun.pk], "strategy": "evenly"}

    look = manager.post(f"/handovers/{plan.pk}/try/", data)
    unready = manager.post(f"/handovers/{plan.pk}/try/", data | {"receivers": []})

    assert ("Sun" in look.content.decode(), unready.status_code) == (True, 204)
    assert shares(manager, plan) == {"Mei": 10}
    assert HistoryEntry.objects.count() == 1


@pytest.mark.parametrize("number", [1, 30])
def test_the_editor_takes_the_same_queries_for_1_and_30_receivers(
    manager: Client, plan: Handover, number: int
):
    people = [make_staff(f"Mei {index}") for index in range(30)]
    step(manager, plan, *people[:number])

    assert queries_for(manager, f"/handovers/{plan.pk}/") <= 26


def test_a_long_plan_folds_all_but_what_needs_a_look(manager: Client):
    handover = make_handover(customers=make_customers(40))
    people = [make_staff(f"Mei {index:02}") for index in range(19)]
    full = make_staff("Zhou", capacity=0)
    step(manager, handover, *people, full)

    context = page(manager, handover).context

    shown = [share.staff for share in context["shares_first"]]
    assert shown == [*people[:7], full]
    assert len(context["shares_more"]) == 12


# --- what speaks against it ---------------------------------------------------------------------


def test_conflicts_say_what_to_do(hua: Staff, settings: Any):
    settings.WECOM_CORP_ID = "corp"
    lin, mei, outside = (
        make_staff("Lin"),
        make_staff("Mei"),
        make_staff("Zed", store=make_store("Far")),
    )
    chen, zhao = make_customer("Chen", owner=lin), make_customer("Zhao", owner=lin)
    for customer in (chen, zhao):
        make_follow(lin, customer)
    make_follow(mei, chen)
    for _time in range(2):
        done = make_handover(
            customers=[zhao], item_state=ItemState.ACCEPTED, state=HandoverState.DONE
        )
        request = HandoverRequest.objects.create(
            handover=done, to_staff=mei, as_leaver=False, created_at=timezone.now()
        )
        done.items.update(request=request, slot=0, closed_at=timezone.now() - timedelta(days=3))
    handover = make_handover(lin, customers=[chen, zhao], to_staff=mei, kind=HandoverKind.LEAVE)
    other = make_handover(to_staff=outside)

    (share,) = plan_preview(handover, viewer_for(hua), now=timezone.now()).shares
    (far,) = plan_preview(other, viewer_for(hua), now=timezone.now()).shares

    assert (share.by_channel, share.known, share.twice) == (2, 1, 1)
    assert [conflict.kind for conflict in share.conflicts] == ["too_often"]
    assert "WeCom would refuse" in share.conflicts[0].words
    assert [conflict.kind for conflict in far.conflicts] == ["out_of_scope"]


def test_the_words_are_shown_as_a_customer_reads_them(manager: Client, plan: Handover, hua: Staff):
    lin = make_staff("Lin")
    leave = make_handover(lin, customers=make_customers(1, owner=lin), kind=HandoverKind.LEAVE)
    for handover in (plan, leave):
        step(manager, handover, make_staff("Mei"))
    text = "{customer}, {guide} of {store} follows {former_guide}. {nobody} {0.__class__}"

    def read(handover: Handover) -> str:
        address = f"/handovers/{handover.pk}/words/"
        return manager.get(address, {"customer_message": text}).content.decode()

    words = ">, Mei of Nanjing Road follows {}. {{nobody}} {{0.__class__}}"
    assert words.format("Wei") in read(plan)
    assert words.format("Lin") in read(leave)


def test_hostile_words_are_shown_as_text(manager: Client, plan: Handover):
    step(manager, plan, make_staff("Mei"))

    shown = manager.get(
        f"/handovers/{plan.pk}/words/", {"customer_message": "<script>alert(1)</script>"}
    )

    assert "<script>alert" not in shown.content.decode()


# --- by hand ------------------------------------------------------------------------------------


def move(client: Client, handover: Handover, to_staff: Staff | None, **more: Any) -> Any:
    data = {"receiver": to_staff.pk if to_staff else "pool"} | more
    return client.post(f"/handovers/{handover.pk}/move/", data)


def test_ticked_customers_move_and_stay_there(manager: Client, plan: Handover):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    step(manager, plan, mei)
    ticked = [item.pk for item in plan.items.order_by("pk")[:2]]

    response = move(manager, plan, sun, which="these", items=ticked, to=str(mei.pk))
    step(manager, plan, mei)

    assert response["Location"] == f"/handovers/{plan.pk}/customers/?to={mei.pk}"
    assert shares(manager, plan) == {"Mei": 8, "Sun": 2}
    manager.post(f"/handovers/{plan.pk}/unmove/")
    assert shares(manager, plan) == {"Mei": 10}


def test_all_that_match_move_without_those_ticked(manager: Client, plan: Handover):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    step(manager, plan, mei, sun)
    left_out = plan.items.filter(to_staff=mei)[0]

    move(manager, plan, sun, which="all_but", items=[left_out.pk], to=str(mei.pk))
    assert shares(manager, plan) == {"Mei": 1, "Sun": 9}

    move(manager, plan, None, which="all", q="rich")
    assert plan.items.get(customer__name="Rich").to_staff is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"which": "these"}, "Tick customers"),
        ({"which": "all", "receiver": ""}, "Choose at least one colleague."),
        ({"which": "all", "receiver": "999999"}, "cannot take customers any more"),
        ({"which": "all", "case": "nice"}, "cannot be matched like this"),
        ({"which": "these", "items": [999_999]}, "moved on in the meantime"),
    ],
)
def test_a_move_that_cannot_be_made_says_why_and_moves_nobody(
    manager: Client, plan: Handover, data: Any, words: str
):
    response = move(manager, plan, make_staff("Mei"), **data)

    assert (response.status_code, words in response.content.decode()) == (400, True)
    assert not plan.items.filter(by_hand=True).exists()


def test_the_customers_are_filtered_and_paged_without_losing_anybody(manager: Client):
    mei = make_staff("Mei")
    handover = make_handover(customers=make_customers(120), to_staff=mei)
    seen, address = [], f"/handovers/{handover.pk}/customers/?to={mei.pk}"
    while address:
        context = manager.get(address).context
        seen += [item.pk for item in context["page"].rows]
        last = context["page"].last
        address = f"/handovers/{handover.pk}/customers/?after={last.pk}" if last else ""

    assert len(seen) == len(set(seen)) == 120
    nobody = manager.get(f"/handovers/{handover.pk}/customers/?to=pool")
    assert "No customer of the plan matches" in nobody.content.decode()


@pytest.mark.parametrize("case", ["asked", "at_once", "known", "moved", "too_often"])
def test_the_customers_take_the_same_queries_for_1_and_3_rows(
    manager: Client, case: str, settings: Any
):
    settings.WECOM_CORP_ID = "corp"
    short, long = (make_handover(customers=make_customers(size)) for size in (1, 3))
    step(manager, short, make_staff("Mei"))
    step(manager, long, make_staff("Sun"))

    few = queries_for(manager, f"/handovers/{short.pk}/customers/?case={case}")

    assert queries_for(manager, f"/handovers/{long.pk}/customers/?case={case}") == few <= 16


def test_customers_of_a_colleague_at_work_are_left_out_by_filter(manager: Client):
    lin = make_staff("Lin")
    leave = make_handover(lin, customers=make_customers(5, owner=lin), kind=HandoverKind.LEAVE)
    step(manager, leave, make_staff("Mei"), limit=2)

    shown = page(manager, leave, "customers/?to=pool").content.decode()
    plan_page = page(manager, leave).content.decode()
    left = manager.post(
        f"/handovers/{leave.pk}/move/",
        {"receiver": "out", "which": "all", "to": "pool", "to_plan": "yes"},
        follow=True,
    )

    assert "nobody: they stay with Lin" in shown
    assert "Leave them out of this handover" in plan_page
    assert "3 customers are left out and stay with Lin." in left.content.decode()
    assert shares(manager, leave) == {"Mei": 2}
    assert left.context["handover"].size == 2


def test_nobody_of_a_leaver_is_left_out(manager: Client, plan: Handover):
    answer = manager.post(f"/handovers/{plan.pk}/move/", {"receiver": "out", "which": "all"})

    assert answer.status_code == 400
    assert "has left" in answer.content.decode()
    assert plan.items.count() == 10


@pytest.mark.parametrize("verb", ["move", "propose", "plans"])
def test_the_links_of_a_page_with_an_error_lead_to_the_page(manager: Client, hua: Staff, verb: str):
    plan = make_handover(customers=make_customers(60))
    step(manager, plan, make_staff("Mei"))
    step(manager, plan, make_staff("Sun"), step="new")

    refused = manager.post(f"/handovers/{plan.pk}/{verb}/", {"step": "new"}).content.decode()

    assert 'href="?' not in refused


def test_a_handover_that_runs_has_no_customers_to_move(manager: Client):
    running = make_handover(to_staff=make_staff("Mei"), state=HandoverState.RUNNING)

    shown = manager.get(f"/handovers/{running.pk}/customers/")
    moved = move(manager, running, None, which="all")

    assert shown["Location"] == moved["Location"] == f"/handovers/{running.pk}/"
    assert not running.items.filter(by_hand=True).exists()


# --- saved plans and the start ----------------------------------------------------------------------


def test_plans_are_saved_compared_and_taken(manager: Client, plan: Handover):
    mei, sun = make_staff("Mei"), make_staff("Sun")
    step(manager, plan, mei)
    manager.post(f"/handovers/{plan.pk}/plans/", {"name": "All to Mei"})
    step(manager, plan, mei, sun)
    kept = plan.plans.get()

    comparison = manager.get(f"/handovers/{plan.pk}/plans/compare/").context["comparison"]
    manager.post(f"/handovers/{plan.pk}/plans/{kept.pk}/take/")

    assert [(row.name, row.difference) for row in comparison.rows] == [("Mei", -5), ("Sun", 5)]
    assert comparison.total.left == comparison.total.right
    assert shares(manager, plan) == {"Mei": 10}


def test_a_name_that_is_taken_is_refused_and_stays_typed(manager: Client, plan: Handover):
    step(manager, plan, make_staff("Mei"))
    manager.post(f"/handovers/{plan.pk}/plans/", {"name": "A"})

    again = manager.post(f"/handovers/{plan.pk}/plans/", {"name": "A"})

    assert again.status_code == 400
    assert "Choose another name" in again.content.decode()
    assert again.context["save"]["name"].value() == "A"
    assert plan.plans.count() == 1


def test_the_plan_of_another_handover_is_not_there(manager: Client, plan: Handover):
    other = make_handover(make_departed("Old"))
    manager.post(f"/handovers/{other.pk}/plans/", {"name": "A"})

    address = f"/handovers/{plan.pk}/plans/{other.plans.get().pk}/take/"
    assert manager.post(address).status_code == 404


def test_a_start_after_a_change_shows_the_plan_again_and_keeps_what_was_typed(
    manager: Client, plan: Handover
):
    mei = make_staff("Mei")
    step(manager, plan, mei)
    data = {"token": page(manager, plan).context["token"], "customer_message": "Hello {guide}"}
    Staff.objects.filter(pk=mei.pk).update(capacity=3)

    stale = manager.post(f"/handovers/{plan.pk}/start/", data)

    assert stale.status_code == 409
    words = stale.content.decode()
    assert ("Things have changed" in words, "7 over capacity" in words) == (True, True)
    assert stale.context["start"]["customer_message"].value() == "Hello {guide}"
    assert not Customer.objects.exclude(owner=None).exists()
    fresh = data | {"token": stale.context["token"]}
    assert manager.post(f"/handovers/{plan.pk}/start/", fresh).status_code == 302
    assert Customer.objects.filter(owner=mei).count() == 10


def test_the_words_can_be_looked_at_without_starting(manager: Client, plan: Handover):
    step(manager, plan, make_staff("Mei"))

    response = manager.post(
        f"/handovers/{plan.pk}/start/", {"look": "yes", "customer_message": "From {guide}"}
    )

    assert "From Mei" in response.content.decode()
    assert Handover.objects.get(pk=plan.pk).state == HandoverState.PLANNED
