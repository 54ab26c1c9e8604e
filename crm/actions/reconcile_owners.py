"""Comparing owners with connections: whoever answers for a customer should reach them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from contacts.actions.ownership import move_ownership
from contacts.enums import FindingKind, OwnershipReason, StaffState
from contacts.models import Customer, Staff
from crm.actions.findings import Difference
from crm.actions.reconcile_run import Run

PIECE = 5000
"""Customers looked at by one statement."""

_BOUND = """
SELECT max(id) FROM (
    SELECT id FROM contacts_customer WHERE id > %(after)s ORDER BY id LIMIT %(most)s
) AS piece
"""

_APART = """
SELECT customer.id, customer.owner_id, array_agg(follow.staff_id ORDER BY follow.staff_id),
       EXISTS (
           SELECT FROM contacts_follow AS own
           JOIN contacts_ownershipperiod AS period
               ON period.customer_id = customer.id AND period.ended_at IS NULL
           WHERE own.customer_id = customer.id AND own.staff_id = customer.owner_id
             AND own.channel = 'wecom' AND own.end_reason = 'transferred'
             AND own.ended_at >= period.began_at
       )
FROM contacts_customer AS customer
JOIN contacts_staff AS owner ON owner.id = customer.owner_id AND owner.wecom_userid IS NOT NULL
JOIN contacts_follow AS follow ON follow.customer_id = customer.id
    AND follow.channel = 'wecom' AND follow.ended_at IS NULL
JOIN contacts_staff AS follower ON follower.id = follow.staff_id AND follower.state <> 'departed'
WHERE customer.id > %(after)s AND customer.id <= %(bound)s AND customer.state = 'active'
  AND NOT EXISTS (
      SELECT FROM contacts_follow AS own
      WHERE own.customer_id = customer.id AND own.staff_id = customer.owner_id
        AND own.channel = 'wecom' AND own.ended_at IS NULL
  )
  AND NOT EXISTS (  -- whom people chose, knowing that they are not connected
      SELECT FROM contacts_ownershipperiod AS period
      WHERE period.customer_id = customer.id AND period.ended_at IS NULL
        AND period.reason IN ('transfer', 'claimed', 'assigned')
        AND NOT EXISTS (
            SELECT FROM contacts_follow AS lost
            WHERE lost.customer_id = customer.id AND lost.staff_id = customer.owner_id
              AND lost.channel = 'wecom' AND lost.ended_at >= period.began_at
        )
  )
  AND NOT EXISTS (
      SELECT FROM contacts_handoveritem AS item
      WHERE item.customer_id = customer.id AND item.closed_at IS NULL
  )
GROUP BY customer.id ORDER BY customer.id
"""


@dataclass(frozen=True, slots=True)
class Apart:
    """A customer whose owner is not connected with them, and who is.

    ``was_moved`` is true where the owner's connection was handed over in WeCom, and since then
    nobody here has said who answers for the customer.
    """

    customer_id: int
    owner_id: int
    followers: list[int]
    was_moved: bool


def compare_owners(run: Run) -> Iterator[None]:
    """Follow what was moved in WeCom's console; list the other owners who reach nobody."""
    while (bound := _bound(run)) is not None:
        apart = _apart(run, bound)
        moved = _follow_the_move(run, [one for one in apart if _is_clear(one)])
        run.list([_difference(one) for one in apart if one.customer_id not in moved])
        run.place = {"after": bound}
        run.save()
        yield


def _is_clear(one: Apart) -> bool:
    return one.was_moved and len(one.followers) == 1


def _difference(one: Apart) -> Difference:
    detail = {"owner": one.owner_id, "followers": one.followers}
    return Difference(FindingKind.OWNER_APART, one.owner_id, one.customer_id, detail=detail)


def _bound(run: Run) -> int | None:
    values = {"after": run.place.get("after", 0), "most": PIECE}
    with connection.cursor() as cursor:
        cursor.execute(_BOUND, values)
        bound: int | None = cursor.fetchone()[0]
    return bound


def _apart(run: Run, bound: int) -> list[Apart]:
    values: dict[str, Any] = {"after": run.place.get("after", 0), "bound": bound}
    with connection.cursor() as cursor:
        cursor.execute(_APART, values)
        return [Apart(*row) for row in cursor.fetchall()]


def _follow_the_move(run: Run, clear: Sequence[Apart]) -> Collection[int]:
    """Let the new guide answer for each of these, and return those for whom that was done."""
    if not clear:
        return ()
    with transaction.atomic():
        involved = {one.owner_id for one in clear} | {one.followers[0] for one in clear}
        people = Staff.objects.select_for_update(no_key=True).filter(pk__in=involved)
        able = {person.pk for person in people.order_by("pk") if person.state == StaffState.ACTIVE}
        owners = dict(
            Customer.objects.active()
            .select_for_update(no_key=True)
            .filter(pk__in=[one.customer_id for one in clear])
            .order_by("pk")
            .values_list("pk", "owner")
        )
        moves = {
            one.customer_id: one
            for one in clear
            if owners.get(one.customer_id) == one.owner_id and one.followers[0] in able
        }
        move_ownership(
            [(pk, one.followers[0]) for pk, one in moves.items()],
            reason=OwnershipReason.TRANSFER,
            now=run.now,
        )
        run.repaired([_difference(one) for one in moves.values()])
    return moves
