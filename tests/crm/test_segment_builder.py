"""The builder of segments on screen: nested conditions, their count, and who reaches what."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.models import Segment
from campaigns.segments import counting
from contacts.enums import Gender, Role, Scope
from contacts.models import CustomerTag, Staff
from crm.forms.rule_tree import tree_of
from tests.builders import (
    first_store,
    make_campaign,
    make_customer,
    make_customers,
    make_segment,
    make_series,
    make_staff,
    make_store,
    make_tag,
    sign_in,
)
from tests.segment_inputs import condition, group, inputs, rule_inputs

pytestmark = pytest.mark.django_db

NEW = "/segments/new/"
LISTS = "/segments/lists/new/"
LONDON = {"field": "city", "op": "is", "value": "London"}
FEMALE = {"field": "gender", "op": "is", "value": Gender.FEMALE.value}


# --- the builder ---------------------------------------------------------------------------------


def test_a_segment_is_built_and_saved(marketer: Client, yan: Staff):
    vip = make_tag("VIP")
    typed = inputs(
        condition(1, "tag", "any", str(vip.pk)),
        group(2, "none"),
        condition(3, "spent", "within_days", "500.5", parent=2, w="90"),
        condition(4, "last_interaction", "before_days", "7", parent=2, n="1"),
        name="Regulars",
        shared="on",
        go="save",
    )

    response = marketer.post(NEW, typed)

    segment = Segment.objects.get(name="Regulars")
    assert response["Location"] == f"/segments/{segment.pk}/"
    assert (segment.created_by, segment.shared) == (yan, True)
    assert segment.rule == {
        "all": [
            {"field": "tag", "op": "any", "value": [vip.pk]},
            {
                "not": {
                    "any": [
                        {
                            "field": "spent",
                            "op": "within_days",
                            "value": {"amount": 500.5, "days": 90},
                        },
                        {"not": {"field": "last_interaction", "op": "before_days", "value": 7}},
                    ]
                }
            },
        ]
    }


@pytest.mark.parametrize(
    ("field", "op", "first", "second", "value"),
    [
        ("name", "contains", ["Li"], "", "Li"),
        ("birthday", "in_months", ["3", "4"], "", [3, 4]),
        ("birthday", "known", ["no"], "", False),
        ("age", "between", ["20"], "30", [20, 30]),
        ("attribute", "is", ["size"], "L", {"key": "size", "value": "L"}),
        ("attribute", "at_least", ["points"], "1.5", {"key": "points", "value": 1.5}),
        ("attribute", "known", ["size"], "", "size"),
        ("spent", "at_least", ["500"], "", 500),
        ("orders", "at_most", ["2"], "", 2),
        ("orders", "within_days", ["2"], "30", {"number": 2, "days": 30}),
        ("address", "has", ["phone"], "", "phone"),
        ("owner", "pool", ["yes"], "", True),
        ("bought", "category", ["Coats"], "", "Coats"),
        ("segment", "in", ["999"], "", [999]),
    ],
)
def test_every_kind_of_value_is_read_and_shown_again(
    marketer: Client, field: str, op: str, first: list[str], second: str, value: object
):
    typed = inputs(condition(1, field, op, *first, w=second), name="One", go="save")

    assert marketer.post(NEW, typed).status_code == 302

    segment = Segment.objects.get()
    assert segment.rule == {"all": [{"field": field, "op": op, "value": value}]}
    again = tree_of(segment.rule).members[0]
    assert (again.first, again.second) == (first, second)
    assert marketer.get(f"/segments/{segment.pk}/edit/").status_code == 200
    assert marketer.get(f"/segments/{segment.pk}/").status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"all": []},
        LONDON,
        {"not": LONDON},
        {"any": [LONDON, {"not": {"any": [FEMALE, LONDON]}}]},
        {"not": {"all": [LONDON, {"all": [FEMALE]}]}},
        {"all": [{"not": {"not": LONDON}}]},
        {"not": {"not": {"any": [LONDON, FEMALE]}}},
    ],
)
def test_a_saved_rule_comes_back_as_it_was_meant(
    marketer: Client, yan: Staff, rule: dict[str, Any]
):
    make_customer("Chen", city="London", gender=Gender.FEMALE)
    make_customer("Zhao", city="London")
    make_customer("Qian", city="Paris", gender=Gender.FEMALE)
    segment = make_segment(rule, name="Kept", created_by=yan)
    before = marketer.get(f"/segments/{segment.pk}/").context["count"].customers

    form = rule_inputs(marketer, segment)
    response = marketer.post(f"/segments/{segment.pk}/edit/", form | {"go": "save"})

    assert response.status_code == 302, response.context["tree"]
    assert marketer.get(f"/segments/{segment.pk}/").context["count"].customers == before


def test_what_is_wrong_stands_beside_its_condition_and_nothing_typed_is_lost(marketer: Client):
    typed = inputs(
        condition(1, "city", "is", "London"),
        condition(2, "last_order", "within_days", "many"),
        condition(3, "", ""),
        group(4, "any"),
        name="Half",
        go="save",
    )

    response = marketer.post(NEW, typed)

    assert response.status_code == 400
    errors = {node.key: node.error for node in response.context["tree"].walk()}
    assert errors == {
        0: "",
        1: "",
        2: "A number of days lies between 1 and 3650.",
        3: "Choose what to ask for, or take this condition away.",
        4: "Put a condition into this group, or take it away.",
    }
    for kept in ('value="London"', 'value="many"', 'value="Half"', 'id="wrong2"'):
        assert kept in response.text
    marked = r'name="(\w+)"[^>]* aria-invalid="true" aria-describedby="(\w+)"'
    assert re.findall(marked, response.text) == [("v2", "wrong2"), ("f3", "wrong3")]
    assert not Segment.objects.exists()


def test_a_name_is_needed_and_taken_once(marketer: Client):
    make_segment(name="Regulars")
    rule = condition(1, "city", "is", "London")

    nameless = marketer.post(NEW, inputs(rule, name=" ", go="save"))
    taken = marketer.post(NEW, inputs(rule, name="REGULARS", go="save"))

    assert (nameless.status_code, taken.status_code) == (400, 400)
    assert "Give the segment a name." in nameless.text
    assert "There is a segment of this name already." in taken.text
    assert Segment.objects.count() == 1


def test_conditions_and_groups_come_and_go(marketer: Client):
    typed = inputs(condition(1, "city", "is", "London"), name="Half typed")

    def press(go: str, form: dict[str, Any]) -> list[tuple[int, int, str]]:
        response = marketer.post(NEW, form | {"go": go}, headers={"HX-Target": "builder"})
        assert response.status_code == 200
        assert "<html" not in response.text
        assert 'value="London"' in response.text or go == "drop:1"
        return [(n.key, n.parent, n.kind) for n in response.context["tree"].walk()][1:]

    assert press("add:0", typed) == [(1, 0, "is"), (2, 0, "is")]
    assert press("group:0", typed) == [(1, 0, "is"), (2, 0, "any"), (3, 2, "is")]
    assert press("drop:1", typed) == []
    assert press("drop:0", typed) == [(1, 0, "is")]
    assert press("add:7", typed) == [(1, 0, "is")]


def test_without_scripts_a_press_shows_the_whole_page_with_the_name_typed(marketer: Client):
    typed = inputs(condition(1, "tag", "any"), name="Half typed", go="add:0")

    response = marketer.post(NEW, typed)

    assert response.status_code == 200
    assert 'value="Half typed"' in response.text
    assert "<html" in response.text


def test_a_value_of_another_kind_is_not_taken_over(marketer: Client):
    store = make_store("Xujiahui")
    moved = condition(1, "store", "in", str(store.pk), k="tags")
    same = condition(2, "tag", "all", "5", k="tags")

    tree = marketer.post(NEW, inputs(moved, same, go="show")).context["tree"]

    assert [node.first for node in tree.members] == [[], ["5"]]


def test_odd_nodes_are_left_out(marketer: Client):
    nodes = ["5:6:g", "6:5:g", "0:0:g", "x", "1:0:c", "1:0:c", "2:1:c", "9" * 30, "7::", "²:0:c"]

    tree = marketer.post(NEW, {"node": nodes, "go": "show"}).context["tree"]

    assert [node.key for node in tree.walk()] == [0, 1]


def test_only_the_closed_list_is_asked(marketer: Client):
    typed = inputs(condition(1, "password", "is", "x"), name="No", go="save")

    assert marketer.post(NEW, typed).status_code == 400
    assert not Segment.objects.exists()


def test_too_deep_groups_are_refused_at_their_place(marketer: Client):
    groups = [group(key, "none", parent=key - 1) for key in range(1, 5)]
    typed = inputs(*groups, condition(9, "city", "is", "x", parent=4), name="Deep", go="save")

    response = marketer.post(NEW, typed)

    assert response.status_code == 400
    assert "Groups lie at most 5 deep." in [n.error for n in response.context["tree"].walk()]


def test_a_name_that_somebody_typed_is_shown_as_text(marketer: Client, yan: Staff):
    bad = "<script>alert(1)</script>"
    make_tag(bad)
    make_customer(bad, city=bad)
    rule = {"all": [{"field": "city", "op": "is", "value": bad}]}
    segment = make_segment(rule, name=bad, created_by=yan)
    edit = f"/segments/{segment.pk}/edit/"
    typed = inputs(condition(1, "tag", "any"), condition(2, "city", "is", bad), name=bad)

    pages = [marketer.get(a).text for a in ("/segments/", f"/segments/{segment.pk}/", edit)]
    pages += [
        marketer.post(NEW, typed | {"go": "add:0"}).text,
        marketer.post("/segments/preview/", typed).text,
        marketer.post(LISTS, {"name": bad, "pasted": bad}).text,
        marketer.get(f"/customers/?segment={segment.pk}").text,
    ]

    assert all(bad not in page for page in pages)
    assert "&lt;script&gt;" in pages[0]


def test_two_who_change_a_segment_do_not_overwrite_each_other_unseen(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, created_by=yan)
    edit = f"/segments/{segment.pk}/edit/"
    mine, theirs = rule_inputs(marketer, segment), rule_inputs(marketer, segment)
    marketer.post(edit, theirs | {"name": "Theirs", "go": "save"})

    warned = marketer.post(edit, mine | {"name": "Mine", "go": "save"})

    assert warned.status_code == 409
    assert 'value="Mine"' in warned.text
    segment.refresh_from_db()
    assert segment.name == "Theirs"
    again = mine | {"name": "Mine", "go": "save", "base": warned.context["bench"].base}
    assert marketer.post(edit, again).status_code == 302


def test_who_saves_in_the_same_moment_keeps_what_they_typed(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, created_by=yan)
    mine = rule_inputs(marketer, segment) | {"name": "Mine", "go": "save"}

    def theirs(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('UPDATE "campaigns_segment"') and params[0] != "Theirs":
            Segment.objects.update(name="Theirs", changed_at=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(theirs):
        answer = marketer.post(f"/segments/{segment.pk}/edit/", mine)

    assert answer.status_code == 409
    assert 'value="Mine"' in answer.text
    assert not Segment.objects.filter(name="Mine").exists()


def test_a_segment_cannot_lead_back_to_itself(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, name="Kept", created_by=yan)
    form = rule_inputs(marketer, segment)
    own = inputs(condition(1, "segment", "in", str(segment.pk)), base=form["base"], name="Kept")

    response = marketer.post(f"/segments/{segment.pk}/edit/", own | {"go": "save"})

    assert response.status_code == 400
    assert "This segment leads back to itself." in response.text
    segment.refresh_from_db()
    assert segment.rule == {"all": [LONDON]}


def test_who_did_not_make_it_does_not_decide_who_finds_it(marketer: Client):
    segment = make_segment({"all": [LONDON]}, created_by=make_staff("Mei", role=Role.MARKETER))
    form = rule_inputs(marketer, segment)
    form.pop("shared")

    assert marketer.post(f"/segments/{segment.pk}/edit/", form | {"go": "save"}).status_code == 302
    segment.refresh_from_db()
    assert segment.shared


# --- the count -----------------------------------------------------------------------------------


def test_the_preview_counts_what_is_finished(marketer: Client):
    make_customer("Chen", city="London")
    make_customer("Zhao", city="Paris")
    typed = inputs(condition(1, "city", "is", "London"), condition(2, "orders", "at_least", ""))

    response = marketer.post("/segments/preview/", typed)

    assert response.context["count"].customers == 1
    assert [str(person) for person in response.context["sample"]] == ["Chen"]
    assert "Counted exactly" in response.text
    assert "1 unfinished condition is left out" in response.text


def test_an_estimate_says_that_it_is_one(marketer: Client, monkeypatch: pytest.MonkeyPatch):
    make_customers(3)
    monkeypatch.setattr(counting, "within_patience", lambda _ask: None)

    response = marketer.post("/segments/preview/", {})

    assert "about" in response.text
    assert "An estimate" in response.text


def test_the_sample_keeps_to_the_scope(client: Client):
    here, there = first_store(), make_store("Xujiahui")
    make_customer("Chen", city="London", store=here)
    make_customer("Zhao", city="London", store=there)
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=here))

    response = client.post("/segments/preview/", inputs(condition(1, "city", "is", "London")))

    assert response.context["count"].customers == 1
    assert "Zhao" not in response.text


def test_a_count_of_sets_keeps_to_the_scope(client: Client):
    here, vip = first_store(), make_tag("VIP")
    for store in (here, make_store("Xujiahui")):
        CustomerTag.objects.create(customer=make_customer("Chen", store=store), tag=vip)
    segment = make_segment({"all": [{"field": "tag", "op": "any", "value": [vip.pk]}]})
    typed = inputs(condition(1, "tag", "any", str(vip.pk)))
    mine = sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=here))

    assert mine.post("/segments/preview/", typed).context["count"].customers == 1
    assert mine.get(f"/segments/{segment.pk}/").context["count"].customers == 1
    sign_in(client, make_staff("Tao", role=Role.MARKETER))
    assert client.post("/segments/preview/", typed).context["count"].customers == 2
    assert client.get(f"/segments/{segment.pk}/").context["count"].customers == 2


def test_choices_keep_to_the_scope(client: Client):
    here, there = first_store(), make_store("Xujiahui")
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=here))
    secret = make_segment(
        name="Hers", shared=False, created_by=make_staff("Mei", role=Role.MARKETER)
    )
    rows = inputs(
        condition(1, "store", "in", str(there.pk)), condition(2, "segment", "in", str(secret.pk))
    )

    text = client.post(NEW, rows | {"go": "show"}).text

    assert "Xujiahui" not in text
    assert "Hers" not in text
    assert text.lower().count("one that you do not see") == 2


# --- the reach of those who change segments --------------------------------------------------------


def within(store: Any) -> dict[str, Any]:
    return {"all": [{"field": "store", "op": "in", "value": [store.pk]}]}


@pytest.mark.parametrize("used_by", [make_campaign, make_series])
def test_the_segment_of_a_campaign_ahead_is_not_widened_beyond_the_scope(
    client: Client, used_by: Any
):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    segment = make_segment(within(first_store()))
    used_by(segment=segment, created_by=yu)
    sign_in(client, yu)
    typed = inputs(condition(1, "city", "is", "London"), name="Wide", go="save")
    typed["base"] = client.get(f"/segments/{segment.pk}/edit/").context["bench"].base

    answer = client.post(f"/segments/{segment.pk}/edit/", typed)

    assert answer.status_code == 400
    assert "only within your scope" in answer.text
    segment.refresh_from_db()
    assert (segment.rule, segment.changed_at) == (within(first_store()), None)


def test_within_the_scope_the_segment_of_a_campaign_ahead_is_changed(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    segment = make_segment(within(first_store()))
    make_campaign(segment=segment, created_by=yu)
    sign_in(client, yu)
    store = str(first_store().pk)
    typed = inputs(
        condition(1, "store", "in", store), condition(2, "city", "is", "London"), name="Narrow"
    )
    typed |= {
        "go": "save",
        "base": client.get(f"/segments/{segment.pk}/edit/").context["bench"].base,
    }

    assert client.post(f"/segments/{segment.pk}/edit/", typed).status_code == 302
    segment.refresh_from_db()
    assert LONDON in segment.rule["all"]
