"""Whoever waits in a pool for too long is assigned, without anybody doing it."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q

from contacts.actions.pool_giving import Pair, give_some
from contacts.actions.pools import tell_receivers, write_down
from contacts.enums import Assignment, OwnershipReason
from contacts.models import OwnershipPeriod, PoolRound, PoolRule, Staff, Store
from contacts.pools import barred, guides_in, resting, room_of, rule_of, stores_under

CHUNK = 500
"""Customers assigned to the guides of a store in one round."""

EVERY = timedelta(minutes=1)
"""How often the pool of a store is looked at."""

STORES = 100
"""Stores that one sweep finds."""


def stores_to_assign(now: datetime) -> list[int]:
    """Return the stores in whose pool somebody may have waited long enough, for the sweeper."""
    rules = [
        rule
        for rule in PoolRule.objects.exclude(assignment=Assignment.OFF)
        if rule.is_working_time(now)
    ]
    if not rules:
        return []
    soonest = min(rule.assign_after_hours for rule in rules)
    waiting = OwnershipPeriod.objects.filter(
        store=OuterRef("pk"),
        staff=None,
        ended_at=None,
        began_at__lte=now - timedelta(hours=soonest),
    )
    rested = Q(pool_round=None) | Q(pool_round__assigned_at=None)
    rested |= Q(pool_round__assigned_at__lte=now - EVERY)
    stores = stores_under(rules).filter(rested, Exists(waiting))
    order = F("pool_round__assigned_at").asc(nulls_first=True)
    return list(stores.order_by(order, "pk").values_list("pk", flat=True)[:STORES])


def assign_automatically(store: Store, *, now: datetime) -> int:
    """Assign whoever has waited in the pool of a store for long enough; returns how many.

    In turn, to whoever got somebody longest ago, or to whoever has most room. Nobody is given
    more than they have room for, or a customer of theirs too soon. Outside working hours, and
    while another worker does it, nothing happens.
    """
    with transaction.atomic():
        rule = rule_of(store)
        if rule.assignment == Assignment.OFF or not rule.is_working_time(now):
            return 0
        if not _hold(store):
            return 0
        PoolRound.objects.update_or_create(store=store, defaults={"assigned_at": now})
        given = give_some(
            _dealt(store, rule, now), reason=OwnershipReason.ASSIGNED, actor=None, now=now
        )
        if given:
            write_down(given, actor=None, now=now)
            tell_receivers(given, now=now)
    return given.total()


def _hold(store: Store) -> bool:
    """Return whether this worker is the one who holds the pool of the store."""
    rows = Store.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=store.pk)
    return rows.first() is not None


def _dealt(store: Store, rule: PoolRule, now: datetime) -> list[Pair]:
    due = resting().filter(
        store=store, began_at__lte=now - timedelta(hours=rule.assign_after_hours)
    )
    waiting = list(due.order_by("began_at", "pk").values_list("customer", flat=True)[:CHUNK])
    assigned = Q(ownership_periods__reason=OwnershipReason.ASSIGNED)
    guides = guides_in(store.pk).annotate(
        got_at=Max("ownership_periods__began_at", filter=assigned),
        got=Count("ownership_periods", filter=assigned),
    )
    turns = guides.order_by(F("got_at").asc(nulls_first=True), "got", "pk")
    return deal(waiting, list(turns), rule, now=now)


def deal(
    customers: Sequence[int], guides: Sequence[Staff], rule: PoolRule, *, now: datetime
) -> list[Pair]:
    """Return who gets whom: ``guides`` stand in the order of their turns, the next one first."""
    room = room_of(guides)
    no = barred(customers, list(room), rule, now=now)
    queue = deque(guide.pk for guide in guides)
    pairs: list[Pair] = []
    for customer in customers:
        able = [pk for pk in queue if room[pk] > 0 and (customer, pk) not in no]
        if able:
            by_turn = rule.assignment == Assignment.TURNS
            chosen = able[0] if by_turn else max(able, key=lambda pk: room[pk])
            room[chosen] -= 1
            queue.remove(chosen)
            queue.append(chosen)
            pairs.append((customer, chosen))
    return pairs
