"""How many customers are lost, by whom and where: totals and rates of a period."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum

from contacts.enums import LossKind, LossState, Role
from contacts.models import Loss
from crm.access import Viewer

MOST_RATES = 500


@dataclass(frozen=True, slots=True)
class Totals:
    """What a period cost: customers and value lost, and what became of them."""

    lost: int
    value: Decimal
    by_customer: int
    by_staff: int
    on_handover: int
    won_back: int
    open: int


def totals_of(losses: QuerySet[Loss]) -> Totals:
    """Add up those of the losses that count: one query."""
    counts = losses.filter(is_last=True).aggregate(
        lost=Count("pk"),
        value=Sum("value", default=Decimal(0)),
        by_customer=Count("pk", filter=Q(kind=LossKind.BY_CUSTOMER)),
        by_staff=Count("pk", filter=Q(kind=LossKind.BY_STAFF)),
        on_handover=Count("pk", filter=Q(kind=LossKind.ON_HANDOVER)),
        won_back=Count("pk", filter=Q(state=LossState.WON_BACK)),
        open=Count("pk", filter=Q(state=LossState.OPEN)),
    )
    return Totals(**counts)


@dataclass(frozen=True, slots=True)
class Rate:
    """Losses of one guide or store, beside the customers connected when the period began."""

    pk: int
    name: str
    connected: int
    lost: int
    value: Decimal

    @property
    def percent(self) -> float:
        """Losses in a hundred connected customers; all of them if nobody was connected."""
        return 100 * self.lost / max(self.connected, self.lost, 1)


_CONNECTED = """
SELECT {key} AS key, count(DISTINCT follow.customer_id) AS customers
FROM contacts_follow AS follow
JOIN contacts_customer AS customer ON customer.id = follow.customer_id
JOIN contacts_staff AS staff ON staff.id = follow.staff_id
WHERE follow.began_at < %(since)s AND (follow.ended_at IS NULL OR follow.ended_at >= %(since)s)
  AND follow.end_reason <> 'merged'  -- it goes on in another row with the same beginning
  AND (%(stores)s::bigint[] IS NULL OR {store} = ANY(%(stores)s))
GROUP BY 1
"""
_RATES = """
WITH lost AS (
    SELECT {loss} AS key, count(*) AS customers, sum(value) AS value
    FROM contacts_loss AS loss JOIN contacts_staff AS staff ON staff.id = loss.staff_id
    WHERE is_last AND at >= %(since)s AND at < %(until)s
      AND (%(stores)s::bigint[] IS NULL OR {lost_in} = ANY(%(stores)s))
    GROUP BY 1
), connected AS ({connected})
SELECT named.id, named.name, coalesce(connected.customers, 0), coalesce(lost.customers, 0),
       coalesce(lost.value, 0)
FROM connected FULL JOIN lost USING (key)
JOIN {table} AS named ON named.id = coalesce(connected.key, lost.key)
ORDER BY 4 DESC, 3 DESC, 1 LIMIT %(most)s
"""
_BY = {
    "staff": {
        "key": "follow.staff_id",
        "store": "staff.store_id",
        "loss": "loss.staff_id",
        "lost_in": "staff.store_id",
        "table": "contacts_staff",
    },
    "store": {
        "key": "customer.store_id",
        "store": "customer.store_id",
        "loss": "loss.store_id",
        "lost_in": "loss.store_id",
        "table": "contacts_store",
    },
}
GROUPS = tuple(_BY)

ORDERS = ("rate", "lost", "value", "connected", "name")
"""What the table can be sorted by."""


def rates(viewer: Viewer, by: str, *, since: datetime, until: datetime) -> list[Rate]:
    """Return the rates of guides or stores within a manager's scope, most losses first: one query.

    ``by`` is one of ``GROUPS``. Of a guide the losses count whose connection was the guide's.
    """
    stores = viewer.stores_for(Role.MANAGER)
    words = _BY[by]
    query = _RATES.format(**words, connected=_CONNECTED.format(**words))
    values = {
        "since": since,
        "until": until,
        "stores": None if stores is None else sorted(stores),
        "most": MOST_RATES,
    }
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [Rate(*row) for row in cursor.fetchall()]


def sorted_rates(rows: Iterable[Rate], order: str) -> list[Rate]:
    """Sort by one of ``ORDERS``, largest first; names from the beginning."""
    if order == "name":
        return sorted(rows, key=lambda row: row.name)
    keys = {
        "lost": lambda row: row.lost,
        "value": lambda row: row.value,
        "connected": lambda row: row.connected,
    }
    return sorted(rows, key=keys.get(order, lambda row: row.percent), reverse=True)
