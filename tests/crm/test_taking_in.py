"""What is known of a person whom nobody has named yet."""

import pytest

from contacts.actions.customers import Address, Profile, learn_profile
from contacts.actions.profiles import edit_customer, take_in_customer
from contacts.enums import IdentityKind
from contacts.models import Customer
from tests.builders import NOON, first_store

pytestmark = pytest.mark.django_db

PHONE = Address(IdentityKind.PHONE, "+8613812345678")


def take_in(**details: str) -> Customer:
    customer, _created = take_in_customer(
        [PHONE], details=details, store=first_store(), owner=None, actor=None, now=NOON
    )
    return customer


def test_a_name_nobody_told_stays_empty_and_is_learned() -> None:
    customer = take_in()
    assert (customer.name, str(customer)) == ("", "New contact")

    learn_profile(customer, Profile(name=" 张三 "))

    assert customer.name == "张三"


def test_learning_a_name_keeps_the_phone_findable() -> None:
    customer = take_in()

    learn_profile(customer, Profile(name="Zhang"))

    customer.refresh_from_db()
    assert "zhang" in customer.search_key
    assert "+8613812345678" in customer.search_key


def test_an_edited_name_keeps_the_phone_findable() -> None:
    customer = take_in(name="Zhang")

    edit_customer(customer, {"name": "Li"}, actor=None, now=NOON)

    assert customer.search_key.startswith("li ")
    assert "+8613812345678" in customer.search_key
