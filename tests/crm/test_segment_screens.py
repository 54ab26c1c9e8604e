"""Segments on screen: the list, the builder, the page of one, and static lists."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.actions.segments import archive_segment, create_list
from campaigns.models import CampaignDraft, Segment, SegmentMember
from campaigns.segments import counting
from contacts.enums import Gender, IdentityKind, Role, Scope
from contacts.models import HistoryEntry, Staff
from crm.access import viewer_for
from crm.forms.rule_tree import is_sound, read_tree, rule_of, tree_of
from crm.segment_counts import count_now
from tests.builders import (
    first_store,
    make_campaign,
    make_customer,
    make_customers,
    make_identity,
    make_segment,
    make_series,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

NEW = "/segments/new/"
LISTS = "/segments/lists/new/"
LONDON = {"field": "city", "op": "is", "value": "London"}
FEMALE = {"field": "gender", "op": "is", "value": Gender.FEMALE.value}


@pytest.fixture
def yan() -> Staff:
    return make_staff("Yan", role=Role.MARKETER, scope=Scope.COMPANY)


@pytest.fixture
def marketer(client: Client, yan: Staff) -> Client:
    return sign_in(client, yan)


def condition(
    key: int, field: str, op: str, *first: str, parent: int = 0, **more: str
) -> dict[str, Any]:
    """The inputs of one condition; merge several with ``inputs``."""
    typed: dict[str, Any] = {
        "node": [f"{key}:{parent}:c"],
        f"f{key}": field,
        f"o{key}": op,
        f"v{key}": list(first),
    }
    return typed | {f"{name}{key}": value for name, value in more.items()}


def inputs(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    nodes = [node for part in parts for node in part.get("node", [])]
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= part
    return merged | {"node": nodes} | more


def group(key: int, join: str, parent: int = 0) -> dict[str, Any]:
    return {"node": [f"{key}:{parent}:g"], f"j{key}": join}


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


def rule_inputs(client: Client, segment: Segment) -> dict[str, Any]:
    """What a browser would send of the builder as it is shown."""
    context = client.get(f"/segments/{segment.pk}/edit/").context
    form: dict[str, Any] = {"name": segment.name, "base": context["bench"].base, "node": []}
    if segment.shared:
        form["shared"] = "on"
    for node in context["tree"].walk():
        if node.key:
            sort = "g" if node.is_group else "c"
            form["node"].append(f"{node.key}:{node.parent}:{sort}")
        if node.is_group:
            form[f"j{node.key}"] = node.kind
            continue
        form |= {f"f{node.key}": node.field, f"o{node.key}": node.op, f"v{node.key}": node.first}
        form |= {f"w{node.key}": node.second, f"k{node.key}": node.kind_of_value}
        if node.negated:
            form[f"n{node.key}"] = "1"
    return form


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


# --- the list ------------------------------------------------------------------------------------


def test_the_list_says_what_kind_whose_and_how_many(marketer: Client, yan: Staff):
    make_customers(2)
    rule = make_segment(name="Everybody", created_by=yan)
    assert "not counted yet" in marketer.get("/segments/").text

    marketer.get(f"/segments/{rule.pk}/")

    text = marketer.get("/segments/").text
    assert "2 customers" in text
    assert "Yan" in text
    assert "shared" in text


def test_a_changed_rule_is_not_counted_yet(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, created_by=yan)
    marketer.get(f"/segments/{segment.pk}/")
    form = rule_inputs(marketer, segment)

    marketer.post(f"/segments/{segment.pk}/edit/", form | {"name": "Other", "go": "save"})

    assert "not counted yet" in marketer.get("/segments/").text


def test_the_list_is_searched_and_filtered(marketer: Client, yan: Staff):
    make_segment(name="Regulars", created_by=yan)
    make_segment(name="Of Mei", created_by=make_staff("Mei", role=Role.MARKETER))
    make_segment(name="Spring")
    create_list(name="Guests", customers=[], actor=yan, now=timezone.now())

    def shown(query: str) -> list[str]:
        rows = marketer.get(f"/segments/?{query}").context["rows"]
        return [row.segment.name for row in rows]

    assert shown("") == ["Guests", "Spring", "Of Mei", "Regulars"]
    assert shown("kind=lists") == ["Guests"]
    assert shown("kind=campaigns") == ["Spring"]
    assert shown("kind=rules&mine=1") == ["Regulars"]
    assert shown("q=reg") == ["Regulars"]
    assert "No segments like this" in marketer.get("/segments/?q=none").text


def test_an_empty_list_says_what_to_do(marketer: Client):
    text = marketer.get("/segments/").text

    assert "No segments yet" in text
    assert f'href="{NEW}"' in text


def test_the_list_asks_as_often_for_many_rows_as_for_few(marketer: Client, yan: Staff):
    queries_for(marketer, "/segments/")
    counts = []
    for rows in (3, 40):
        for _row in range(rows):
            count_now(viewer_for(yan), make_segment(created_by=yan), now=timezone.now())
        counts.append(queries_for(marketer, "/segments/"))

    assert Segment.objects.count() == 43
    assert counts[0] == counts[1]


def test_a_segment_that_is_not_shared_is_not_there_for_others(marketer: Client):
    secret = make_segment(
        name="Hers", shared=False, created_by=make_staff("Mei", role=Role.MARKETER)
    )

    assert "Hers" not in marketer.get("/segments/").text
    for page in ("", "edit/"):
        assert marketer.get(f"/segments/{secret.pk}/{page}").status_code == 404
    for verb in ("freeze/", "archive/", "campaign/", "members/", "members/remove/"):
        assert marketer.post(f"/segments/{secret.pk}/{verb}", {"name": "x"}).status_code == 404
    assert marketer.get(f"/customers/?segment={secret.pk}").status_code == 404
    assert marketer.post(f"/customers/customers.csv?segment={secret.pk}").status_code == 404
    secret.refresh_from_db()
    assert secret.archived_at is None


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER])
def test_segments_are_for_marketers(client: Client, role: Role):
    segment = make_segment()
    sign_in(client, make_staff("Lin", role=role))

    for page in ("", "new/", "lists/new/", f"{segment.pk}/", f"{segment.pk}/edit/"):
        assert client.get(f"/segments/{page}").status_code == 403, page
    for verb in ("freeze/", "archive/", "campaign/", "members/", "members/remove/"):
        assert client.post(f"/segments/{segment.pk}/{verb}").status_code == 403, verb
    assert client.post("/segments/preview/").status_code == 403
    assert client.get(f"/customers/?segment={segment.pk}").status_code == 403
    assert client.post(f"/customers/customers.csv?segment={segment.pk}").status_code == 403
    assert 'href="/segments/"' not in client.get("/").text


def test_a_company_without_customers_is_not_told_to_loosen_anything(marketer: Client):
    page = marketer.get("/segments/new/").text

    assert "There are no customers yet that you see." in page
    assert "Loosen" not in page


def test_the_navigation_leads_marketers_there(marketer: Client):
    assert (
        'class="nav-item" href="/segments/" aria-current="page"' in marketer.get("/segments/").text
    )
    assert 'href="/campaigns/" aria-current' not in marketer.get("/segments/").text


def test_administrators_come_by_way_of_the_campaigns(client: Client):
    sign_in(client, make_staff("Boss", role=Role.ADMINISTRATOR, scope=Scope.COMPANY))

    assert 'href="/segments/"' in client.get("/campaigns/").text
    assert 'href="/campaigns/" aria-current="page"' in client.get("/segments/").text


# --- the page of one -----------------------------------------------------------------------------


def test_the_page_says_the_rule_in_words(marketer: Client, yan: Staff):
    vip = make_tag("VIP")
    rule = {
        "all": [
            {"field": "tag", "op": "any", "value": [vip.pk, 999]},
            {"not": {"field": "last_order", "op": "within_days", "value": 30}},
            {
                "any": [
                    {"field": "spent", "op": "within_days", "value": {"amount": 500, "days": 90}}
                ]
            },
            {"field": "attribute", "op": "is", "value": {"key": "size", "value": "L"}},
            {"field": "birthday", "op": "in_months", "value": [5]},
        ]
    }
    segment = make_segment(rule, created_by=yan)

    said = marketer.get(f"/segments/{segment.pk}/").context["said"]

    assert said.text == "All of these hold"
    assert [line.text for line in said.members] == [
        "Tag: any of VIP, one that you do not see",
        "not: Last order: in the last 30 days",
        "At least one of these holds",
        "Attribute “size”: is L",
        "Birthday: in May",
    ]
    assert said.members[2].members[0].text == "Spent in all: at least 500 in 90 days"


def test_the_customers_are_paged(marketer: Client, yan: Staff):
    make_customers(26)
    segment = make_segment(created_by=yan)

    first = marketer.get(f"/segments/{segment.pk}/").context["page"]
    second = marketer.get(f"/segments/{segment.pk}/?after={first.last.pk}").context["page"]

    assert (len(first.rows), len(second.rows), second.last) == (25, 1, None)


def test_the_page_asks_as_often_for_one_as_for_many(marketer: Client, yan: Staff):
    make_customers(1)
    segment = make_segment(created_by=yan)
    address = f"/segments/{segment.pk}/"
    one = queries_for(marketer, address)
    make_customers(5)

    assert queries_for(marketer, address) == one


def test_a_campaign_begins_with_the_segment(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, name="Regulars", created_by=yan)
    for _n in range(201):
        make_segment()

    response = marketer.post(f"/segments/{segment.pk}/campaign/")

    assert response["Location"] == "/campaigns/new/"
    assert CampaignDraft.objects.get(staff=yan).fields["saved"] == [str(segment.pk)]
    step = marketer.get("/campaigns/new/audience/")
    assert f'<option value="{segment.pk}" selected>Regulars</option>' in step.text
    assert not step.context.get("cannot_count")


def test_an_unfinished_campaign_keeps_its_words(marketer: Client, yan: Staff):
    CampaignDraft.objects.create(staff=yan, fields={"text": ["Hello"]}, saved_at=timezone.now())
    segment = make_segment(created_by=yan)
    assert "You have an unfinished campaign." in marketer.get(f"/segments/{segment.pk}/").text

    marketer.post(f"/segments/{segment.pk}/campaign/")

    fields = CampaignDraft.objects.get(staff=yan).fields
    assert fields == {"text": ["Hello"], "saved": [str(segment.pk)]}


def test_the_campaign_editor_offers_no_segment_that_is_not_at_hand(marketer: Client, yan: Staff):
    mei = make_staff("Mei", role=Role.MARKETER)
    hers = make_segment(name="Hers", shared=False, created_by=mei)
    old = make_segment(name="Old", created_by=yan)
    archive_segment(old, actor=yan, now=timezone.now())
    CampaignDraft.objects.create(
        staff=yan, fields={"saved": [str(hers.pk)]}, saved_at=timezone.now()
    )

    text = marketer.get("/campaigns/new/audience/").text

    assert "Hers" not in text
    assert "Old" not in text


def test_a_drafted_campaign_keeps_its_archived_segment(marketer: Client, yan: Staff):
    rule = {"all": [{"field": "orders", "op": "at_least", "value": 2}]}
    segment = make_segment(rule, name="Gone", created_by=yan)
    campaign = make_campaign(segment=segment, created_by=yan)
    archive_segment(segment, actor=yan, now=timezone.now())

    text = marketer.get(f"/campaigns/{campaign.pk}/edit/audience/").text

    assert f'<option value="{segment.pk}" selected>Gone</option>' in text


def test_out_of_scope_no_campaign_begins(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    there = make_store("Xujiahui")
    segment = make_segment({"all": [{"field": "store", "op": "in", "value": [there.pk]}]})
    sign_in(client, yu)

    response = client.post(f"/segments/{segment.pk}/campaign/", follow=True)

    assert "lies outside your scope" in response.text
    assert not CampaignDraft.objects.exists()


def test_the_customer_list_is_narrowed_to_the_segment(marketer: Client, yan: Staff):
    make_customer("Chen", city="London")
    make_customer("Zhao", city="Paris")
    segment = make_segment({"all": [LONDON]}, name="Londoners", created_by=yan)

    response = marketer.get(f"/customers/?segment={segment.pk}")

    assert [str(row) for row in response.context["page"].rows] == ["Chen"]
    assert "Londoners" in response.text
    assert f"segment={segment.pk}" in response.context["chosen"].address(after=1)


def test_an_export_of_the_segment_is_written_down(marketer: Client, yan: Staff):
    make_customer("Chen", city="London")
    make_customer("Zhao", city="Paris")
    segment = make_segment({"all": [LONDON]}, created_by=yan)

    response = marketer.post(f"/customers/customers.csv?segment={segment.pk}")

    lines = response.getvalue().decode().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Chen")
    entry = HistoryEntry.objects.get(action="customers.exported")
    assert entry.data == {"rows": 1, "segment": segment.pk}


def test_a_segment_is_frozen_as_far_as_one_sees_it(client: Client):
    here, there = first_store(), make_store("Xujiahui")
    chen = make_customer("Chen", city="London", store=here)
    make_customer("Zhao", city="London", store=there)
    segment = make_segment({"all": [LONDON]}, name="Londoners")
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=here))

    response = client.post(f"/segments/{segment.pk}/freeze/", {"name": "Londoners of now"})

    frozen = Segment.objects.get(name="Londoners of now")
    assert response["Location"] == f"/segments/{frozen.pk}/"
    assert frozen.is_static
    assert [row.customer_id for row in SegmentMember.objects.filter(segment=frozen)] == [chen.pk]


@pytest.mark.parametrize("name", ["", "LONDONERS"])
def test_a_frozen_list_needs_a_name_of_its_own(marketer: Client, yan: Staff, name: str):
    segment = make_segment({"all": [LONDON]}, name="Londoners", created_by=yan)

    response = marketer.post(f"/segments/{segment.pk}/freeze/", {"name": name})

    assert response.status_code == 400
    assert response.context["freeze"].errors["name"]
    assert Segment.objects.count() == 1


def test_an_archived_segment_leaves_the_lists(marketer: Client, yan: Staff):
    segment = make_segment(name="Old", created_by=yan)

    response = marketer.post(f"/segments/{segment.pk}/archive/", follow=True)

    assert "Archived." in response.text
    assert not response.context["rows"]
    assert marketer.get(f"/segments/{segment.pk}/").status_code == 404


# --- static lists --------------------------------------------------------------------------------


def test_a_list_is_made_of_ids_and_numbers(marketer: Client, yan: Staff):
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    make_identity(chen, "+8613800000001", kind=IdentityKind.PHONE)
    pasted = f"138 0000 0001\n{zhao.pk}\n\n{chen.pk}\n+8613900000000\nnobody\n138****0001\n"

    response = marketer.post(LISTS, {"name": "Guests", "pasted": pasted})

    segment = Segment.objects.get()
    assert (segment.name, segment.is_static, segment.shared) == ("Guests", True, False)
    members = SegmentMember.objects.filter(segment=segment).values_list("customer_id", flat=True)
    assert set(members) == {chen.pk, zhao.pk}
    assert response.context["added"] == 2
    assert "2 customers" in marketer.get("/segments/").text
    assert [(row.number, row.why) for row in response.context["left_out"]] == [
        (4, "An earlier row is about the same customer."),
        (5, "You see no customer of this id or number."),
        (6, "This is neither an id nor a phone number."),
        (7, "The number is masked: give it in full, or the id."),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Customer,Phone,Id\nChen,138****0001,{pk}\n",
        "客户编号\n{pk}\n",
        "{pk}\n",
        "id;phone\n;13800000001\n",
    ],
)
def test_a_file_is_read_by_its_heading(marketer: Client, content: str):
    chen = make_customer("Chen")
    make_identity(chen, "+8613800000001", kind=IdentityKind.PHONE)
    file = SimpleUploadedFile("guests.csv", content.format(pk=chen.pk).encode())

    response = marketer.post(LISTS, {"name": "Guests", "file": file})

    assert (response.status_code, response.context["left_out"]) == (200, [])
    assert SegmentMember.objects.get().customer_id == chen.pk


def test_who_is_out_of_scope_is_not_told_from_nobody(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    there = make_customer("Zhao", store=make_store("Xujiahui"))
    make_identity(there, "+8613800000001", kind=IdentityKind.PHONE)
    sign_in(client, yu)

    pasted = f"13800000001\n13800000002\n{there.pk}\n{there.pk + 1}"
    response = client.post(LISTS, {"name": "Guests", "pasted": pasted})

    assert response.status_code == 400
    whys = {row.why for row in response.context["left_out"]}
    assert whys == {"You see no customer of this id or number."}
    assert not Segment.objects.exists()


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": "", "pasted": "1"}, "name"),
        ({"name": "Guests"}, "pasted"),
        ({"name": "Guests", "file": b"\0\0"}, "file"),
        ({"name": "Guests", "pasted": "\n".join(["1"] * 20_001)}, "pasted"),
    ],
)
def test_what_is_wrong_with_a_list_stands_at_its_field(
    marketer: Client, typed: dict[str, Any], field: str
):
    if content := typed.get("file"):
        typed = typed | {"file": SimpleUploadedFile("x.csv", content)}

    response = marketer.post(LISTS, typed)

    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert not Segment.objects.exists()


def test_customers_are_added_and_taken_off(marketer: Client, yan: Staff):
    chen, zhao = make_customer("Chen"), make_customer("Zhao")
    segment = create_list(name="Guests", customers=[chen.pk], actor=yan, now=timezone.now())
    address = f"/segments/{segment.pk}/members/"

    response = marketer.post(address, {"pasted": f"{chen.pk}\n{zhao.pk}"})
    assert (response.context["added"], response.context["already"]) == (1, 1)

    marketer.post(f"{address}remove/", {"customer": chen.pk})
    assert SegmentMember.objects.get(segment=segment).customer_id == zhao.pk
    assert marketer.post(f"{address}remove/", {"customer": "²"}).status_code == 404


def test_a_rule_has_no_customers_to_add(marketer: Client, yan: Staff):
    segment = make_segment(created_by=yan)

    assert marketer.get(f"/segments/{segment.pk}/members/").status_code == 404


def test_a_static_list_changes_its_name_only(marketer: Client, yan: Staff):
    segment = create_list(name="Guests", customers=[], actor=yan, now=timezone.now())
    edit = f"/segments/{segment.pk}/edit/"
    page = marketer.get(edit)
    assert 'id="builder"' not in page.text

    typed = inputs(condition(1, "city", "is", "x"), name="Renamed", base=page.context["bench"].base)
    assert marketer.post(edit, typed | {"go": "save"}).status_code == 302
    segment.refresh_from_db()
    assert segment.name == "Renamed"
    assert json.dumps(segment.rule).count("list") == 1


def test_rule_of_reads_what_read_tree_read(rf: Any):
    data = rf.post("/", inputs(condition(1, "city", "is", "London"), j0="not_all")).POST
    tree = read_tree(data)

    assert rule_of(tree) == {"not": {"all": [LONDON]}}
    assert is_sound(tree)


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
