"""The pool through the API: rows, claims, assignments, rules, one customer, capacities."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.actions.ownership import move_ownership
from contacts.actions.pools import claim_customer
from contacts.enums import Assignment, NoticeKind, OwnershipReason, Role, StaffState
from contacts.models import Customer, HistoryEntry, Notice, OwnershipPeriod, PoolRule, Staff
from contacts.notice_words import sentence
from tests.builders import (
    NOON,
    first_store,
    make_customer,
    make_customers,
    make_departed,
    make_follow,
    make_handover,
    make_staff,
    make_store,
)

pytestmark = pytest.mark.django_db


def make_rule(**fields):
    return PoolRule.objects.create(**{"claiming": True, "store": first_store()} | fields)


@pytest.fixture
def hua():
    first_store()
    return make_staff("Hua", role=Role.MANAGER)


@pytest.fixture
def client(api, hua):
    return api(hua)


def owner_of(customer):
    return Customer.objects.get(pk=customer.pk).owner


# --- rows ---------------------------------------------------------------------------------------


def test_a_manager_reads_who_rests_in_the_pool_and_why(client):
    mei = make_staff("Mei")
    chen = make_customer("Chen", owner=mei, spent=900)
    move_ownership([(chen.pk, None)], reason=OwnershipReason.RECYCLED, now=NOON)
    make_customer("Far", store=make_store("Far"))

    (row,) = client.get("/api/v1/pool").json()["results"]

    assert (row["customer"]["name"], row["reason"], row["former_owner"], row["value"]) == (
        "Chen",
        "recycled",
        "Mei",
        "900.00",
    )


def test_a_guide_reads_whom_they_may_claim(api):
    lin = make_staff("Lin")
    make_customers(3)
    assert api(lin).get("/api/v1/pool").json()["results"] == []

    make_rule(offered=2)
    assert len(api(lin).get("/api/v1/pool").json()["results"]) == 2


@pytest.mark.parametrize(("query", "names"), [("min_value=500", ["Rich"]), ("store=0", None)])
def test_the_pool_is_filtered_and_a_bad_filter_is_an_error(client, query, names):
    make_customer("Rich", spent=900)
    make_customer("Poor")

    answer = client.get(f"/api/v1/pool?{query}")

    assert answer.status_code == (200 if names else 400)
    if names:
        assert [row["customer"]["name"] for row in answer.json()["results"]] == names


def test_the_pool_takes_the_same_queries_for_1_and_3_rows(client):
    def queries():
        with CaptureQueriesContext(connection) as found:
            client.get("/api/v1/pool")
        return len(found)

    make_customers(1)
    queries()
    few = queries()
    make_customers(2)

    assert queries() == few


# --- claims -------------------------------------------------------------------------------------


def test_a_guide_claims_and_the_next_one_gets_409(api):
    make_rule()
    lin, mei, chen = make_staff("Lin"), make_staff("Mei"), make_customer("Chen")

    first = api(lin).post(f"/api/v1/customers/{chen.pk}/claim")
    second = api(mei).post(f"/api/v1/customers/{chen.pk}/claim")

    assert (first.status_code, first.json()["owner"]["name"]) == (200, "Lin")
    assert second.status_code == 409
    assert owner_of(chen) == lin


def test_a_customer_who_left_the_pool_long_ago_is_nobodys_business(api):
    make_rule()
    lin, mei, chen = make_staff("Lin"), make_staff("Mei"), make_customer("Chen")
    claim_customer(chen, staff=lin, now=timezone.now() - timedelta(hours=2))

    assert api(mei).post(f"/api/v1/customers/{chen.pk}/claim").status_code == 404


def test_a_claim_against_the_rule_is_400_and_changes_nothing(api):
    make_rule(claims_per_day=0)
    lin, chen = make_staff("Lin"), make_customer("Chen")

    answer = api(lin).post(f"/api/v1/customers/{chen.pk}/claim")

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:liuke:problem:rule-broken")
    assert owner_of(chen) is None


def test_a_claim_takes_a_key_that_may_write_customers(api):
    make_rule()
    lin, chen = make_staff("Lin"), make_customer("Chen")
    address = f"/api/v1/customers/{chen.pk}/claim"

    assert api(lin, "pool:write").post(address).status_code == 403
    assert api(lin, "customers:write").post(address).status_code == 200


# --- assignments --------------------------------------------------------------------------------


def assign(client, **body):
    return client.post("/api/v1/pool/assign", body)


def shares(answer):
    found = answer.json()["shares"]
    return [(row["staff"] and row["staff"]["name"], row["customers"]) for row in found]


def test_a_dry_run_says_what_the_assignment_does(client, hua):
    lin, mei = make_staff("Lin", capacity=2), make_staff("Mei", capacity=4)
    customers = make_customers(8)
    body = {"match": {}, "but": [customers[0].pk], "receivers": [lin.pk, mei.pk]}

    dry = assign(client, **body, strategy="capacity", dry_run=True)
    assert not Customer.objects.exclude(owner=None).exists()
    done = assign(client, **body, strategy="capacity")

    assert shares(dry) == shares(done) == [("Lin", 2), ("Mei", 4), (None, 1)]
    assert (dry.json()["dry_run"], done.json()["dry_run"]) == (True, False)
    assert owner_of(customers[0]) is None
    assert HistoryEntry.objects.get(action="pool.assigned").actor == hua


def test_some_are_assigned_by_id(client):
    lin = make_staff("Lin")
    chen, zhao = make_customers(2)

    assert shares(assign(client, customers=[zhao.pk], receivers=[lin.pk])) == [("Lin", 1)]
    assert (owner_of(chen), owner_of(zhao)) == (None, lin)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"match": {}, "customers": [1]},
        {"match": {"colour": "blue"}},
        {"match": {"days": "long"}},
        {"match": {"value": -3}},
        {"match": []},
        {"match": {}, "strategy": "one"},
        {"match": {}, "receivers": []},
        {"customers": [10**12]},
        {"match": {}, "receivers": [10**12]},
    ],
)
def test_an_assignment_that_is_not_understood_gives_nobody_away(client, body):
    lin = make_staff("Lin")
    make_customers(2)

    assert assign(client, **{"receivers": [lin.pk]} | body).status_code == 400
    assert not Customer.objects.exclude(owner=None).exists()


def test_customers_and_colleagues_of_other_stores_do_not_exist_for_a_manager(client):
    far = make_store("Far")
    mei, theirs = make_staff("Mei", store=far), make_customer("Theirs", store=far)
    lin, ours = make_staff("Lin"), make_customer("Ours")

    assert assign(client, customers=[theirs.pk], receivers=[lin.pk]).status_code == 400
    assert assign(client, customers=[ours.pk], receivers=[mei.pk]).status_code == 400
    assert assign(client, match={"store": far.pk}, receivers=[lin.pk]).status_code == 400
    assert not Customer.objects.exclude(owner=None).exists()


def test_an_assignment_with_an_idempotency_key_is_done_once(client):
    lin = make_staff("Lin")
    make_customers(2)
    body = {"match": {}, "receivers": [lin.pk]}

    answers = [
        client.post("/api/v1/pool/assign", body, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)
    ]

    assert [row.status_code for row in answers] == [200, 200]
    assert OwnershipPeriod.objects.filter(reason=OwnershipReason.ASSIGNED).count() == 2


# --- rules --------------------------------------------------------------------------------------


def test_the_rule_of_a_store_is_read_and_set(client, hua):
    make_rule(store=None, claims_per_day=3)
    address = f"/api/v1/pool/rules/{hua.store_id}"

    assert (client.get(address).json()["store"], client.get(address).json()["claims_per_day"]) == (
        None,
        3,
    )
    answer = client.put(address, {"assignment": "capacity", "opens_at": "09:30", "weekdays": [1]})

    assert (answer.status_code, answer.json()["store"]) == (200, hua.store_id)
    rule = PoolRule.objects.get(store=hua.store)
    assert (rule.assignment, rule.opens_at.hour, rule.weekdays) == (Assignment.CAPACITY, 9, [1])


@pytest.mark.parametrize(
    "body",
    [
        {"weekdays": [0]},
        {"offered": 51},
        {"opens_at": "22:00"},
        {"warn_days": 9, "recycle_after_days": 9},
        {"store": 3},
        {"claims_per_day": -1},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(client, hua, body):
    assert client.put(f"/api/v1/pool/rules/{hua.store_id}", body).status_code == 400
    assert not PoolRule.objects.exists()


def test_the_rule_of_the_company_is_read_and_set_and_goes_where_no_other_does(api, hua):
    make_rule(claims_per_day=3)
    jin = api(make_staff("Jin", role=Role.ADMINISTRATOR))
    address = "/api/v1/pool/rules/company"

    assert jin.get(address).json()["claiming"] is False
    answer = jin.put(address, {"claiming": True, "claims_per_day": 9})

    assert (answer.status_code, answer.json()["store"]) == (200, None)
    assert (answer.json()["claims_per_day"], jin.get(address).json()) == (9, answer.json())
    far = jin.get(f"/api/v1/pool/rules/{make_store('Far').pk}").json()
    assert (far["store"], far["claims_per_day"]) == (None, 9)
    assert jin.get(f"/api/v1/pool/rules/{hua.store_id}").json()["claims_per_day"] == 3


def test_a_company_rule_that_makes_no_sense_or_is_anothers_to_set_changes_nothing(api, client):
    address = "/api/v1/pool/rules/company"

    refused = api(make_staff("Jin", role=Role.ADMINISTRATOR)).put(address, {"opens_at": "22:00"})

    assert refused.status_code == 400
    assert client.put(address, {"claiming": True}).status_code == 404
    assert not PoolRule.objects.exists()


# --- one customer -------------------------------------------------------------------------------


def transfer(client, customer, to):
    return client.post(f"/api/v1/customers/{customer.pk}/transfer", {"to": to.pk})


def test_a_manager_gives_one_customer_to_a_colleague(client, hua):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=lin)
    make_follow(lin, chen)

    answer = transfer(client, chen, mei)

    assert answer.json()["owner"]["name"] == "Mei"
    period = OwnershipPeriod.objects.get(customer=chen, ended_at=None)
    assert (period.staff, period.reason) == (mei, OwnershipReason.TRANSFER)
    assert chen.follows.active().get().staff == lin
    entry = HistoryEntry.objects.get(action="customer.transferred")
    assert (entry.customer, entry.actor) == (chen, hua)
    assert entry.data == {"from": lin.pk, "to": mei.pk}


def test_who_is_given_a_customer_is_told_and_whoever_takes_one_knows(client, hua):
    mei, chen, zhao = make_staff("Mei"), make_customer("Chen"), make_customer("Zhao")

    transfer(client, chen, mei)
    transfer(client, zhao, hua)

    told = Notice.objects.get()
    assert (told.staff, told.customer, told.kind) == (mei, chen, NoticeKind.HANDED_OVER)
    assert sentence(told) == "You answer for Chen now."


def test_one_of_the_pool_can_be_given_as_well(client):
    mei, chen = make_staff("Mei"), make_customer("Chen")

    assert transfer(client, chen, mei).status_code == 200
    assert owner_of(chen) == mei


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": StaffState.SUSPENDED}, "not at work"),
        ({"state": StaffState.LEAVING, "leaves_on": NOON.date()}, "not at work"),
        ({"capacity": 0}, "no room"),
    ],
)
def test_who_cannot_take_a_customer_is_not_given_one(client, fields, says):
    lin = make_staff("Lin")
    mei, chen = make_staff("Mei", **fields), make_customer("Chen", owner=lin)

    answer = transfer(client, chen, mei)

    assert (answer.status_code, says in answer.json()["detail"]) == (400, True)
    assert owner_of(chen) == lin
    assert not HistoryEntry.objects.exists()


@pytest.mark.parametrize("in_pool", [True, False])
def test_a_customer_in_an_open_handover_is_not_given_away(client, in_pool):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=None if in_pool else lin)
    make_handover(make_departed(), customers=[chen])

    answer = transfer(client, chen, mei)

    assert (answer.status_code, "open handover" in answer.json()["detail"]) == (400, True)
    assert owner_of(chen) != mei


def test_nobody_is_given_whom_they_have_or_a_stranger(client):
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin)
    stranger = make_staff("Far", store=make_store("Far"))

    assert transfer(client, chen, lin).status_code == 400
    assert transfer(client, chen, stranger).status_code == 400
    assert owner_of(chen) == lin


def test_whoever_gives_away_their_own_customer_of_another_store_has_done_so(client, hua):
    lin, zhao = make_staff("Lin"), make_customer("Zhao", owner=hua, store=make_store("Airport"))

    answer = transfer(client, zhao, lin)

    assert (answer.status_code, answer.json()["owner"]["name"]) == (200, "Lin")
    assert owner_of(zhao) == lin
    assert client.get(f"/api/v1/customers/{zhao.pk}").status_code == 404


# --- capacities ---------------------------------------------------------------------------------


def test_the_capacity_of_a_colleague_is_set(client):
    lin = make_staff("Lin", capacity=100)

    answer = client.post(f"/api/v1/staff/{lin.pk}/capacity", {"capacity": 80})

    assert (answer.status_code, answer.json()["capacity"]) == (200, 80)
    assert Staff.objects.get(pk=lin.pk).capacity == 80


@pytest.mark.parametrize("capacity", [-1, 100_001, "many", None])
def test_a_capacity_that_is_none_is_refused(client, capacity):
    lin = make_staff("Lin", capacity=100)

    answer = client.post(f"/api/v1/staff/{lin.pk}/capacity", {"capacity": capacity})

    assert answer.status_code == 400
    assert Staff.objects.get(pk=lin.pk).capacity == 100


def test_nobody_who_has_departed_gets_a_capacity(client):
    wei = make_departed(capacity=100)

    assert client.post(f"/api/v1/staff/{wei.pk}/capacity", {"capacity": 1}).status_code == 400
