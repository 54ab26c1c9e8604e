"""What the staff screens need to know: how much each person holds, and what a departure does."""

from dataclasses import dataclass

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns.actions.leavers import OPEN
from campaigns.enums import BatchState
from campaigns.models import Batch, Campaign, QuickReply
from contacts.enums import HandoverState, ItemState, StaffState, TaskState
from contacts.models import (
    ApiKey,
    ContactCode,
    Customer,
    Follow,
    GroupChat,
    Handover,
    HandoverItem,
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
    """Somebody who has departed, with the handovers of theirs that are not done."""

    staff: Staff
    handovers: list[Handover]


@dataclass(frozen=True, slots=True)
class PeopleLeaving:
    """Who leaves when, who is away for long, and whose customers are still on their way."""

    leaving: list[Staff]
    suspended: list[Staff]
    departed: list[Leaver]


PEOPLE_SHOWN = 100


def leaving_of(viewer: Viewer) -> PeopleLeaving:
    """Gather the people of the viewer's stores who leave, in four queries."""
    people = with_customers(staff_of(viewer)).select_related("store")
    leaving = people.filter(state=StaffState.LEAVING).order_by("leaves_on", "name_key", "pk")
    suspended = people.filter(state=StaffState.SUSPENDED).order_by("state_at", "pk")
    open_states = [HandoverState.PLANNED, HandoverState.RUNNING]
    open_ones = (
        Handover.objects.filter(
            from_staff__in=staff_of(viewer).filter(state=StaffState.DEPARTED),
            state__in=open_states,
        )
        .select_related("from_staff__store")
        .order_by("-from_staff__departed_at", "pk")
    )
    by_person: dict[Staff, list[Handover]] = {}
    for handover in open_ones[:PEOPLE_SHOWN]:
        by_person.setdefault(handover.from_staff, []).append(handover)
    return PeopleLeaving(
        leaving=list(leaving[:PEOPLE_SHOWN]),
        suspended=list(suspended[:PEOPLE_SHOWN]),
        departed=[Leaver(person, theirs) for person, theirs in by_person.items()],
    )
