"""What the staff screens need to know: how much each person holds, and what a departure does."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns.actions.leavers import OPEN
from campaigns.enums import BatchState
from campaigns.models import Batch, Campaign, QuickReply
from contacts.enums import CustomerState, HandoverState, ItemState, StaffState, TaskState
from contacts.models import (
    ApiKey,
    ChatItem,
    ContactCode,
    Customer,
    Follow,
    GroupChat,
    Handover,
    HandoverItem,
    OwnershipPeriod,
    Staff,
    Task,
)
from crm.access import Viewer, staff_of


@dataclass(frozen=True, slots=True)
class PoolShare:
    """How many of a person's customers would rest in the pool of one store."""

    store: str
    customers: int


@dataclass(frozen=True, slots=True)
class DepartureOutlook:
    """Everything that a departure would touch, counted at this moment.

    ``coming`` are customers on their way to the person in other people's handovers, and
    ``batches`` campaign batches that only they can still confirm.
    """

    pools: list[PoolShare]
    follows: int
    planned: int
    running: int
    coming: int
    batches: int
    api_keys: int
    tasks: int
    campaigns: int
    quick_replies: int
    codes: int
    chats: int

    @property
    def customers(self) -> int:
        """For how many customers the person answers."""
        return sum(pool.customers for pool in self.pools)


def with_customers(staff: QuerySet[Staff]) -> QuerySet[Staff]:
    """Annotate ``owned``: for how many customers each person answers now."""
    owned = (
        Customer.objects.filter(owner=OuterRef("pk"))
        .order_by()
        .values("owner")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return staff.annotate(owned=Coalesce(Subquery(owned), 0))


def departure_outlook(staff: Staff) -> DepartureOutlook:
    """Count what the departure of this person would touch; nothing is changed."""
    pools = (
        Customer.objects.filter(owner=staff)
        .order_by()
        .values_list("store__name")
        .annotate(n=Count("pk"))
    )
    handovers = Handover.objects.filter(from_staff=staff)
    moving = (ItemState.PLANNED, ItemState.REQUESTED, ItemState.WAITING)
    return DepartureOutlook(
        pools=[
            PoolShare(name, n) for name, n in sorted(pools, key=lambda pool: (-pool[1], pool[0]))
        ],
        follows=Follow.objects.active().filter(staff=staff).count(),
        planned=handovers.filter(state=HandoverState.PLANNED).count(),
        running=handovers.filter(state=HandoverState.RUNNING).count(),
        coming=HandoverItem.objects.filter(to_staff=staff, state__in=moving).count(),
        batches=Batch.objects.filter(
            sender=staff,
            state__in=[BatchState.WAITING, BatchState.SENDING, BatchState.HANDED],
            confirmed_at=None,
        ).count(),
        api_keys=ApiKey.objects.filter(staff=staff, revoked_at=None).count(),
        tasks=Task.objects.filter(staff=staff, state=TaskState.OPEN).count(),
        campaigns=Campaign.objects.filter(created_by=staff, state__in=OPEN).count(),
        quick_replies=QuickReply.objects.filter(owner=staff, archived_at=None).count(),
        codes=ContactCode.objects.filter(staff_on_duty=staff, closed_at=None).count(),
        chats=GroupChat.objects.filter(owner=staff, dismissed_at=None).count(),
    )


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who has departed, with the handovers of theirs that are not done.

    ``customers`` and ``chats`` are those they left behind whom no handover holds.
    """

    staff: Staff
    handovers: list[Handover]
    customers: int = 0
    chats: int = 0


@dataclass(frozen=True, slots=True)
class PeopleLeaving:
    """Who leaves when, who is away for long, and whose customers are still on their way."""

    leaving: list[Staff]
    suspended: list[Staff]
    departed: list[Leaver]


PEOPLE_SHOWN = 100


def leaving_of(viewer: Viewer) -> PeopleLeaving:
    """Gather the people of the viewer's stores who leave, in seven queries."""
    people = with_customers(staff_of(viewer)).select_related("store")
    leaving = people.filter(state=StaffState.LEAVING).order_by("leaves_on", "name_key", "pk")
    on_leave = people.filter(state=StaffState.SUSPENDED).prefetch_related("roles")
    return PeopleLeaving(
        leaving=list(leaving[:PEOPLE_SHOWN]),
        suspended=list(on_leave.order_by("state_at", "pk")[:PEOPLE_SHOWN]),
        departed=_departed(staff_of(viewer).filter(state=StaffState.DEPARTED)),
    )


def _departed(people: QuerySet[Staff]) -> list[Leaver]:
    """Those whose customers or group chats are not all in somebody's hands, last departed first."""
    customers, chats = _left_in_the_pool(people), _chats_left(people)
    by_person: dict[int, list[Handover]] = {}
    open_ones = Handover.objects.filter(
        from_staff__in=people, state__in=[HandoverState.PLANNED, HandoverState.RUNNING]
    )
    for handover in open_ones.order_by("-from_staff__departed_at", "pk")[:PEOPLE_SHOWN]:
        by_person.setdefault(handover.from_staff_id, []).append(handover)
    found = people.filter(pk__in={*by_person, *customers, *chats}).select_related("store")
    return [
        Leaver(one, by_person.get(one.pk, []), customers.get(one.pk, 0), chats.get(one.pk, 0))
        for one in found.order_by("-departed_at", "pk")[:PEOPLE_SHOWN]
    ]


def _left_in_the_pool(people: QuerySet[Staff]) -> dict[int, int]:
    """How many customers of each nobody answers for and no handover holds."""
    held = HandoverItem.objects.filter(closed_at=None)
    waiting = OwnershipPeriod.objects.filter(
        ended_at=None,
        staff=None,
        handover__from_staff__in=people,
        customer__state=CustomerState.ACTIVE,
    ).exclude(customer__in=held.values("customer"))
    return _counted(waiting, "handover__from_staff")


def _chats_left(people: QuerySet[Staff]) -> dict[int, int]:
    held = ChatItem.objects.filter(closed_at=None)
    waiting = GroupChat.objects.filter(owner=None, left_by__in=people, dismissed_at=None)
    return _counted(waiting.exclude(pk__in=held.values("chat")), "left_by")


def _counted(rows: QuerySet[Any], by: str) -> dict[int, int]:
    return dict(rows.order_by().values_list(by).annotate(n=Count("pk")))
