"""Orders: told in any order and as often as one likes, they add up to what a customer has spent."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection

from contacts.enums import CustomerState
from contacts.errors import RuleBroken
from contacts.models import Customer, HistoryEntry
from crm.actions.orders import OrderTold, record_order
from crm.customer_queries import orders_about, story_of
from crm.enums import OrderState
from crm.models import Order
from tests.builders import NOON, make_customer, make_order, make_staff

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
COAT = {"name": "羊绒大衣", "category": "大衣", "quantity": 1, "price": "100.00"}


def tell(customer, number="1", state=OrderState.PAID, *, amount=100, now=NOON, **fields):
    values: dict[str, Any] = {"system": "shop", "ordered_at": NOON - HOUR} | fields
    told = OrderTold(number=number, state=state, amount=Decimal(amount), **values)
    return record_order(customer, told, actor=None, now=now)


def value_of(customer):
    customer.refresh_from_db()
    return customer.spent, customer.last_order_at


def test_an_order_is_written_down_and_counts():
    chen, mei = make_customer(), make_staff("Mei")

    order, created = tell(chen, items=[COAT], store=chen.store, staff=mei)

    assert created
    assert (order.customer, order.amount, order.items, order.staff) == (chen, 100, [COAT], mei)
    assert value_of(chen) == (100, NOON - HOUR)
    assert HistoryEntry.objects.get().action == "order.added"


def test_told_twice_it_is_written_once():
    chen = make_customer()

    first, _created = tell(chen, changed_at=NOON)
    again, created = tell(chen, changed_at=NOON)

    assert (again, created) == (first, False)
    assert value_of(chen)[0] == 100
    assert HistoryEntry.objects.count() == 1


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "undated"])
def test_a_late_older_state_changes_nothing(dated):
    chen = make_customer()
    early = {"changed_at": NOON - HOUR} if dated else {}
    late = {"changed_at": NOON} if dated else {}
    tell(chen, state=OrderState.SHIPPED, amount=80, **late)

    order, _created = tell(chen, state=OrderState.OPEN, amount=100, **early)

    assert (order.state, order.amount) == (OrderState.SHIPPED, 80)
    assert value_of(chen)[0] == 80
    assert HistoryEntry.objects.count() == 1


def test_a_newer_state_counts_even_if_it_goes_back():
    chen = make_customer()
    tell(chen, state=OrderState.SHIPPED, changed_at=NOON - HOUR)

    order, _created = tell(chen, state=OrderState.OPEN, changed_at=NOON)

    assert order.state == OrderState.OPEN
    assert value_of(chen)[0] == 0


@pytest.mark.parametrize("state", [OrderState.CANCELLED, OrderState.REFUNDED])
def test_what_is_taken_back_counts_no_more(state):
    chen = make_customer()
    tell(chen)
    tell(chen, "2", amount=20)

    tell(chen, state=state)

    assert value_of(chen)[0] == 20


def test_open_orders_and_other_currencies_are_not_in_the_value():
    chen = make_customer()
    tell(chen, "1", state=OrderState.OPEN)
    tell(chen, "2", currency="EUR")

    assert value_of(chen) == (0, NOON - HOUR)


@pytest.mark.parametrize("field", ["ordered_at", "changed_at"])
def test_an_order_of_the_future_is_refused(field):
    chen = make_customer()

    with pytest.raises(RuleBroken):
        tell(chen, **{field: NOON + HOUR})

    assert not Order.objects.exists()


def test_an_order_of_somebody_else_is_refused():
    chen, zhao = make_customer(), make_customer("Zhao")
    tell(chen)

    with pytest.raises(RuleBroken):
        tell(zhao, state=OrderState.DONE)

    assert Order.objects.get().state == OrderState.PAID
    assert value_of(zhao)[0] == 0


def test_the_same_number_of_another_system_is_another_order():
    chen = make_customer()
    tell(chen)

    _order, created = tell(chen, system="till")

    assert created
    assert value_of(chen)[0] == 200


def test_a_tombstone_orders_nothing():
    with pytest.raises(RuleBroken):
        tell(make_customer(state=CustomerState.ERASED))


def test_orders_of_a_merged_customer_stay_and_count_for_the_one_they_are_now():
    chen = make_customer()
    twin = make_customer("Chen Jing", state=CustomerState.MERGED, merged_into=chen)
    old = make_order(twin, number="old", amount=50)

    tell(chen, "new", amount=20)
    order, created = tell(chen, "old", state=OrderState.DONE, amount=60)

    assert (order.pk, order.customer, created) == (old.pk, twin, False)
    assert value_of(chen)[0] == 80
    assert orders_about(chen).count() == 2


def test_orders_stand_on_the_timeline_among_all_else():
    chen = make_customer(since=NOON - 2 * HOUR)
    tell(chen, "SO-1", amount=1299, items=[COAT], staff=make_staff("Mei"))

    entry = next(entry for entry in story_of(chen).entries if entry.kind == "order")

    assert (entry.title, entry.at, entry.actor_name) == ("Order SO-1: paid", NOON - HOUR, "Mei")
    assert entry.text == "¥1,299 · 羊绒大衣"
    assert [entry.kind for entry in story_of(chen).entries] == ["order", "ownership"]
    assert story_of(chen, before=NOON - HOUR).entries[0].kind == "ownership"


@pytest.mark.django_db(transaction=True)
def test_orders_told_at_the_same_moment_all_count():
    chen, ready = make_customer(), Barrier(4)

    def work(number):
        ready.wait(5)
        try:
            tell(Customer.objects.get(pk=chen.pk), str(number))
        finally:
            connection.close()

    threads = [Thread(target=work, args=[number % 3]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert Order.objects.count() == 3
    assert value_of(chen)[0] == 300


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("order_state_known", {"state": "lost"}),
        ("order_amount_not_negative", {"amount": -1}),
        ("order_has_number", {"number": ""}),
        ("order_has_number", {"system": ""}),
        ("order_currency_is_a_code", {"currency": "yuan"[:3]}),
    ],
)
def test_the_database_refuses_odd_orders(refused_by, constraint, fields):
    with refused_by(constraint):
        make_order(make_customer(), **fields)


def test_the_database_knows_a_number_once_in_a_system(refused_by):
    order = make_order(make_customer())

    with refused_by("order_number_once"):
        make_order(make_customer("Zhao"), number=order.number)
