"""Customers of a pool go to people, a few hundred at a time: held, moved, and asked for.

Whom WeCom still connects with a colleague who has departed is asked for there as well: a
departure handover of that colleague begins for them, running from the start.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from contacts.actions.history import record
from contacts.actions.moving import move_on
from contacts.actions.ownership import move_ownership
from contacts.enums import (
    Channel,
    CustomerState,
    HandoverKind,
    HandoverState,
    OwnershipReason,
    StaffState,
)
from contacts.models import Customer, Follow, Handover, HandoverItem, OwnershipPeriod, Staff
from contacts.pools import receivers_in, room_of
from contacts.wecom import wecom

Pair = tuple[int, int]
"""A customer, and who is to answer for them."""


@contextmanager
def held(customers: Collection[int], staff: Collection[int]) -> Iterator[set[int]]:
    """Hold these people, then these customers; yields those who still rest in a pool.

    Until the block ends nobody of them departs or gets other customers out of a pool, nobody
    else takes these customers, and nobody plans a handover for those who left them behind.
    """
    with transaction.atomic():
        people = Staff.objects.select_for_update(no_key=True).filter(
            pk__in={*staff, *_former(customers)}
        )
        list(people.order_by("pk").values_list("pk"))
        pooled = Customer.objects.select_for_update(no_key=True).filter(
            pk__in=customers, state=CustomerState.ACTIVE, owner=None
        )
        free = set(pooled.order_by("pk").values_list("pk", flat=True))
        # A statement of its own: it sees what was committed while we waited.
        moving = HandoverItem.objects.filter(customer__in=free, closed_at=None)
        taken = set(moving.values_list("customer", flat=True))
        yield free - taken


def _former(customers: Collection[int]) -> set[int]:
    """Return the departed of whom somebody could plan to hand these customers over."""
    left_by = OwnershipPeriod.objects.filter(
        customer__in=customers, ended_at=None, handover__from_staff__state=StaffState.DEPARTED
    )
    followed_by = _departed_follows(customers)
    return {
        *left_by.values_list("handover__from_staff", flat=True),
        *followed_by.values_list("staff", flat=True),
    }


def give_some(
    pairs: Sequence[Pair], *, reason: OwnershipReason, actor: Staff | None, now: datetime
) -> Counter[int]:
    """Give these customers to these people in one transaction; returns how many each got.

    Left out are customers who do not rest in a pool any more, and people who may not take
    customers of that store, or have no room.
    """
    wanted = dict(pairs)
    with held(wanted, set(wanted.values())) as free:
        given = _fitting({pk: wanted[pk] for pk in wanted if pk in free})
        give_held(given, reason=reason, actor=actor, now=now)
    return Counter(given.values())


def _fitting(pairs: Mapping[int, int]) -> dict[int, int]:
    stores = dict(Customer.objects.filter(pk__in=pairs).values_list("pk", "store"))
    people = list(receivers_in(set(stores.values())).filter(pk__in=set(pairs.values())))
    place = {person.pk: person.store_id for person in people}
    room = room_of(people)
    given: dict[int, int] = {}
    for customer, person in pairs.items():
        if place.get(person) == stores[customer] and room[person] > 0:
            given[customer] = person
            room[person] -= 1
    return given


def give_held(
    given: Mapping[int, int], *, reason: OwnershipReason, actor: Staff | None, now: datetime
) -> None:
    """Give customers who are ``held`` to people who may have them."""
    rest = dict(given)
    for leaver, customers in _connected(given).items():
        part = {pk: rest.pop(pk) for pk in customers}
        handover = _begin_handover(leaver, part, actor=actor, now=now)
        move_ownership(part.items(), reason=reason, now=now, handover=handover)
        move_on(handover, now=now)
    move_ownership(rest.items(), reason=reason, now=now)


def _departed_follows(customers: Collection[int]) -> QuerySet[Follow]:
    return Follow.objects.active().filter(
        customer__in=customers, channel=Channel.WECOM, staff__state=StaffState.DEPARTED
    )


def _connected(given: Mapping[int, int]) -> dict[Staff, list[int]]:
    """Return the departed whom WeCom connects with some of the customers: the last of each."""
    if wecom() is None:
        return {}
    able = Staff.objects.filter(pk__in=set(given.values())).exclude(wecom_userid=None)
    reached = set(able.values_list("pk", flat=True))
    follows = (
        _departed_follows([pk for pk, staff in given.items() if staff in reached])
        .exclude(staff__wecom_userid=None)
        .select_related("staff__store")
        .order_by("customer", "-began_at")
        .distinct("customer")
    )
    found = defaultdict(list)
    for follow in follows:
        found[follow.staff].append(follow.customer_id)
    return found


def _begin_handover(
    leaver: Staff, given: Mapping[int, int], *, actor: Staff | None, now: datetime
) -> Handover:
    store = leaver.store_id or Customer.objects.values_list("store").get(pk=min(given))[0]
    handover = Handover.objects.create(
        from_staff=leaver,
        store_id=store,
        planned_by=actor,
        kind=HandoverKind.DEPARTURE,
        state=HandoverState.RUNNING,
        size=len(given),
        planned_at=now,
        started_at=now,
    )
    HandoverItem.objects.bulk_create(
        HandoverItem(handover=handover, customer_id=pk, to_staff_id=staff, state_at=now)
        for pk, staff in given.items()
    )
    data = {"customers": len(given), "from": "pool"}
    record(handover, "handover.started", actor=actor, at=now, data=data)
    return handover
