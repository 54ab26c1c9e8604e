"""Customers whom nobody contacts go back to the pool, after their guide has been told."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.actions.ownership import move_ownership
from contacts.actions.pool_rounds import STORES
from contacts.enums import NoticeKind, OwnershipReason
from contacts.managers import managers_by_store
from contacts.models import Customer, PoolRound, PoolRule, Store
from contacts.pools import midnight, rule_of, stores_under

CHUNK = 500
"""Customers sent back in one transaction."""

HOUR = 6
"""When the day's recycling begins, local time: before anybody opens."""

# Who has been with the same owner, and without any contact, since %(quiet)s.
_FORGOTTEN = """
FROM contacts_customer AS customer
JOIN contacts_ownershipperiod AS period ON period.open_customer_id = customer.id
WHERE customer.state = 'active' AND customer.store_id = %(store)s
  AND customer.owner_id IS NOT NULL AND period.began_at <= %(quiet)s
  AND (customer.last_interaction_at IS NULL OR customer.last_interaction_at <= %(quiet)s)
  AND NOT EXISTS (
      SELECT FROM contacts_handoveritem AS item
      WHERE item.customer_id = customer.id AND item.closed_at IS NULL
  )
  AND NOT EXISTS (
      SELECT FROM contacts_task AS task
      WHERE task.customer_id = customer.id AND task.state = 'open'
        AND task.kind IN ('to_do', 'promise') AND task.due_on >= %(today)s
  )
"""

# Whose owner was told in time: after the customer had come near, and so many days ago.
_WARNED = """
  AND (%(warn_days)s = 0 OR EXISTS (
      SELECT FROM contacts_notice AS notice
      WHERE notice.staff_id = customer.owner_id AND notice.kind = 'from_pool'
        AND notice.data ->> 'what' = 'warned' AND notice.created_at < %(told_before)s
        AND notice.created_at >= greatest(customer.last_interaction_at, period.began_at)
            + %(near_days)s * interval '1 day'
  ))
"""

_SENT_BACK_TODAY = """
SELECT before.staff_id, count(*)
FROM contacts_ownershipperiod AS period
JOIN contacts_ownershipperiod AS before
    ON before.customer_id = period.customer_id AND before.ended_at = period.began_at
WHERE period.store_id = %(store)s AND period.reason = 'recycled'
  AND period.began_at >= %(midnight)s AND before.staff_id IS NOT NULL
GROUP BY before.staff_id
"""

_FIRST_OF_EACH = """
SELECT id FROM (
    SELECT customer.id, row_number() OVER (
        PARTITION BY customer.owner_id
        ORDER BY customer.last_interaction_at NULLS FIRST, customer.id
    ) + coalesce((%(done)s::jsonb ->> customer.owner_id::text)::int, 0) AS place
    {forgotten}
) AS forgotten
WHERE place <= %(per_day)s ORDER BY id LIMIT %(chunk)s
"""

_STILL = f"SELECT customer.id, customer.owner_id {_FORGOTTEN} AND customer.id = ANY(%(locked)s)"

_NEAR = f"SELECT customer.owner_id, count(*) {_FORGOTTEN} GROUP BY customer.owner_id"


def stores_to_recycle(now: datetime) -> list[int]:
    """Return the stores whose forgotten customers have not been looked for today."""
    if timezone.localtime(now).hour < HOUR:
        return []
    rules = list(PoolRule.objects.filter(recycle_after_days__gt=0))
    due = Q(pool_round=None) | Q(pool_round__recycled_on=None)
    due |= Q(pool_round__recycled_on__lt=timezone.localdate(now))
    stores = stores_under(rules).filter(due)
    return list(stores.order_by("pk").values_list("pk", flat=True)[:STORES])


def recycle(store: Store, *, now: datetime) -> int:
    """Send the customers of a store back to its pool whom nobody has contacted for too long.

    Left alone are those in an open handover, those for whom somebody has yet to do something by a
    day to come, and those whose guide was not told in time. Of one guide only so many go in a
    day, the longest forgotten first. Returns how many went.
    May be repeated: a day's part is sent back once.
    """
    rule = rule_of(store)
    if not rule.recycle_after_days:
        return 0
    _warn(store, rule, now)
    total = 0
    while (sent := _send_back_some(store, rule, now, part=total)) is not None:
        total += sent
    PoolRound.objects.update_or_create(
        store=store, defaults={"recycled_on": timezone.localdate(now)}
    )
    return total


def _values(store: Store, rule: PoolRule, now: datetime, *, near: bool = False) -> dict[str, Any]:
    near_days = rule.recycle_after_days - rule.warn_days
    days = near_days if near else rule.recycle_after_days
    return {
        "store": store.pk,
        "quiet": now - timedelta(days=days),
        "today": timezone.localdate(now),
        "midnight": midnight(now),
        "warn_days": rule.warn_days,
        "near_days": near_days,
        "told_before": midnight(now) - timedelta(days=rule.warn_days - 1),
        "per_day": rule.recycle_per_day,
        "chunk": CHUNK,
    }


def _warn(store: Store, rule: PoolRule, now: datetime) -> None:
    """Tell guides, once a day, how many of their customers go back unless they contact them."""
    if not rule.warn_days:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_NEAR, _values(store, rule, now, near=True))
        _tell(
            "warned",
            dict(cursor.fetchall()),
            str(timezone.localdate(now)),
            now,
            days=rule.warn_days,
        )


def _send_back_some(store: Store, rule: PoolRule, now: datetime, *, part: int) -> int | None:
    """Send the next ones back; returns how many went, or ``None`` if nobody was found."""
    values = _values(store, rule, now)
    with transaction.atomic(), connection.cursor() as cursor:
        Store.objects.select_for_update(no_key=True).get(pk=store.pk)
        cursor.execute(_SENT_BACK_TODAY, values)
        values["done"] = json.dumps(dict(cursor.fetchall()))
        cursor.execute(_FIRST_OF_EACH.format(forgotten=_FORGOTTEN + _WARNED), values)
        found = [pk for (pk,) in cursor.fetchall()]
        if not found:
            return None
        locked = Customer.objects.select_for_update(no_key=True).filter(pk__in=found)
        values["locked"] = list(locked.order_by("pk").values_list("pk", flat=True))
        # A statement of its own: it sees what was committed while we waited.
        cursor.execute(_STILL, values)
        rows = cursor.fetchall()
        move_ownership(
            [(pk, None) for pk, _owner in rows], reason=OwnershipReason.RECYCLED, now=now
        )
        if rows:
            _write_down(store, Counter(owner for _pk, owner in rows), now, part)
    return len(rows)


def _write_down(store: Store, lost: Counter[int], now: datetime, part: int) -> None:
    data = {"customers": lost.total(), "staff": {str(pk): n for pk, n in lost.items()}}
    record(store, "pool.recycled", actor=None, at=now, data=data)
    key = f"{timezone.localdate(now)}:{part}"
    _tell("recycled", lost, key, now)
    managers = dict.fromkeys(managers_by_store([store.pk])[store.pk], lost.total())
    _tell("recycled_of_store", managers, f"{store.pk}:{key}", now)


def _tell(what: str, figures: Mapping[int, int], key: str, now: datetime, **more: Any) -> None:
    by_number = defaultdict(list)
    for person, number in figures.items():
        by_number[number].append(person)
    for number, people in by_number.items():
        notify(
            people,
            NoticeKind.FROM_POOL,
            key=f"pool:{what}:{key}",
            now=now,
            data={"what": what, "customers": number} | more,
        )
