"""Taking in orders from shop systems, in any order and as often as they are told."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import CustomerState
from contacts.errors import RuleBroken, broken_constraint
from contacts.models import Customer, Staff, Store
from crm.actions.conversions import count_conversions_of
from crm.enums import PAID_STATES, OrderState
from crm.models import Order
from crm.models.orders import CURRENCY

_CLOCK_TOLERANCE = timedelta(minutes=5)
_PROGRESS = {state: place for place, state in enumerate(OrderState)}
_TOLD = ("ordered_at", "amount", "currency", "state", "items", "store", "staff")

_VALUE = """
UPDATE contacts_customer AS customer
SET spent = total.spent, last_order_at = total.last_order_at
FROM (
    SELECT coalesce(sum(amount) FILTER (WHERE state = ANY(%(paid)s) AND currency = %(currency)s), 0)
               AS spent,
           max(ordered_at) FILTER (WHERE state <> 'cancelled') AS last_order_at
    FROM crm_order WHERE customer_id IN (
        SELECT id FROM contacts_customer WHERE %(customer)s IN (id, merged_into_id)
    )
) AS total
WHERE customer.id = %(customer)s
"""


@dataclass(frozen=True, slots=True)
class OrderTold:
    """What a shop system says of one order.

    Without ``changed_at`` the system does not say when the order was last changed: then an order
    only ever moves forward, from open to paid to shipped to completed, cancelled or refunded.
    """

    system: str
    number: str
    ordered_at: datetime
    amount: Decimal
    state: OrderState
    currency: str = CURRENCY
    items: list[dict[str, Any]] = field(default_factory=list)
    store: Store | None = None
    staff: Staff | None = None
    changed_at: datetime | None = None


def record_order(
    customer: Customer, told: OrderTold, *, actor: Staff | None, now: datetime
) -> tuple[Order, bool]:
    """Write down an order of the customer, and what the customer has spent in all.

    Told twice it is written once; told late, an older state changes nothing. Orders of those who
    were merged into the customer stay where they are and count as well. Returns the order and
    whether it is new. Raises ``RuleBroken`` if it lies in the future, is another customer's, or
    the customer is merged or erased.
    """
    if max(told.ordered_at, told.changed_at or now) > now + _CLOCK_TOLERANCE:
        raise RuleBroken(_("An order cannot lie in the future."))
    try:
        with transaction.atomic():
            # Orders of one customer are taken in one after the other: sums would miss each other.
            locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
            if locked.state != CustomerState.ACTIVE:
                raise _no_customer(locked)
            known = (
                Order.objects.select_related("customer")
                .filter(system=told.system, number=told.number)
                .first()
            )
            if known is None:
                return _add(locked, told, actor=actor, now=now), True
            if locked.pk not in {known.customer_id, known.customer.merged_into_id}:
                raise _of_another(told)
            if _is_news(known, told):
                _change(locked, known, told, actor=actor, now=now)
            return known, False
    except IntegrityError as error:
        if broken_constraint(error) != "order_number_once":
            raise
        raise _of_another(told) from error


def count_value(customer: Customer) -> None:
    """Count anew what the customer has spent, and which campaigns they bought after.

    Call it in the transaction that holds the customer.
    """
    values: dict[str, Any] = {
        "customer": customer.pk,
        "paid": list(PAID_STATES),
        "currency": CURRENCY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_VALUE, values)
    count_conversions_of(customer)


def _add(customer: Customer, told: OrderTold, *, actor: Staff | None, now: datetime) -> Order:
    order = Order.objects.create(
        customer=customer,
        system=told.system,
        number=told.number,
        created_at=now,
        changed_at=told.changed_at or told.ordered_at,
        **_facts(told),
    )
    _write_down(customer, order, "order.added", actor=actor, now=now)
    return order


def _change(
    customer: Customer, order: Order, told: OrderTold, *, actor: Staff | None, now: datetime
) -> None:
    for name, value in _facts(told).items():
        setattr(order, name, value)
    order.changed_at = max(told.changed_at or order.changed_at, order.changed_at)
    order.save()
    _write_down(customer, order, "order.changed", actor=actor, now=now)


def _write_down(
    customer: Customer, order: Order, action: str, *, actor: Staff | None, now: datetime
) -> None:
    count_value(customer)
    record(order, action, actor=actor, at=now, data={"state": order.state})


def _facts(told: OrderTold) -> dict[str, Any]:
    return {name: getattr(told, name) for name in _TOLD}


def _is_news(known: Order, told: OrderTold) -> bool:
    """Whether this is not older than what is known, and says something else."""
    progress = _PROGRESS[told.state], _PROGRESS[OrderState(known.state)]
    if told.changed_at is None:
        is_later = progress[0] >= progress[1]
    else:
        is_later = (told.changed_at, progress[0]) >= (known.changed_at, progress[1])
    return is_later and (
        any(getattr(known, name) != value for name, value in _facts(told).items())
        or (told.changed_at or known.changed_at) > known.changed_at
    )


def _no_customer(customer: Customer) -> RuleBroken:
    return RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer})


def _of_another(told: OrderTold) -> RuleBroken:
    return RuleBroken(_("Order %(number)s belongs to another customer.") % {"number": told.number})
