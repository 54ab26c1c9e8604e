"""Somebody with several roles: each role reaches as far as its own grant, and lends no other its reach."""

from typing import Any

import pytest
from django.test import Client

from contacts.actions.consent import opt_out
from contacts.actions.history import record
from contacts.enums import IdentityKind, Role, Scope, StaffState
from contacts.models import Customer, Handover, RoleGrant, Staff, Store
from crm.access import (
    campaigns_of,
    colleagues_of,
    customers_of,
    deliveries_of,
    handovers_of,
    staff_of,
    viewer_for,
)
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_customer,
    make_departed,
    make_handover,
    make_identity,
    make_staff,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db

PHONE = "+8613812345678"


class World:
    """Boss stands in one store; Lin, Chen and a handover of Wei's are in another."""

    def __init__(self, **grants: Scope) -> None:
        self.there = make_store("Far")
        self.here = make_store("Here")
        self.boss = make_staff("Boss", role=None, store=self.here)
        for role, scope in grants.items():
            RoleGrant.objects.create(staff=self.boss, role=role, scope=scope)
        self.viewer = viewer_for(self.boss)
        self.lin = make_staff("Lin", store=self.there)
        self.near = make_staff("Near", store=self.here)
        self.chen = make_customer("Chen", owner=self.lin)
        make_identity(self.chen, PHONE, kind=IdentityKind.PHONE)
        self.handover = make_handover(
            make_departed("Wei", store=self.there), customers=[make_customer(store=self.there)]
        )
        self.campaign = make_campaign()
        make_batch(self.campaign, [self.chen], sender=self.lin)

    def client(self) -> Client:
        return sign_in(Client(), self.boss)

    def post(self, address: str, body: dict[str, Any]) -> Any:
        return self.client().post(address, body, content_type="application/json")


# Whose other-store rows the person has: customers, staff, handovers, campaigns, deliveries.
MATRIX = [
    ({"manager": Scope.STORE, "marketer": Scope.COMPANY}, (True, False, False, True, True)),
    ({"manager": Scope.COMPANY, "marketer": Scope.STORE}, (True, True, True, False, False)),
    ({"guide": Scope.OWN, "marketer": Scope.COMPANY}, (True, False, False, True, True)),
    ({"manager": Scope.STORE, "marketer": Scope.STORE}, (False, False, False, False, False)),
    ({"manager": Scope.STORE, "guide": Scope.COMPANY}, (True, False, False, False, False)),
    ({"manager": Scope.STORE, "administrator": Scope.COMPANY}, (True, True, True, True, True)),
    ({"administrator": Scope.STORE, "marketer": Scope.COMPANY}, (True, False, False, True, True)),
    ({"administrator": Scope.STORE}, (False, False, False, False, False)),
]


@pytest.mark.parametrize(("grants", "expected"), MATRIX)
def test_a_role_reaches_as_far_as_its_own_grant(
    grants: dict[str, Scope], expected: tuple[bool, ...]
) -> None:
    world = World(**grants)
    viewer = world.viewer

    assert expected == (
        world.chen in customers_of(viewer),
        world.lin in staff_of(viewer),
        world.handover in handovers_of(viewer),
        world.campaign in campaigns_of(viewer),
        deliveries_of(viewer).filter(customer=world.chen).exists(),
    )
    assert world.boss in staff_of(viewer)


@pytest.fixture
def mixed() -> World:
    """A manager of one store who also writes the whole company's campaigns."""
    return World(manager=Scope.STORE, marketer=Scope.COMPANY)


def test_a_manager_lets_nobody_go_whom_only_the_marketer_sees(mixed: World) -> None:
    client, pk = mixed.client(), mixed.lin.pk

    statuses = [
        client.get(f"/staff/{pk}/").status_code,
        client.get(f"/staff/{pk}/depart/").status_code,
        client.post(f"/staff/{pk}/depart/").status_code,
        client.post(f"/staff/{pk}/hand-over/").status_code,
        mixed.post(f"/api/v1/staff/{pk}/depart", {}).status_code,
        mixed.post("/api/v1/handovers", {"from_staff": pk, "kind": "leave"}).status_code,
    ]

    assert statuses == [404, 404, 404, 404, 404, 400]
    mixed.lin.refresh_from_db()
    assert mixed.lin.state == StaffState.ACTIVE
    assert Handover.objects.get() == mixed.handover
    assert client.post(f"/staff/{mixed.near.pk}/depart/").status_code == 302


def test_nobody_elsewhere_can_be_made_to_take_customers(mixed: World) -> None:
    own = make_handover(make_departed("Old", store=mixed.here))
    address = f"/handovers/{own.pk}/propose/"

    def propose(person: Staff) -> int:
        said = {"receivers": [person.pk], "strategy": "evenly"}
        return mixed.client().post(address, said).status_code

    assert (propose(mixed.lin), propose(mixed.near)) == (400, 302)
    body = {"receivers": [mixed.lin.pk]}
    assert mixed.post(f"/api/v1/handovers/{own.pk}/propose", body).status_code == 400


def test_what_a_marketer_sees_a_manager_of_elsewhere_neither_edits_nor_calls(mixed: World) -> None:
    client, address = mixed.client(), f"/api/v1/customers/{mixed.chen.pk}"

    page = client.get(f"/customers/{mixed.chen.pk}/")
    row = client.get(address)
    edited = client.patch(address, {"city": "Suzhou"}, content_type="application/json")
    logged = mixed.post(f"{address}/interactions", {"kind": "note", "text": "x"})

    assert (page.status_code, row.status_code) == (200, 200)
    assert "13812345678" not in page.text + row.content.decode()
    assert (edited.status_code, logged.status_code) == (404, 404)
    body = {"identities": [{"kind": "member_no", "value": "M1"}]}
    elsewhere = [body | {"store": mixed.there.pk}, body | {"owner": mixed.lin.pk}]
    assert [mixed.post("/api/v1/customers", said).status_code for said in elsewhere] == [400, 400]


def test_contact_codes_hang_where_the_manager_manages(mixed: World) -> None:
    said = {"name": "Door", "store": mixed.there.pk, "staff": [mixed.near.pk]}

    assert mixed.post("/api/v1/contact-codes", said).status_code == 400
    assert mixed.post("/api/v1/contact-codes", said | {"store": mixed.here.pk}).status_code == 201


def test_the_staff_screen_offers_the_managers_stores_only(mixed: World) -> None:
    page = mixed.client().get("/staff/")

    assert list(page.context["stores"]) == [mixed.here]
    assert {row.name for row in page.context["page"].rows} == {"Boss", "Near"}


def test_colleagues_can_be_named_as_far_as_their_customers_are_seen(mixed: World) -> None:
    assert mixed.lin in colleagues_of(mixed.viewer)
    assert mixed.lin in mixed.client().get("/customers/").context["owners"]


def test_an_administrator_of_one_store_lets_no_administrator_of_another_go() -> None:
    world = World(administrator=Scope.STORE, manager=Scope.COMPANY)
    chief = make_staff("Chief", role=Role.ADMINISTRATOR, store=world.there)

    world.client().post(f"/staff/{chief.pk}/depart/")

    chief.refresh_from_db()
    assert chief.state == StaffState.ACTIVE


def test_history_ends_where_the_administrators_grant_ends() -> None:
    world = World(administrator=Scope.STORE, marketer=Scope.COMPANY)
    near = make_customer("Zhao", owner=world.near)
    for customer in (world.chen, near):
        opt_out(customer, source="test", now=NOON)
    for subject in (world.lin, world.near, world.handover, world.campaign):
        record(subject, "thing.done", actor=world.boss, at=NOON)

    rows = world.client().get("/api/v1/history").json()["results"]
    assert [(row["subject_kind"], row["subject_id"]) for row in rows] == [
        ("staff", world.near.pk),
        ("customer", near.pk),
    ]

    RoleGrant.objects.filter(role=Role.ADMINISTRATOR).update(scope=Scope.COMPANY)
    assert len(world.client().get("/api/v1/history").json()["results"]) == 6


def test_several_granted_stores_are_all_reached_by_that_role_alone() -> None:
    world = World(manager=Scope.STORE, marketer=Scope.STORE)
    third: Store = make_store("Third")
    RoleGrant.objects.get(role=Role.MARKETER).stores.set([world.there, third])
    viewer = viewer_for(world.boss)

    assert set(viewer.stores_for(Role.MARKETER) or ()) == {world.here.pk, world.there.pk, third.pk}
    assert viewer.stores_for(Role.MANAGER) == frozenset({world.here.pk})
    assert Customer.objects.filter(store=world.there).count() == 2
    assert customers_of(viewer).filter(store=world.there).count() == 2
    assert not customers_of(viewer, Role.MANAGER).filter(store=world.there).exists()


def test_a_suspended_person_has_no_way_in() -> None:
    lin = make_staff("Lin", state=StaffState.SUSPENDED, role=Role.MANAGER)
    client = sign_in(Client(), lin)

    for address in ("/", "/customers/", "/staff/", "/me/", "/api/v1/customers", "/api/v1/tags"):
        assert client.get(address).status_code == 403, address
    page = client.get("/customers/").text
    assert "suspended" in page
    assert "/accounts/logout/" in page
    assert "/handovers/" not in page
