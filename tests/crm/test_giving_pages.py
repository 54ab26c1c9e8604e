"""Giving one customer to a colleague, on the customer's page."""

import pytest
from django.test import Client

from contacts.actions.ownership import move_ownership
from contacts.enums import OwnershipReason, Role, StaffState
from contacts.models import Customer, HistoryEntry, Staff
from tests.builders import (
    NOON,
    make_customer,
    make_departed,
    make_handover,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

BUTTON, FORM = "/?give=yes#give", 'id="give"'


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def chen(lin: Staff) -> Customer:
    return make_customer("Chen", owner=lin)


@pytest.fixture
def manager(client: Client, lin: Staff) -> Client:
    return sign_in(client, make_staff("Hua", role=Role.MANAGER))


def page(customer: Customer) -> str:
    return f"/customers/{customer.pk}/"


def give(client: Client, customer: Customer, to: Staff | None, owner: Staff | None):
    values = {"to": to.pk if to else "", "owner": owner.pk if owner else ""}
    return client.post(f"{page(customer)}transfer/", values)


def owner_of(customer: Customer) -> Staff | None:
    return Customer.objects.get(pk=customer.pk).owner


def offered(client: Client, customer: Customer) -> list[str]:
    field = client.get(f"{page(customer)}?give=yes").context["give_form"]["to"]
    return [label for value, label in field.field.choices if value]


def test_a_manager_gives_one_customer_to_a_colleague(manager: Client, chen: Customer) -> None:
    mei = make_staff("Mei")
    assert BUTTON in manager.get(page(chen)).text
    assert FORM in manager.get(f"{page(chen)}?give=yes").text

    answer = give(manager, chen, mei, chen.owner)

    assert (answer.status_code, answer["Location"]) == (302, f"{page(chen)}#owners")
    assert owner_of(chen) == mei
    shown = manager.get(page(chen)).text
    assert "Mei answers for Chen now." in shown
    assert "by Hua" in shown


def test_one_of_the_pool_is_given_as_well(manager: Client, lin: Staff) -> None:
    zhao = make_customer("Zhao")

    give(manager, zhao, lin, None)

    assert owner_of(zhao) == lin


def test_a_guide_has_no_such_button_and_is_refused(
    client: Client, lin: Staff, chen: Customer
) -> None:
    sign_in(client, lin)

    assert BUTTON not in client.get(page(chen)).text
    assert FORM not in client.get(f"{page(chen)}?give=yes").text
    assert give(client, chen, make_staff("Mei"), lin).status_code == 403
    assert owner_of(chen) == lin


def test_offered_are_colleagues_who_can_take_customers_the_nearest_first(
    client: Client, lin: Staff, chen: Customer
) -> None:
    make_staff("Mei", capacity=3)
    make_staff("Ann", store=make_store("Airport"), capacity=5)
    make_staff("Away", state=StaffState.SUSPENDED)
    make_departed()
    sign_in(client, make_staff("Jin", role=Role.ADMINISTRATOR, store=make_store("Office")))

    names = offered(client, chen)

    assert names[0].startswith("Mei · ")
    assert names[0].endswith(" · room for 3")
    assert "Ann · Airport · room for 5" in names
    assert [name.split(" · ")[0] for name in names] == ["Mei", "Ann", "Jin"]


def test_a_manager_is_offered_nobody_of_another_store(manager: Client, chen: Customer) -> None:
    far = make_staff("Far", store=make_store("Airport"))

    assert [name.split(" · ")[0] for name in offered(manager, chen)] == ["Hua"]
    answer = give(manager, chen, far, chen.owner)

    assert answer.status_code == 422
    assert "cannot take customers any more" in answer.text
    assert owner_of(chen) != far


def test_a_refusal_stands_beside_the_choice_which_is_kept(
    manager: Client, lin: Staff, chen: Customer
) -> None:
    full = make_staff("Full", capacity=0)

    answer = give(manager, chen, full, lin)

    assert answer.status_code == 422
    assert "Full has no room for another customer." in answer.text
    assert f'<option value="{full.pk}" selected' in answer.text
    assert 'href="?' not in answer.text
    assert owner_of(chen) == lin
    assert not HistoryEntry.objects.filter(action="customer.transferred").exists()


def test_nobody_chosen_is_said_beside_the_field(manager: Client, chen: Customer) -> None:
    answer = give(manager, chen, None, chen.owner)

    assert (answer.status_code, "Choose a colleague." in answer.text) == (422, True)


def test_who_is_in_a_handover_has_no_button_and_is_refused(manager: Client, chen: Customer) -> None:
    mei = make_staff("Mei")
    make_handover(chen.owner, customers=[chen])

    assert BUTTON not in manager.get(page(chen)).text
    answer = give(manager, chen, mei, chen.owner)

    assert (answer.status_code, "is in an open handover" in answer.text) == (422, True)
    assert owner_of(chen) != mei


def test_of_two_managers_the_slower_is_told(manager: Client, lin: Staff, chen: Customer) -> None:
    mei, sun = make_staff("Mei"), make_staff("Sun")
    move_ownership([(chen.pk, mei.pk)], reason=OwnershipReason.TRANSFER, now=NOON)

    answer = give(manager, chen, sun, lin)

    assert answer["Location"] == page(chen)
    assert "Chen has changed hands in the meantime." in manager.get(page(chen)).text
    assert owner_of(chen) == mei


@pytest.mark.parametrize("owner", ["", "x", "-1", "9" * 30])
def test_an_owner_who_is_none_gives_nobody_away(
    manager: Client, lin: Staff, chen: Customer, owner: str
) -> None:
    values = {"to": make_staff("Mei").pk, "owner": owner}

    assert manager.post(f"{page(chen)}transfer/", values).status_code in {302, 422}
    assert owner_of(chen) == lin


def test_whoever_gives_away_their_own_customer_of_another_store_sees_the_list(
    client: Client,
) -> None:
    hua = make_staff("Hua", role=Role.MANAGER)
    zhao = make_customer("Zhao", owner=hua, store=make_store("Airport"))
    sign_in(client, hua)

    answer = give(client, zhao, make_staff("Lin"), hua)

    assert answer["Location"] == "/customers/"
    assert "Lin answers for Zhao now." in client.get("/customers/").text


def test_the_form_takes_the_same_queries_for_any_number_of_colleagues(
    manager: Client, chen: Customer
) -> None:
    make_staff("Mei")
    few = queries_for(manager, f"{page(chen)}?give=yes")
    for index in range(5):
        make_staff(f"Guide {index}")

    assert queries_for(manager, f"{page(chen)}?give=yes") == few
