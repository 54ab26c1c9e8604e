"""The pool on the screens: a guide claims, a manager assigns and says what goes."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils.translation import override

from contacts.actions.ownership import move_ownership
from contacts.actions.pools import claim_customer
from contacts.enums import Assignment, OwnershipReason, Role, Scope
from contacts.models import Customer, CustomerTag, HistoryEntry, PoolRule, Staff
from crm.forms.pool import RuleForm
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _noon():
    with time_machine.travel(NOON, tick=False):
        yield


def make_rule(**fields: Any) -> PoolRule:
    return PoolRule.objects.create(**{"claiming": True, "store": first_store()} | fields)


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def hers(client: Client, lin: Staff) -> Client:
    return sign_in(client, lin)


@pytest.fixture
def hua() -> Staff:
    first_store()
    return make_staff("Hua", role=Role.MANAGER)


@pytest.fixture
def manager(client: Client, hua: Staff) -> Client:
    return sign_in(client, hua)


def owner_of(customer: Customer) -> Staff | None:
    return Customer.objects.get(pk=customer.pk).owner


# --- guides -------------------------------------------------------------------------------------


def test_a_guide_sees_who_waits_and_why_and_claims(hers: Client, lin: Staff):
    make_rule()
    wei = make_departed("Wei")
    chen = make_customer("Chen", owner=make_staff("Mei"), spent=1200)
    move_ownership([(chen.pk, None)], reason=OwnershipReason.RECYCLED, now=NOON)
    CustomerTag.objects.create(customer=chen, tag=make_tag("VIP"))
    make_customer("Far", store=make_store("Far"))
    make_handover(wei, customers=[make_customer("Moving")])

    shown = hers.get("/pool/").text
    answer = hers.post(f"/pool/claim/{chen.pk}/")

    for words in ("Chen", "Back to the pool", "before with Mei", "value ¥1,200", "VIP", "5 more"):
        assert words in shown
    assert "Far" not in shown
    assert "Moving" not in shown
    assert answer["Location"] == f"/customers/{chen.pk}/"
    assert owner_of(chen) == lin
    assert "Chen is yours now" in hers.get(answer["Location"]).text


def test_give_me_the_next_one(hers: Client, lin: Staff):
    make_rule()
    first = make_customer("First", since=NOON - DAY)
    make_customer("Second")

    answer = hers.post("/pool/next/")

    assert answer["Location"] == f"/customers/{first.pk}/"
    assert owner_of(first) == lin


def test_a_guide_who_comes_too_late_is_told_and_finds_the_others(hers: Client):
    make_rule()
    chen = make_customer("Chen")
    make_customer("Zhao")
    claim_customer(chen, staff=make_staff("Mei"), now=NOON)

    shown = hers.post(f"/pool/claim/{chen.pk}/", follow=True).text

    assert "somebody was faster" in shown
    assert "Zhao" in shown


@pytest.mark.parametrize(
    ("rule", "capacity", "says"),
    [
        ({"claiming": False}, 100, "The manager gives these customers out"),
        ({"claims_per_day": 0}, 100, "Tomorrow you may claim again"),
        ({}, 0, "cannot take more"),
    ],
)
def test_where_nothing_may_be_claimed_the_page_says_why(
    client: Client, rule: dict[str, Any], capacity: int, says: str
):
    make_rule(**rule)
    make_customer("Chen")
    sign_in(client, make_staff("Lin", capacity=capacity))

    shown = client.get("/pool/").text

    assert says in shown
    assert "/pool/claim/" not in shown
    assert "/pool/next/" not in shown


def test_a_refused_claim_says_why_and_changes_nothing(hers: Client):
    make_rule(claims_per_day=0)
    chen = make_customer("Chen")

    shown = hers.post(f"/pool/claim/{chen.pk}/", follow=True).text

    assert "all of today&#x27;s 0 customers" in shown
    assert owner_of(chen) is None


@pytest.mark.parametrize("claiming", [True, False])
def test_who_is_not_in_the_pool_of_the_store_is_not_there_at_all(hers: Client, claiming: bool):
    make_rule(claiming=claiming, store=None)
    owned = make_customer("Owned", owner=make_staff("Mei"))
    far = make_customer("Far", store=make_store("Far"))

    for customer in (owned, far):
        assert hers.post(f"/pool/claim/{customer.pk}/").status_code == 404
        assert "Owned" not in hers.get("/pool/").text


def test_where_guides_may_not_claim_there_is_nobody_to_claim(hers: Client):
    chen = make_customer("Chen")

    assert hers.post(f"/pool/claim/{chen.pk}/").status_code == 404
    assert owner_of(chen) is None


def test_looking_claims_nobody(hers: Client):
    make_rule()
    chen = make_customer("Chen")

    assert hers.get(f"/pool/claim/{chen.pk}/").status_code == 405
    assert hers.get("/pool/next/").status_code == 405
    assert owner_of(chen) is None


def test_the_guides_page_takes_the_same_queries_for_1_and_20(hers: Client):
    make_rule()
    make_customers(1)
    few = queries_for(hers, "/pool/")
    make_customers(19)

    assert queries_for(hers, "/pool/") == few <= 14


def test_only_guides_who_manage_nobody_have_the_pool_in_the_navigation(client: Client):
    link = 'class="nav-item" href="/pool/"'
    assert link in sign_in(client, make_staff("Lin")).get("/").text
    assert link not in sign_in(client, make_staff("Hua", role=Role.MANAGER)).get("/").text
    tao = make_staff("Tao", role=Role.MARKETER)
    assert link not in sign_in(client, tao).get("/").text
    assert client.get("/pool/").status_code == 403
    assert client.post("/pool/next/").status_code == 403


def test_today_tells_guides_of_the_pool_where_they_may_claim(hers: Client):
    make_customers(3)
    assert "wait in the pool" not in hers.get("/").text

    make_rule()
    assert "customers wait in the pool of your store" in hers.get("/").text


# --- managers -----------------------------------------------------------------------------------


def test_a_manager_sees_the_pools_of_their_stores(manager: Client):
    make_customer("Chen")
    make_customer("Far", store=make_store("Far"))

    shown = manager.get("/pool/").text

    assert "Chen" in shown
    assert "Far" not in shown
    assert 'href="/pool/"' in manager.get("/").text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("days=2", {"Old"}),
        ("value=1000", {"Rich"}),
        ("q=ric", {"Rich"}),
        ("former={former}", {"Left"}),
        ("tag={tag}", {"Tagged"}),
        ("store={far}", set()),
        ("days=x&value=-1", {"Old", "Rich", "Left", "Tagged"}),
    ],
)
def test_the_pool_is_filtered(manager: Client, query: str, names: set[str]):
    mei, tag, far = make_staff("Mei"), make_tag("VIP"), make_store("Far")
    make_customer("Old", since=NOON - 3 * DAY)
    make_customer("Rich", spent=5000)
    left = make_customer("Left", owner=mei)
    move_ownership([(left.pk, None)], reason=OwnershipReason.RECYCLED, now=NOON)
    tagged = make_customer("Tagged")
    CustomerTag.objects.create(customer=tagged, tag=tag)

    page = manager.get("/pool/?" + query.format(former=mei.pk, tag=tag.pk, far=far.pk)).context

    assert {row.customer.name for row in page["page"].rows} == names
    assert page["matching"] == len(names)


def send(client: Client, **fields: Any) -> Any:
    return client.post("/pool/assign/", {"which": "these", "strategy": "evenly"} | fields)


def test_a_mistake_leaves_every_link_leading_somewhere(manager: Client):
    make_customers(60)

    answer = send(manager)

    assert (answer.status_code, "Next page" in answer.text) == (400, True)
    assert 'href="?' not in answer.text


def test_the_ticked_are_previewed_and_then_assigned(manager: Client, hua: Staff):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    customers = make_customers(4)
    fields = {"customers": [c.pk for c in customers[:3]], "receivers": [lin.pk, mei.pk]}

    preview = send(manager, **fields)
    assert "Give 3 customers" in preview.text
    assert not Customer.objects.exclude(owner=None).exists()

    done = send(manager, confirmed="yes", **fields)
    assert done["Location"] == "/pool/"
    assert "3 customers have been assigned" in manager.get("/pool/").text
    assert Customer.objects.filter(owner=lin).count() == 2
    assert Customer.objects.filter(owner=None).get() == customers[3]
    assert HistoryEntry.objects.get(action="pool.assigned").actor == hua


@pytest.mark.parametrize(("which", "left"), [("all", {"Poor"}), ("all_but", {"Poor", "Rich 1"})])
def test_all_that_match_are_assigned_wherever_they_stand(
    manager: Client, which: str, left: set[str]
):
    lin = make_staff("Lin")
    first = make_customer("Rich 1", spent=1000)
    for number in range(2, 60):
        make_customer(f"Rich {number}", spent=1000)
    make_customer("Poor")

    send(
        manager,
        which=which,
        value=500,
        customers=[first.pk],
        receivers=[lin.pk],
        confirmed="yes",
    )

    assert set(Customer.objects.filter(owner=None).values_list("name", flat=True)) == left


def test_what_fits_nowhere_is_said_to_stay(manager: Client):
    lin = make_staff("Lin", capacity=2)
    make_customers(5)

    shown = send(manager, which="all", receivers=[lin.pk]).text

    assert "Stay in the pool" in shown
    assert "Give 2 customers" in shown


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Tick customers"),
        ({"which": "all", "receivers": []}, "Choose at least one colleague"),
        ({"which": "all", "value": "much"}, "cannot be matched"),
        ({"which": "all", "strategy": "own_store"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_done_is_said_and_keeps_what_was_chosen(
    manager: Client, fields: dict[str, Any], says: str
):
    lin = make_staff("Lin")
    make_customers(2)

    answer = send(manager, **{"receivers": [lin.pk], "confirmed": "yes"} | fields)

    assert answer.status_code == 400
    assert says in answer.text
    if fields.get("receivers") is None:
        assert f'value="{lin.pk}" checked' in answer.text
    assert not Customer.objects.exclude(owner=None).exists()


def test_customers_and_colleagues_of_other_stores_cannot_be_chosen(manager: Client):
    far = make_store("Far")
    mei, theirs = make_staff("Mei", store=far), make_customer("Theirs", store=far)
    lin, ours = make_staff("Lin"), make_customer("Ours")

    others_customer = send(manager, customers=[theirs.pk], receivers=[lin.pk], confirmed="yes")
    others_colleague = send(manager, customers=[ours.pk], receivers=[mei.pk], confirmed="yes")
    everybody = send(manager, which="all", store=far.pk, receivers=[lin.pk], confirmed="yes")

    assert [row.status_code for row in (others_customer, others_colleague, everybody)] == [400] * 3
    assert not Customer.objects.exclude(owner=None).exists()


def test_the_pages_of_the_pool_follow_each_other(manager: Client):
    make_customers(60)

    first = manager.get("/pool/").context["page"]
    second = manager.get(f"/pool/?after={first.last.pk}").context["page"]

    assert (len(first.rows), len(second.rows), second.last) == (50, 10, None)
    assert not {row.pk for row in first.rows} & {row.pk for row in second.rows}


def test_the_managers_page_takes_the_same_queries_for_1_and_20(manager: Client):
    make_customers(1)
    few = queries_for(manager, "/pool/")
    for number in range(5):
        make_staff(f"Guide {number}")
    make_customers(19)

    assert queries_for(manager, "/pool/") == few <= 18


def test_guides_do_not_assign_or_set_rules(hers: Client, lin: Staff):
    chen = make_customer("Chen")

    assert send(hers, customers=[chen.pk], receivers=[lin.pk], confirmed="yes").status_code == 403
    assert hers.get("/pool/rules/").status_code == 403
    assert hers.post("/pool/rules/drop/", {"store": chen.store_id}).status_code == 403
    assert owner_of(chen) is None


# --- rules --------------------------------------------------------------------------------------

RULES = {
    "claiming": "on",
    "claims_per_day": 3,
    "first": "value",
    "offered": 10,
    "not_back_days": 30,
    "new_days": 1,
    "assignment": "turns",
    "assign_after_hours": 4,
    "only_in_hours": "on",
    "weekdays": [1, 2, 3],
    "opens_at": "09:30",
    "closes_at": "20:00",
    "recycle_after_days": 60,
    "warn_days": 7,
    "recycle_per_day": 10,
}


def test_a_manager_says_what_goes_for_the_store(manager: Client):
    store = first_store()

    shown = manager.get("/pool/rules/").text
    answer = manager.post("/pool/rules/", RULES | {"store": store.pk})

    assert "rules go for" in shown
    assert answer["Location"] == f"/pool/rules/?store={store.pk}"
    rule = PoolRule.objects.get(store=store)
    assert (rule.claims_per_day, rule.assignment, rule.weekdays) == (3, Assignment.TURNS, [1, 2, 3])
    assert "has rules of its own" in manager.get(answer["Location"]).text

    manager.post("/pool/rules/drop/", {"store": store.pk})
    assert not PoolRule.objects.exists()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"opens_at": "21:00"}, "must end after it begins"),
        ({"weekdays": []}, "at least one working day"),
        ({"warn_days": 60}, "fewer days before"),
        ({"offered": 0}, "greater than or equal to 1"),
        ({"claims_per_day": ""}, "This field is required"),
    ],
)
def test_rules_that_make_no_sense_are_refused_and_stay_typed(
    manager: Client, fields: dict[str, Any], says: str
):
    answer = manager.post("/pool/rules/", RULES | {"store": first_store().pk} | fields)

    assert answer.status_code == 400
    assert says in answer.text
    assert 'value="4"' in answer.text
    assert not PoolRule.objects.exists()


def test_the_hours_of_a_rule_are_named_as_times_in_chinese():
    with override("zh-hans"):
        form = RuleForm(PoolRule())

        assert (form["opens_at"].label, form["closes_at"].label) == ("从", "到")


def test_rules_of_other_stores_and_of_the_company_are_out_of_a_managers_reach(manager: Client):
    far = make_store("Far")

    for store in (far.pk, "company", "x", 2**70):
        assert manager.get(f"/pool/rules/?store={store}").status_code == 404
        assert manager.post("/pool/rules/", RULES | {"store": store}).status_code == 404
    assert not PoolRule.objects.exists()


def test_who_sees_the_whole_company_sets_its_rules(client: Client):
    sign_in(client, make_staff("Jin", role=Role.MANAGER, scope=Scope.COMPANY))

    client.post("/pool/rules/", RULES | {"store": "company"})

    assert PoolRule.objects.get().store is None


# --- capacity -----------------------------------------------------------------------------------


def test_a_manager_sets_the_capacity_of_a_colleague(manager: Client, hua: Staff):
    lin = make_staff("Lin", capacity=100)
    make_customers(3, owner=lin)

    assert "3 of 100" in manager.get(f"/staff/{lin.pk}/").text
    assert "3 of 100" in manager.get("/staff/").text
    manager.post(f"/staff/{lin.pk}/capacity/", {"capacity": 50, "was": 100})

    lin.refresh_from_db()
    assert lin.capacity == 50
    entry = HistoryEntry.objects.get()
    assert (entry.action, entry.actor, entry.data) == (
        "staff.capacity_changed",
        hua,
        {"from": 100, "to": 50},
    )


def test_of_two_who_change_a_capacity_the_second_is_told(manager: Client):
    lin = make_staff("Lin", capacity=100)
    Staff.objects.filter(pk=lin.pk).update(capacity=70)

    shown = manager.post(
        f"/staff/{lin.pk}/capacity/", {"capacity": 50, "was": 100}, follow=True
    ).text

    assert "Somebody else has just changed this" in shown
    lin.refresh_from_db()
    assert lin.capacity == 70


@pytest.mark.parametrize("capacity", ["", "-1", "100001", "many"])
def test_a_capacity_that_is_none_is_refused_and_stays_typed(manager: Client, capacity: str):
    lin = make_staff("Lin", capacity=100)

    answer = manager.post(f"/staff/{lin.pk}/capacity/", {"capacity": capacity})

    assert answer.status_code == 400
    assert f'value="{capacity}"' in answer.text
    lin.refresh_from_db()
    assert lin.capacity == 100


def test_a_manager_sets_the_capacity_of_a_whole_store(manager: Client):
    lin, wei = make_staff("Lin"), make_departed("Wei", capacity=7)
    mei = make_staff("Mei", store=make_store("Far"), capacity=7)
    store = first_store()

    assert "Set for all" in manager.get(f"/staff/?store={store.pk}").text
    manager.post("/staff/capacity/", {"store": store.pk, "capacity": 80})

    capacities = dict(Staff.objects.values_list("name", "capacity"))
    assert (capacities["Lin"], capacities["Hua"]) == (80, 80)
    assert (capacities[wei.name], capacities[mei.name]) == (7, 7)
    assert HistoryEntry.objects.get().data == {"to": 80, "staff": 2}
    assert lin


def test_capacities_are_for_managers_and_their_stores(hers: Client, lin: Staff):
    far = make_store("Far")
    mei = make_staff("Mei", store=far)
    assert hers.post(f"/staff/{lin.pk}/capacity/", {"capacity": 1}).status_code == 403
    assert hers.post("/staff/capacity/", {"store": far.pk, "capacity": 1}).status_code == 403

    sign_in(hers, make_staff("Hua", role=Role.MANAGER))
    assert hers.post(f"/staff/{mei.pk}/capacity/", {"capacity": 1}).status_code == 404
    assert hers.post("/staff/capacity/", {"store": far.pk, "capacity": 1}).status_code == 404
    assert not HistoryEntry.objects.exists()
