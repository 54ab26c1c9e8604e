"""Out of the pool into somebody's hands: claimed by a guide, or assigned by a manager."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts.actions.handovers import Share
from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.actions.pool_giving import give_held, give_some, held
from contacts.actions.sharing import Strategy, quotas_for
from contacts.enums import NoticeKind, OwnershipReason, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, OwnershipPeriod, PoolRule, Staff, Store
from contacts.pools import (
    barred,
    claimed_today,
    offered_to,
    receivers_in,
    room_of,
    rule_of,
)

CHUNK = 500
"""Customers given in one transaction."""

ASSIGN_BY = (Strategy.EVENLY, Strategy.CAPACITY)


# --- claiming -----------------------------------------------------------------------------------


def claim_customer(customer: Customer, *, staff: Staff, now: datetime) -> None:
    """Let a guide answer for a customer of the pool of their store.

    Raises ``MovedOn`` if somebody else was faster, ``RuleBroken`` if the rule of the pool, the
    guide's capacity or the day's limit speaks against it. Of several claims at the same moment
    one wins, and several by one guide are counted one after the other.
    """
    with held([customer.pk], [staff.pk]) as free:
        guide = Staff.objects.get(pk=staff.pk)
        rule = _rule_for(guide, customer)
        _check_allowance(guide, rule, now)
        if customer.pk not in free:
            raise MovedOn(
                _("%(name)s is not in the pool any more: somebody was faster.") % {"name": customer}
            )
        _check_offered(customer, guide, rule, now)
        give_held({customer.pk: guide.pk}, reason=OwnershipReason.CLAIMED, actor=guide, now=now)
        record(guide, "pool.claimed", actor=guide, at=now, data={"customer": customer.pk})


def claim_next(staff: Staff, *, now: datetime) -> Customer:
    """Let a guide answer for the first customer whom the rule offers; returns the customer.

    Whoever is taken by somebody else meanwhile is passed over. Raises ``RuleBroken`` if nobody
    is offered, and as ``claim_customer`` does.
    """
    rule = rule_of(staff.store_id) if staff.store_id else PoolRule()
    for period in offered_to(staff, rule, now=now).select_related("customer"):
        try:
            claim_customer(period.customer, staff=staff, now=now)
        except MovedOn:
            continue
        return period.customer
    raise RuleBroken(_("Nobody waits in the pool for you at the moment."))


def _rule_for(guide: Staff, customer: Customer) -> PoolRule:
    if guide.state != StaffState.ACTIVE or guide.leaves_on:
        raise RuleBroken(_("Only who is at work and stays may claim customers."))
    if guide.store_id != customer.store_id:
        raise RuleBroken(_("This customer rests in the pool of another store."))
    rule = rule_of(customer.store_id)
    if not rule.claiming:
        raise RuleBroken(_("In your store the manager gives out the customers of the pool."))
    return rule


def _check_allowance(guide: Staff, rule: PoolRule, now: datetime) -> None:
    if claimed_today(guide, now=now) >= rule.claims_per_day:
        raise RuleBroken(
            _("You have claimed all of today's %(n)s customers. Come back tomorrow.")
            % {"n": rule.claims_per_day}
        )
    if not room_of([guide])[guide.pk]:
        raise RuleBroken(
            _("You answer for as many customers as you can take: %(n)s.") % {"n": guide.capacity}
        )


def _check_offered(customer: Customer, guide: Staff, rule: PoolRule, now: datetime) -> None:
    offered = offered_to(guide, rule, now=now).values_list("customer", flat=True)
    if customer.pk in set(offered):
        return
    if barred([customer.pk], [guide.pk], rule, now=now):
        raise RuleBroken(
            _("You answered for %(name)s until lately. For %(n)s days a colleague may claim them.")
            % {"name": customer, "n": rule.not_back_days}
        )
    since = OwnershipPeriod.objects.values_list("began_at", flat=True)
    if since.get(customer=customer, ended_at=None) > now - timedelta(days=rule.new_days):
        raise RuleBroken(
            _("%(name)s is new in the pool. For %(n)s days the manager decides.")
            % {"name": customer, "n": rule.new_days}
        )
    raise RuleBroken(_("Others come before %(name)s. Choose from the list.") % {"name": customer})


# --- assigning ----------------------------------------------------------------------------------


def assign_from_pool(
    pooled: QuerySet[OwnershipPeriod],
    receivers: Sequence[Staff],
    *,
    strategy: Strategy,
    actor: Staff | None,
    now: datetime,
) -> list[Share]:
    """Give customers who are ``resting`` in pools to these colleagues of their stores.

    Nobody gets more than they have room for; the rest stays in the pool and is the last share.
    Raises ``RuleBroken`` if a receiver cannot take customers, or nobody is chosen.
    """
    pairs = _pairs(pooled, receivers, strategy)
    if not pairs:
        raise RuleBroken(_("None of these customers rests in the pool."))
    total: Counter[int] = Counter()
    planned = [(pk, to) for pk, to in pairs if to]
    for start in range(0, len(planned), CHUNK):
        with transaction.atomic():
            part = planned[start : start + CHUNK]
            given = give_some(part, reason=OwnershipReason.ASSIGNED, actor=actor, now=now)
            write_down(given, actor=actor, now=now)
        total += given
    tell_receivers(total, now=now)
    return _shares(total, receivers, rest=len(pairs) - total.total())


def preview_assignment(
    pooled: QuerySet[OwnershipPeriod], receivers: Sequence[Staff], *, strategy: Strategy
) -> list[Share]:
    """Return what ``assign_from_pool`` would give to whom at this moment; raises as it does."""
    pairs = _pairs(pooled, receivers, strategy)
    planned = Counter(to for _pk, to in pairs if to)
    return _shares(planned, receivers, rest=len(pairs) - planned.total())


def tell_receivers(given: Mapping[int, int], *, now: datetime) -> None:
    """Tell people how many customers they got out of the pool."""
    by_number = defaultdict(list)
    for person, number in given.items():
        by_number[number].append(person)
    for number, people in by_number.items():
        notify(
            people,
            NoticeKind.FROM_POOL,
            key=f"pool:assigned:{now.isoformat()}",
            now=now,
            data={"what": "assigned", "customers": number},
        )


def _pairs(
    pooled: QuerySet[OwnershipPeriod], receivers: Sequence[Staff], strategy: Strategy
) -> list[tuple[int, int | None]]:
    """Deal the customers out store by store, who has waited longest first."""
    _check_receivers(receivers)
    by_store = defaultdict(list)
    for customer, store in pooled.order_by("began_at", "pk").values_list("customer", "store"):
        by_store[store].append(customer)
    room = room_of(receivers)
    pairs: list[tuple[int, int | None]] = []
    for store, waiting in by_store.items():
        people = [person.pk for person in receivers if person.store_id == store]
        rooms = [room[pk] for pk in people]
        dealt = _deal(people, _quotas(len(waiting), rooms, strategy))
        pairs += zip(waiting, dealt + [None] * (len(waiting) - len(dealt)), strict=True)
    return pairs


def _check_receivers(receivers: Sequence[Staff]) -> None:
    if not receivers:
        raise RuleBroken(_("Choose at least one colleague."))
    able = receivers_in({person.store_id for person in receivers if person.store_id})
    found = set(
        able.filter(pk__in=[person.pk for person in receivers]).values_list("pk", flat=True)
    )
    for person in receivers:
        if person.pk not in found:
            raise RuleBroken(
                _("%(name)s is not at work or about to leave, and cannot take customers.")
                % {"name": person.name}
            )


def _quotas(count: int, rooms: Sequence[int], strategy: Strategy) -> list[int]:
    """Return how many of ``count`` customers each gets: never more than there is room for."""
    if strategy == Strategy.CAPACITY:
        return quotas_for(count, rooms, strategy)
    quotas = [0] * len(rooms)
    left = min(count, sum(rooms))
    while left:
        open_ones = [place for place, room in enumerate(rooms) if quotas[place] < room]
        each = max(1, left // len(open_ones))
        for place in open_ones:
            more = min(each, rooms[place] - quotas[place], left)
            quotas[place] += more
            left -= more
    return quotas


def _deal(people: Sequence[int], quotas: Sequence[int]) -> list[int | None]:
    """Deal like cards, so that everybody gets some of those who have waited longest."""
    rounds = range(max(quotas, default=0))
    return [pk for turn in rounds for pk, quota in zip(people, quotas, strict=True) if turn < quota]


def write_down(given: Mapping[int, int], *, actor: Staff | None, now: datetime) -> None:
    """Record on each store who got how many of its customers."""
    places = dict(Staff.objects.filter(pk__in=given).values_list("pk", "store"))
    for store in Store.objects.filter(pk__in=set(places.values())).order_by("pk"):
        here = {str(pk): n for pk, n in given.items() if places[pk] == store.pk}
        data = {"customers": sum(here.values()), "staff": here}
        record(store, "pool.assigned", actor=actor, at=now, data=data)


def _shares(given: Mapping[int, int], receivers: Sequence[Staff], *, rest: int) -> list[Share]:
    shares = [Share(person, given.get(person.pk, 0)) for person in receivers]
    return [*shares, Share(None, rest)] if rest else shares
