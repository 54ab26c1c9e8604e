"""Tasks, orders and briefs by API: who may, what is refused, and the price of a list."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.actions.ownership import move_ownership
from contacts.enums import CustomerState, IdentityKind, OwnershipReason, TaskKind, TaskState
from contacts.models import Task
from crm.enums import OrderState
from crm.models import Order
from tests.builders import (
    NOON,
    make_customer,
    make_identity,
    make_order,
    make_staff,
    make_store,
    make_task,
)

pytestmark = pytest.mark.django_db

PHONE = "+8613812345678"


@pytest.fixture
def lin():
    return make_staff("Lin")


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def order(**fields):
    told = {
        "system": "shop", "number": "1", "state": "paid", "amount": "100.00",
        "ordered_at": NOON.isoformat(),
    }  # fmt: skip
    return told | fields


# --- tasks ----------------------------------------------------------------------------------------


def test_a_guide_adds_a_promise_to_a_customer(api, lin):
    chen = make_customer(owner=lin)
    due = (timezone.localdate() + timedelta(days=2)).isoformat()

    answer = api(lin).post(
        "/api/v1/tasks",
        {"kind": "promise", "text": "Coat in M", "customer": chen.pk, "due_on": due},
    )

    assert answer.status_code == 201
    said = answer.json()
    assert (said["kind"], said["due_on"], said["state"]) == ("promise", due, "open")
    assert said["staff"]["id"] == said["created_by"] == lin.pk
    assert said["customer"]["id"] == chen.pk


@pytest.mark.parametrize(
    "body",
    [
        {"text": " "},
        {"text": "x" * 401},
        {"text": "Call", "kind": "decision"},
        {"text": "Call", "due_on": "2020-01-01"},
        {"text": "Call", "customer": 10**6},
        {"text": "Call", "state": "done"},
    ],
)
def test_what_makes_no_sense_is_refused(api, lin, body):
    assert api(lin).post("/api/v1/tasks", body).status_code == 400
    assert not Task.objects.exists()


def test_only_a_manager_gives_tasks_to_others(api, lin, hua):
    mei, far = make_staff("Mei"), make_staff("Far", store=make_store("Xidan"))

    by_guide = api(lin).post("/api/v1/tasks", {"text": "Call", "staff": mei.pk})
    beyond = api(hua).post("/api/v1/tasks", {"text": "Call", "staff": far.pk})
    by_manager = api(hua).post("/api/v1/tasks", {"text": "Call", "staff": mei.pk})

    assert (by_guide.status_code, beyond.status_code) == (403, 400)
    assert by_manager.json()["staff"]["id"] == mei.pk


def test_tasks_are_narrowed_down(api, lin, hua):
    chen = make_customer(owner=lin)
    today = NOON.date()
    mine = make_task(staff=lin, due_on=today)
    about = make_task(staff=lin, customer=chen, kind=TaskKind.PROMISE)
    store = make_task(due_on=today + timedelta(days=5))
    done = make_task(staff=lin, state=TaskState.DONE)
    client = api(hua)

    for query, wanted in {
        f"staff={lin.pk}&state=open": [about, mine],
        f"customer={chen.pk}": [about],
        "kind=promise": [about],
        "state=done": [done],
        "unassigned=true": [store],
        f"due_until={today}": [mine],
    }.items():
        assert ids(client.get(f"/api/v1/tasks?{query}")) == [task.pk for task in wanted], query
    assert client.get("/api/v1/tasks?due_until=soon").status_code == 400


def test_a_guide_sees_own_tasks_and_those_about_own_customers(api, lin, hua):
    own = make_task(staff=lin)
    about = make_task(staff=hua, customer=make_customer(owner=lin))
    make_task()
    make_task(staff=make_staff("Mei"), customer=make_customer())

    assert ids(api(lin).get("/api/v1/tasks")) == [about.pk, own.pk]


def test_of_two_who_do_the_same_task_the_second_is_told(api, lin):
    task = make_task(staff=lin)
    client = api(lin)

    assert client.post(f"/api/v1/tasks/{task.pk}/done").json()["state"] == "done"
    late = client.post(f"/api/v1/tasks/{task.pk}/drop")

    assert late.status_code == 409
    assert late.json()["fresh"]["state"] == "done"


def test_a_manager_hands_a_task_on_and_back_to_the_store(api, lin, hua):
    task = make_task(staff=lin)
    client = api(hua)

    given = client.post(f"/api/v1/tasks/{task.pk}/reassign", {"staff": hua.pk})
    back = client.post(f"/api/v1/tasks/{task.pk}/reassign", {"staff": None})

    assert given.json()["staff"]["id"] == hua.pk
    assert back.json()["staff"] is None


# --- orders ---------------------------------------------------------------------------------------


def test_an_order_is_told_by_identity_once_and_again(api, hua):
    chen = make_customer()
    make_identity(chen, PHONE, kind=IdentityKind.PHONE)
    client = api(hua)
    told = order(
        identity={"kind": "phone", "value": "+86 138 1234 5678"},
        items=[{"name": "羊绒大衣", "category": "大衣", "price": "100.00"}],
    )

    new, again = client.post("/api/v1/orders", told), client.post("/api/v1/orders", told)
    done = client.post("/api/v1/orders", told | {"state": "done"})

    assert [answer.status_code for answer in (new, again, done)] == [201, 200, 200]
    assert new.json()["id"] == done.json()["id"]
    assert done.json()["state"] == "done"
    assert new.json()["items"] == [
        {"name": "羊绒大衣", "category": "大衣", "quantity": 1, "price": "100.00"}
    ]
    chen.refresh_from_db()
    assert chen.spent == 100
    assert client.get(f"/api/v1/customers/{chen.pk}").json()["spent"] == "100.00"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"customer": 1, "identity": {"kind": "phone", "value": PHONE}},
        {"identity": {"kind": "phone", "value": "+8613800000000"}},
        {"customer": 10**6},
        {"amount": "-1"},
        {"amount": "NaN"},
        {"state": "lost"},
        {"currency": "yuan"},
        {"system": "a b"},
        {"ordered_at": "2199-01-01T00:00:00Z"},
        {"items": [{"quantity": 1}]},
        {"items": [{"name": "Coat", "colour": "blue"}]},
        {"spent": "1000"},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(api, hua, fields):
    chen = make_customer()
    body = order(**fields)
    if fields and not {"customer", "identity"} & fields.keys():
        body["customer"] = chen.pk

    assert api(hua).post("/api/v1/orders", body).status_code == 400
    assert not Order.objects.exists()


def test_an_order_of_another_store_stays_there(api, hua):
    far = make_customer("Zhao", store=make_store("Xidan"))
    order_there = make_order(far)

    answer = api(hua).post("/api/v1/orders", order(customer=far.pk))

    assert answer.status_code == 400
    assert ids(api(hua).get("/api/v1/orders")) == []
    assert Order.objects.get() == order_there


def test_orders_are_narrowed_down_those_of_the_merged_included(api, hua):
    chen = make_customer()
    twin = make_customer("Chen Jing", state=CustomerState.MERGED, merged_into=chen)
    first = make_order(chen, number="A", system="till")
    second = make_order(twin, number="B", state=OrderState.OPEN)
    client = api(hua)

    assert ids(client.get("/api/v1/orders")) == [second.pk, first.pk]
    assert ids(client.get("/api/v1/orders?system=till&number=A")) == [first.pk]
    assert ids(client.get("/api/v1/orders?state=open")) == [second.pk]


# --- briefs and lists -----------------------------------------------------------------------------


def test_a_brief_says_what_the_page_says(api, lin):
    mei = make_staff("Mei")
    chen = make_customer("Chen", owner=mei, spent=100)
    move_ownership(
        [(chen.pk, lin.pk)], reason=OwnershipReason.TRANSFER, now=NOON + timedelta(hours=1)
    )
    make_order(chen, state=OrderState.SHIPPED, items=[{"name": "Coat", "category": "coats"}])
    promise = make_task(customer=chen, staff=lin, kind=TaskKind.PROMISE)

    brief = api(lin).get(f"/api/v1/customers/{chen.pk}/brief").json()

    assert (brief["came_from"], brief["spent"], brief["likes"]) == ("Mei", "100.00", ["coats"])
    assert [task["id"] for task in brief["promises"]] == [promise.pk]
    assert brief["tasks"] == []
    assert len(brief["orders"]) == 1
    assert brief["greeting"].startswith("Hello Chen, this is Lin")


@pytest.mark.parametrize("resource", ["tasks", "orders"])
def test_a_list_takes_the_same_queries_for_1_and_3_rows(api, hua, resource):
    def add():
        chen = make_customer()
        make_task(staff=make_staff("Lin"), customer=chen)
        make_order(chen, staff=hua, store=chen.store)

    def price():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/api/v1/{resource}").status_code == 200
        return len(queries)

    client = api(hua)
    add()
    client.get(f"/api/v1/{resource}")
    one = price()
    add()
    add()

    assert price() == one
