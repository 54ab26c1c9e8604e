"""Reading pools: by which rule, who rests there, who is offered to whom, and who has room."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from contacts.enums import CustomerState, OwnershipReason, PoolOrder, Role
from contacts.models import Customer, HandoverItem, OwnershipPeriod, PoolRule, Staff, Store

LATELY = timedelta(hours=1)
"""How long somebody who looks at an old list is told that a customer has been taken."""

_ORDERS = {
    PoolOrder.WAITING: (F("began_at").asc(), F("pk").asc()),
    PoolOrder.VALUE: (F("customer__spent").desc(), F("began_at").asc(), F("pk").asc()),
    PoolOrder.RECENT: (
        F("customer__last_interaction_at").desc(nulls_last=True),
        F("began_at").asc(),
        F("pk").asc(),
    ),
}


def rule_of(store: Store | int) -> PoolRule:
    """Return the rule of a store's pool: its own, else the company's, else that all is off."""
    pk = store if isinstance(store, int) else store.pk
    rules = PoolRule.objects.filter(Q(store=pk) | Q(store=None))
    return rules.order_by(F("store").asc(nulls_last=True)).first() or PoolRule()


def company_rule() -> PoolRule:
    """Return the rule for stores without one of their own."""
    return PoolRule.objects.filter(store=None).first() or PoolRule()


def stores_under(rules: Sequence[PoolRule]) -> QuerySet[Store]:
    """Return the open stores for which one of these rules goes."""
    wanted = Q(pk__in=[rule.store_id for rule in rules if rule.store_id])
    if any(rule.store_id is None for rule in rules):
        wanted |= Q(~Exists(PoolRule.objects.filter(store=OuterRef("pk"))))
    return Store.objects.filter(wanted, closed_at=None)


def within_reach(store: int, *, now: datetime) -> QuerySet[Customer]:
    """Return the customers in a store's pool, and those who were taken out of it lately."""
    taken = OwnershipPeriod.objects.filter(
        customer=OuterRef("pk"),
        ended_at=None,
        reason__in=[OwnershipReason.CLAIMED, OwnershipReason.ASSIGNED],
        began_at__gt=now - LATELY,
    )
    return Customer.objects.active().filter(Q(owner=None) | Exists(taken), store=store)


def resting() -> QuerySet[OwnershipPeriod]:
    """Return the open periods of all customers who rest in a pool and are in no open handover."""
    moving = HandoverItem.objects.filter(customer=OuterRef("customer"), closed_at=None)
    return OwnershipPeriod.objects.filter(
        ~Exists(moving),
        staff=None,
        ended_at=None,
        customer__state=CustomerState.ACTIVE,
        customer__owner=None,
    )


def offered_to(staff: Staff, rule: PoolRule, *, now: datetime) -> QuerySet[OwnershipPeriod]:
    """Return whom this guide may claim now: the first of those who wait for them."""
    return waiting_for(staff, rule, now=now)[: rule.offered]


def waiting_for(staff: Staff, rule: PoolRule, *, now: datetime) -> QuerySet[OwnershipPeriod]:
    """Return who waits for this guide, in the order of the rule; nobody where claiming is off."""
    if not rule.claiming or staff.store_id is None:
        return OwnershipPeriod.objects.none()
    waiting = resting().filter(store=staff.store_id)
    if rule.new_days:
        waiting = waiting.filter(began_at__lte=now - timedelta(days=rule.new_days))
    if rule.not_back_days:
        waiting = waiting.exclude(customer__in=_owned_since(staff, rule, now).values("customer"))
    return waiting.order_by(*_ORDERS[PoolOrder(rule.first)])


def _owned_since(staff: Staff, rule: PoolRule, now: datetime) -> QuerySet[OwnershipPeriod]:
    since = now - timedelta(days=rule.not_back_days)
    return OwnershipPeriod.objects.filter(staff=staff, ended_at__gt=since)


def barred(
    customers: Collection[int], staff: Collection[int], rule: PoolRule, *, now: datetime
) -> set[tuple[int, int]]:
    """Return those pairs of customer and guide that may not come together again yet."""
    if not rule.not_back_days:
        return set()
    rows = OwnershipPeriod.objects.filter(
        customer__in=customers,
        staff__in=staff,
        ended_at__gt=now - timedelta(days=rule.not_back_days),
    )
    return set(rows.values_list("customer", "staff"))


def claimed_today(staff: Staff, *, now: datetime) -> int:
    """Return how many customers the guide has claimed since midnight, local time."""
    return OwnershipPeriod.objects.filter(
        staff=staff, reason=OwnershipReason.CLAIMED, began_at__gte=midnight(now)
    ).count()


def midnight(now: datetime) -> datetime:
    """Return when the local day of this moment began."""
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def receivers_in(stores: Iterable[int] | QuerySet[Staff, Any]) -> QuerySet[Staff]:
    """Return the people of these stores who may get customers: at work, and not about to leave."""
    return Staff.objects.able_to_receive().filter(store__in=stores, leaves_on=None)


def guides_in(store: int) -> QuerySet[Staff]:
    """Return the guides of a store who may be assigned customers."""
    return receivers_in([store]).filter(roles__role=Role.GUIDE)


def room_of(people: Collection[Staff]) -> dict[int, int]:
    """Return how many more customers each of these people can answer for: one query."""
    owned = dict(
        Customer.objects.filter(owner__in=people)
        .order_by()
        .values_list("owner")
        .annotate(Count("pk"))
    )
    return {person.pk: max(0, person.capacity - owned.get(person.pk, 0)) for person in people}
