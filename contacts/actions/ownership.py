"""Changing who answers for customers: one statement, whatever the number."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from contacts.enums import OwnershipReason
from contacts.models import Handover, OwnershipPeriod, Staff

_LOCK = """
SELECT FROM contacts_customer WHERE id = ANY(%(customers)s) ORDER BY id FOR NO KEY UPDATE
"""

_MOVE = """
WITH target (customer_id, staff_id) AS (
    SELECT * FROM unnest(%(customers)s::bigint[], %(staff)s::bigint[])
), changed AS (
    SELECT customer.id, target.staff_id, customer.store_id, customer.owner_id AS was
    FROM contacts_customer AS customer
    JOIN target ON target.customer_id = customer.id
    WHERE customer.state = 'active' AND customer.owner_id IS DISTINCT FROM target.staff_id
), moved AS (
    UPDATE contacts_customer AS customer SET owner_id = changed.staff_id
    FROM changed WHERE customer.id = changed.id
), tasks AS (
    UPDATE contacts_task AS task SET staff_id = changed.staff_id
    FROM changed
    WHERE task.customer_id = changed.id AND task.state = 'open' AND task.kind <> 'decision'
      AND task.staff_id IS NOT DISTINCT FROM changed.was
), ended AS (
    UPDATE contacts_ownershipperiod AS period
    SET ended_at = greatest(%(now)s, period.began_at)
    FROM changed
    WHERE period.customer_id = changed.id AND period.ended_at IS NULL
    RETURNING period.customer_id, period.ended_at, changed.staff_id, changed.store_id
)
INSERT INTO contacts_ownershipperiod
    (customer_id, staff_id, store_id, handover_id, reason, began_at)
SELECT customer_id, staff_id, store_id, %(handover)s, %(reason)s, ended_at FROM ended
"""


def move_ownership(
    moves: Iterable[tuple[int, int | None]],
    *,
    reason: OwnershipReason,
    now: datetime,
    handover: Handover | None = None,
) -> int:
    """Give each customer to a staff member, or to the pool of their store where that is ``None``.

    ``moves`` are pairs of customer id and staff id. The old period ends where the new one
    begins, and open tasks of the old owner about the customer are the new one's; customers who already have that owner, and merged or erased ones, are left alone.
    Returns how many changed hands. Raises ``IntegrityError`` on ``customer_owner_is_employed``
    if a receiver has departed.

    Do not fold the lock into the move: only a statement that begins after the wait sees the
    period that a faster move of the same customer has opened.
    """
    pairs = list(moves)
    if not pairs:
        return 0
    values: dict[str, Any] = {
        "customers": [customer for customer, _ in pairs],
        "staff": [staff for _, staff in pairs],
        "handover": handover.pk if handover else None,
        "reason": reason.value,
        "now": now,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, values)
        cursor.execute(_MOVE, values)
        return int(cursor.rowcount)


def begin_ownership(
    customer_id: int, *, store_id: int, staff: Staff | None, reason: OwnershipReason, now: datetime
) -> OwnershipPeriod:
    """Open the first period of a customer, in the transaction that creates them."""
    return OwnershipPeriod.objects.create(
        customer_id=customer_id, staff=staff, store_id=store_id, reason=reason, began_at=now
    )
