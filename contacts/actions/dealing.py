"""Dealing the customers of a plan out to their receivers: a few statements, whatever the number."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet

from contacts.actions.sharing import Order, Strategy, quotas_for
from contacts.enums import ItemState
from contacts.models import Customer, Handover, HandoverItem, Staff
from contacts.plan_steps import Ground, Step, customers_meeting

_GATHER = """
CREATE TEMPORARY TABLE plan_deal ON COMMIT DROP AS
SELECT item.id AS item_id, item.customer_id, customer.store_id, customer.spent,
       customer.last_interaction_at, item.by_hand, NULL::integer AS step, 0::bigint AS bucket,
       0::bigint AS place, NULL::bigint AS staff_id
FROM contacts_handoveritem AS item
JOIN contacts_customer AS customer ON customer.id = item.customer_id
WHERE item.handover_id = %s AND item.state = 'planned'
"""

_TAKE = """
UPDATE plan_deal AS deal SET step = %s, bucket = taken.bucket, place = taken.place
FROM (
    SELECT item_id, bucket, row_number() OVER (PARTITION BY bucket ORDER BY first) AS place
    FROM (
        SELECT item_id, {bucket} AS bucket, row_number() OVER (ORDER BY {order}, item_id) AS first
        FROM plan_deal
        WHERE step IS NULL AND {bucket} = ANY(%s::bigint[]) AND customer_id IN ({meeting})
        ORDER BY first LIMIT %s
    ) AS met
) AS taken
WHERE deal.item_id = taken.item_id
"""

_DEAL = """
UPDATE plan_deal AS deal SET staff_id = place.staff_id
FROM (
    SELECT bucket, staff_id, row_number() OVER (PARTITION BY bucket ORDER BY round, seat) AS place
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) WITH ORDINALITY
         AS share (bucket, staff_id, quota, seat), generate_series(1, quota) AS round
) AS place
WHERE deal.step = %s AND deal.bucket = place.bucket AND deal.place = place.place
"""

_WRITE = """
UPDATE contacts_handoveritem AS item
SET step = deal.step, by_hand = item.by_hand AND %(keep)s,
    to_staff_id = CASE WHEN item.by_hand AND %(keep)s THEN item.to_staff_id ELSE deal.staff_id END
FROM plan_deal AS deal
WHERE item.id = deal.item_id AND (
    item.step IS DISTINCT FROM deal.step
    OR item.to_staff_id IS DISTINCT FROM deal.staff_id
    OR item.by_hand AND NOT %(keep)s
)
"""

_ORDERS = {
    Order.RECENT: "last_interaction_at DESC NULLS LAST",
    Order.VALUE: "spent DESC",
    Order.QUIET: "last_interaction_at NULLS FIRST",
}
_BUCKETS = {Strategy.OWN_STORE: "store_id"}
ANYWHERE = 0


def deal_out(
    handover: Handover,
    steps: Sequence[Step],
    *,
    now: datetime,
    keep_moves: bool = True,
    segments: Mapping[int, QuerySet[Customer]] | None = None,
) -> None:
    """Give the planned customers of a handover their receivers, step by step.

    Each step takes those whom the steps before it did not give to anybody; whom none gives has no
    receiver. With ``keep_moves`` those who were moved by hand stay where they are: the steps deal
    as if they had not been moved, so that dealing twice changes nothing. Call it in the
    transaction that has locked the handover.
    """
    ground = ground_of(handover, now=now, segments=segments)
    wanted = {pk for step in steps for pk in step.receivers}
    people = {person.pk: person for person in Staff.objects.filter(pk__in=wanted)}
    rooms = _rooms(people.values())
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.plan_deal")
        cursor.execute(_GATHER, [handover.pk])
        cursor.execute("ANALYZE plan_deal")
        for number, step in enumerate(steps):
            seats = _seats(step, people)
            _take(cursor, number, step, seats, ground)
            # Else the planner believes that nobody was taken, and joins row by row.
            cursor.execute("ANALYZE plan_deal (step, bucket, place)")
            _deal(cursor, number, step, seats, rooms)
        cursor.execute(_WRITE, {"keep": keep_moves})
        cursor.execute("DROP TABLE plan_deal")


def ground_of(
    handover: Handover, *, now: datetime, segments: Mapping[int, QuerySet[Customer]] | None = None
) -> Ground:
    """Return what the conditions of this plan are asked of."""
    planned = HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    customers = Customer.objects.filter(pk__in=planned.values("customer"))
    return Ground(handover.from_staff, customers, now, segments or {})


def _rooms(staff: Any) -> dict[int, int]:
    """Return how many more customers each of these people may hold."""
    owned = dict(
        Customer.objects.filter(owner__in=staff).values_list("owner").annotate(Count("pk"))
    )
    return {person.pk: max(0, person.capacity - owned.get(person.pk, 0)) for person in staff}


def _seats(step: Step, people: Mapping[int, Staff]) -> dict[int, list[int]]:
    """Return who sits at which table: one for all, or one for each store."""
    seats: dict[int, list[int]] = {}
    for pk in step.receivers:
        own_store = step.strategy == Strategy.OWN_STORE
        table = (people[pk].store_id or ANYWHERE) if own_store else ANYWHERE
        seats.setdefault(table, []).append(pk)
    return seats


def _take(
    cursor: Any, number: int, step: Step, seats: Mapping[int, list[int]], ground: Ground
) -> None:
    meeting, values = (
        customers_meeting(step.who, ground).order_by().values("pk").query.sql_with_params()
    )
    sql = _TAKE.format(
        bucket=_BUCKETS.get(step.strategy, str(ANYWHERE)),
        order=_ORDERS[step.order],
        meeting=meeting,
    )
    cursor.execute(sql, [number, list(seats), *values, step.limit])


def _deal(
    cursor: Any, number: int, step: Step, seats: Mapping[int, list[int]], rooms: dict[int, int]
) -> None:
    """Deal round by round at each table; those for whom there is no place wait for a later step."""
    cursor.execute(
        "SELECT bucket, count(*) FROM plan_deal WHERE step = %s GROUP BY bucket", [number]
    )
    shares: list[tuple[int, int, int]] = []
    for table, count in cursor.fetchall():
        at_table = seats[table]
        quotas = quotas_for(count, [rooms[pk] for pk in at_table], step.strategy)
        shares += [(table, pk, quota) for pk, quota in zip(at_table, quotas, strict=True)]
    if shares:
        cursor.execute(_DEAL, [*map(list, zip(*shares, strict=True)), number])
    cursor.execute(
        "UPDATE plan_deal SET step = NULL WHERE step = %s AND staff_id IS NULL", [number]
    )
    for _table, pk, quota in shares:
        rooms[pk] = max(0, rooms[pk] - quota)
