"""Levelling the load of a store: who gives how many to whom, on the page and through the API."""

from typing import Any

import pytest
from django.test import Client

from contacts.enums import HandoverKind, HandoverState, Role, StaffState
from contacts.errors import RuleBroken
from contacts.levels import level_loads
from contacts.models import Customer, Handover, Staff
from crm.actions.plans import plan_levelling
from tests.builders import (
    NOON,
    first_store,
    make_customers,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def guide(name: str, customers: int, **fields: Any) -> Staff:
    person = make_staff(name, **{"capacity": 100} | fields)
    make_customers(customers, owner=person)
    return person


def loads() -> dict[str, tuple[int, int]]:
    return {load.staff.name: (load.owned, load.after) for load in level_loads(first_store())}


def test_everybody_ends_with_a_part_in_proportion_to_their_capacity():
    guide("Lin", 30)
    guide("Mei", 0, capacity=200)
    guide("Sun", 6)

    assert loads() == {"Lin": (30, 9), "Mei": (0, 18), "Sun": (6, 9)}


def test_who_cannot_take_customers_and_other_stores_do_not_count():
    guide("Lin", 10)
    guide("Sick", 10, state=StaffState.SUSPENDED)
    guide("Far", 0, store=make_store("Far"))
    make_staff("Hua", role=Role.MANAGER)

    assert loads() == {"Lin": (10, 10)}


def test_a_little_more_than_ones_part_is_left_alone():
    guide("Lin", 41)
    guide("Mei", 39)

    assert loads() == {"Lin": (41, 41), "Mei": (39, 39)}


def test_one_handover_is_planned_for_each_who_holds_too_much_and_nothing_moves():
    lin, sun, mei = guide("Lin", 20), guide("Sun", 16), guide("Mei", 0)

    plans = plan_levelling(first_store(), actor=None, now=NOON)

    assert [(plan.from_staff, plan.size, plan.kind) for plan in plans] == [
        (lin, 8, HandoverKind.REBALANCE),
        (sun, 4, HandoverKind.REBALANCE),
    ]
    assert all(set(plan.items.values_list("to_staff", flat=True)) == {mei.pk} for plan in plans)
    assert Customer.objects.filter(owner=lin).count() == 20


def test_an_even_load_plans_nothing():
    guide("Lin", 5)
    guide("Mei", 5)

    with pytest.raises(RuleBroken, match="is even"):
        plan_levelling(first_store(), actor=None, now=NOON)

    assert not Handover.objects.exists()


def test_a_second_levelling_is_refused_whole():
    guide("Lin", 20)
    guide("Mei", 0)
    plan_levelling(first_store(), actor=None, now=NOON)

    with pytest.raises(RuleBroken, match="another open handover"):
        plan_levelling(first_store(), actor=None, now=NOON)

    assert Handover.objects.count() == 1


def test_the_page_shows_the_load_and_plans_it(client: Client):
    guide("Lin", 20)
    guide("Mei", 0)
    sign_in(client, make_staff("Hua", role=Role.MANAGER))

    shown = client.get("/handovers/level/").content.decode()
    planned = client.post("/handovers/level/", {"store": first_store().pk})

    assert ("20 now → 10 of 100" in shown, "gives 10" in shown) == (True, True)
    plan = Handover.objects.get(state=HandoverState.PLANNED)
    assert planned["Location"] == f"/handovers/{plan.pk}/"


def test_the_page_takes_the_same_queries_for_2_and_20_guides(client: Client):
    sign_in(client, make_staff("Hua", role=Role.MANAGER))
    guide("Lin", 20)
    guide("Mei", 0)
    few = queries_for(client, "/handovers/level/")

    for number in range(18):
        guide(f"Sun {number}", number)

    assert queries_for(client, "/handovers/level/") == few <= 14


def test_the_page_is_for_managers_and_their_stores(client: Client):
    sign_in(client, make_staff("Lin"))
    far = make_store("Far")
    assert client.get("/handovers/level/").status_code == 403

    sign_in(client, make_staff("Hua", role=Role.MANAGER))
    assert client.get(f"/handovers/level/?store={far.pk}").status_code == 404
    assert client.post("/handovers/level/", {"store": far.pk}).status_code == 404
