"""Which of a person's customers a handover takes in."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import F, QuerySet

from contacts.actions.sharing import Order
from contacts.models import Customer, Handover

_TAKE_IN = """
INSERT INTO contacts_handoveritem (handover_id, customer_id, state, state_at, tries, tried, reason)
SELECT %s, chosen.id, 'planned', %s, 0, '{{}}', '' FROM ({customers}) AS chosen (id)
"""

_FIRST = {
    Order.RECENT: F("last_interaction_at").desc(nulls_last=True),
    Order.VALUE: F("spent").desc(),
    Order.QUIET: F("last_interaction_at").asc(nulls_first=True),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of a person's customers: these, in this order, up to a number."""

    customers: QuerySet[Customer] | None = None
    order: Order = Order.QUIET
    at_most: int | None = None

    def of(self, customers: QuerySet[Customer]) -> QuerySet[Customer]:
        """Return those of the customers whom the selection takes."""
        if self.customers is not None:
            customers = customers.filter(pk__in=self.customers.order_by().values("pk"))
        return customers.order_by(_FIRST[self.order], "pk")[: self.at_most]


EVERY_CUSTOMER = Selection()


def take_in(handover: Handover, customers: QuerySet[Customer], *, now: datetime) -> int:
    """Make an item of each of these customers, in one statement; returns how many."""
    sql, values = customers.values("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_IN.format(customers=sql), [handover.pk, now, *values])
        return int(cursor.rowcount)
