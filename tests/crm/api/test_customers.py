"""Customers through the API: upsert by identity, what may be written, tags, interactions."""

import pytest

from contacts.enums import IdentityKind, Role, Scope
from contacts.models import ConsentEntry, Customer, HistoryEntry, Identity, OwnershipPeriod
from tests.builders import (
    make_customer,
    make_departed,
    make_follow,
    make_identity,
    make_staff,
    make_store,
    make_tag,
)

pytestmark = pytest.mark.django_db

PHONE = {"kind": "phone", "value": "+86 138 1234 5678"}
MEMBER = {"kind": "member_no", "value": "M1"}


@pytest.fixture
def lin():
    return make_staff("Lin")


@pytest.fixture
def hua(lin):
    return make_staff("Hua", role=Role.MANAGER, store=lin.store)


def add(client, *identities, **details):
    return client.post("/api/v1/customers", {"identities": list(identities), **details})


def test_a_guides_new_customer_is_theirs(api, lin):
    answer = add(api(lin), PHONE, MEMBER, name="陈静", city="上海")

    body = answer.json()
    assert answer.status_code == 201
    assert body["owner"] == {"id": lin.pk, "name": "Lin"}
    assert body["store"]["id"] == lin.store_id
    assert body["identities"] == [
        {"kind": "member_no", "system": "", "value": "M1"},
        {"kind": "phone", "system": "", "value": "+8613812345678"},
    ]
    customer = Customer.objects.get(pk=body["id"])
    assert customer.name_key == "chen jing"
    assert "+8613812345678" in customer.search_key
    assert OwnershipPeriod.objects.get(customer=customer).staff == lin
    assert HistoryEntry.objects.get(customer=customer).actor == lin


def test_a_known_identity_finds_the_customer_and_overwrites_nothing(api, lin):
    first = add(api(lin), PHONE, name="Chen").json()

    answer = add(api(lin), MEMBER, PHONE, name="Other", city="Suzhou")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["id"], body["name"], body["city"]) == (first["id"], "Chen", "Suzhou")
    assert {row["value"] for row in body["identities"]} == {"+8613812345678", "M1"}
    assert "m1" in Customer.objects.get().search_key


def test_identities_of_two_customers_are_refused(api, lin):
    add(api(lin), PHONE)
    add(api(lin), MEMBER)

    answer = add(api(lin), PHONE, MEMBER)

    assert answer.status_code == 400
    assert "different customers" in answer.json()["detail"]


def test_a_customer_of_somebody_else_is_neither_shown_nor_changed(api, lin):
    mei = make_staff("Mei", store=make_store("Xidan"))
    add(api(mei), PHONE, name="Chen")

    answer = add(api(lin), PHONE, MEMBER, name="Mine", city="Suzhou")

    assert answer.status_code == 400
    assert "Chen" not in answer.content.decode()
    assert Customer.objects.get().city == ""
    assert Identity.objects.count() == 1


def test_a_guide_cannot_choose_owner_or_store(api, lin):
    mei = make_staff("Mei")

    assert add(api(lin), PHONE, owner=mei.pk).status_code == 403
    assert add(api(lin), PHONE, store=lin.store_id).status_code == 403
    assert not Customer.objects.exists()


def test_a_manager_chooses_owner_and_store_within_sight(api, hua, lin):
    outsider = make_staff("Mei", store=make_store("Xidan"))

    assert add(api(hua), PHONE, owner=lin.pk).json()["owner"]["id"] == lin.pk
    assert add(api(hua), MEMBER).json()["owner"] is None
    assert add(api(hua), {"kind": "member_no", "value": "M2"}, owner=outsider.pk).status_code == 400
    assert (
        add(api(hua), {"kind": "member_no", "value": "M2"}, store=outsider.store_id).status_code
        == 400
    )
    assert Customer.objects.count() == 2


def test_nobody_departed_becomes_an_owner(api, hua, lin):
    wei = make_departed(store=lin.store)

    answer = add(api(hua), PHONE, owner=wei.pk)

    assert answer.status_code == 400
    assert "departed" in answer.json()["detail"]
    assert not Customer.objects.exists()


@pytest.mark.parametrize("identity", [
    {"kind": "phone", "value": "13812345678"}, {"kind": "phone", "value": "+1"},
    {"kind": "email", "value": "nobody"}, {"kind": "crm", "value": "7"},
    {"kind": "phone", "system": "erp", "value": "+8613812345678"}, {"kind": "fax", "value": "1"},
    {"kind": "member_no", "value": ""}, {"kind": "member_no"}, {"value": "1"}, "phone:1",
])  # fmt: skip
def test_a_bad_identity_is_refused(api, lin, identity):
    answer = add(api(lin), identity)

    assert answer.status_code == 400
    assert "identities" in answer.json()["errors"]


def test_an_outside_system_has_its_own_numbers(api, lin):
    erp = add(api(lin), {"kind": "crm", "system": "erp", "value": "7"})
    pos = add(api(lin), {"kind": "crm", "system": "pos", "value": "7"})

    assert erp.status_code == pos.status_code == 201
    assert Customer.objects.count() == 2


def test_what_is_written_about_a_customer_can_be_changed(api, lin):
    customer = make_customer("Chen", owner=lin)
    make_identity(customer, "+8613812345678", kind=IdentityKind.PHONE)
    changes = {"name": "陈静", "birthday": "1990-02-03", "gender": "female", "note": "Blue"}

    body = api(lin).patch(f"/api/v1/customers/{customer.pk}", changes).json()

    customer.refresh_from_db()
    assert {field: body[field] for field in changes} == changes
    assert customer.search_key == "陈静 chenjing cj +8613812345678"
    entry = HistoryEntry.objects.get(customer=customer)
    assert entry.data == {"fields": ["birthday", "gender", "name", "note"]}


@pytest.mark.parametrize("change", [
    {"name": " "}, {"name": ""}, {"birthday": "2999-01-01"}, {"birthday": "1066-01-01"},
    {"gender": "x"}, {"note": 5 * ["x"]}, {"owner": 1},
])  # fmt: skip
def test_a_bad_change_changes_nothing(api, lin, change):
    customer = make_customer("Chen", owner=lin)

    answer = api(lin).patch(f"/api/v1/customers/{customer.pk}", change | {"city": "Suzhou"})

    customer.refresh_from_db()
    assert answer.status_code == 400
    assert customer.city == ""
    assert not HistoryEntry.objects.exists()


KEYS = {
    "id", "name", "gender", "birthday", "city", "note", "time_zone", "attributes", "store", "owner", "identities", "tags",
    "last_interaction_at", "last_order_at", "spent", "opted_out_at", "state", "created_at",
}  # fmt: skip


@pytest.mark.parametrize(("who", "shown"), [
    ("owner", "+8613812345678"),
    ("manager", "+8613812345678"),
    ("marketer", "+86138****5678"),
    ("colleague", "+86138****5678"),
])  # fmt: skip
def test_phone_numbers_are_for_owners_and_managers(api, lin, hua, who, shown):
    people = {
        "owner": lin,
        "manager": hua,
        "marketer": make_staff("Tao", role=Role.MARKETER),
        "colleague": make_staff("Mei", scope=Scope.STORE, store=lin.store),
    }
    customer = make_customer("Chen", owner=lin)
    make_identity(customer, "+8613812345678", kind=IdentityKind.PHONE)
    client = api(people[who])

    one = client.get(f"/api/v1/customers/{customer.pk}")
    rows = client.get("/api/v1/customers").json()["results"]
    identities = client.get("/api/v1/identities").json()["results"]

    assert set(one.json()) == KEYS
    assert rows == [one.json()]
    assert one.json()["identities"][0]["value"] == identities[0]["value"] == shown


def test_tags_come_and_go(api, lin):
    customer, old, new = make_customer(owner=lin), make_tag("Old"), make_tag("New")
    url = f"/api/v1/customers/{customer.pk}/tags"
    api(lin).post(url, {"add": [old.pk]})

    body = api(lin).post(url, {"add": [new.pk, new.pk], "remove": [old.pk]}).json()

    assert body["tags"] == [{"id": new.pk, "name": "New"}]


def test_an_unknown_tag_changes_nothing(api, lin):
    customer, tag = make_customer(owner=lin), make_tag()
    url = f"/api/v1/customers/{customer.pk}/tags"
    api(lin).post(url, {"add": [tag.pk]})

    answer = api(lin).post(url, {"remove": [tag.pk], "add": [tag.pk + 1]})

    assert answer.status_code == 400
    assert customer.carried_tags.count() == 1


def test_an_interaction_is_logged(api, lin):
    customer = make_customer(owner=lin)
    said = {
        "kind": "visit",
        "text": "Tried the blue coat",
        "happened_at": "2026-03-01T10:00:00+08:00",
    }

    answer = api(lin).post(f"/api/v1/customers/{customer.pk}/interactions", said)

    customer.refresh_from_db()
    assert answer.status_code == 201
    assert answer.json()["staff"]["id"] == lin.pk
    assert customer.last_interaction_at == customer.interactions.get().happened_at


def test_an_interaction_in_the_future_is_refused(api, lin):
    customer = make_customer(owner=lin)
    said = {"customer": customer.pk, "kind": "call", "happened_at": "2190-01-01T00:00:00Z"}

    answer = api(lin).post("/api/v1/interactions", said)

    assert answer.json()["type"] == "urn:liuke:problem:rule-broken"
    assert not customer.interactions.exists()


def test_an_opt_out_is_kept_with_its_source(api, lin):
    customer = make_customer(owner=lin)

    body = api(lin).post(f"/api/v1/customers/{customer.pk}/opt-out", {"source": "till"}).json()

    assert body["opted_out_at"]
    assert ConsentEntry.objects.get().source == "till"


def test_somebody_elses_follow_of_my_customer_is_seen(api, lin):
    mei = make_staff("Mei", store=make_store("Xidan"))
    chen = make_customer("Chen", owner=lin)
    follow = make_follow(mei, chen)
    make_follow(mei, make_customer("Zhao", owner=mei))

    rows = api(lin).get("/api/v1/follows").json()["results"]

    assert [row["id"] for row in rows] == [follow.pk]


def test_custom_attributes_are_learnt_changed_and_taken_away(api, lin):
    client = api(lin)
    known = {"size": "M", "shoe": 38, "vip": True}

    body = add(client, PHONE, name="Chen", attributes=known).json()
    assert body["attributes"] == known

    again = add(client, PHONE, attributes={"size": "L", "points": 12.5}).json()
    assert again["attributes"] == known | {"points": 12.5}

    changes = {"attributes": {"size": "L", "vip": None, "never": None}}
    changed = client.patch(f"/api/v1/customers/{body['id']}", changes).json()
    assert changed["attributes"] == {"size": "L", "shoe": 38, "points": 12.5}
    entry = HistoryEntry.objects.filter(action="customer.edited").latest("pk")
    assert entry.data == {"fields": ["attributes"]}


@pytest.mark.parametrize("attributes", [
    {"": "x"}, {"1": "x"}, {"a" * 41: "x"}, {"a\0": "x"}, {"size": ["M"]}, {"size": {"x": 1}},
    {"size": "x" * 101}, {"size": ""}, {"size": "a\0b"}, {"points": 10**12}, {"points": 0.00001},
    {f"k{n}": 1 for n in range(101)}, ["size"], "size",
])  # fmt: skip
def test_attributes_that_could_not_be_asked_for_are_refused(api, lin, attributes):
    assert add(api(lin), PHONE, attributes=attributes).status_code == 400
    assert not Customer.objects.exists()


def test_a_customer_holds_only_so_many_attributes(api, lin):
    client = api(lin)
    pk = add(client, PHONE, attributes={f"k{n}": n for n in range(100)}).json()["id"]

    one_more = {"attributes": {"more": 1}}
    assert client.patch(f"/api/v1/customers/{pk}", one_more).status_code == 400
    assert add(client, PHONE, **one_more).status_code == 400
    swapped = {"attributes": {"k0": None, "more": 1}}
    assert client.patch(f"/api/v1/customers/{pk}", swapped).status_code == 200
