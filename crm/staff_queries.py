"""What the staff screens need to know: how much each person holds, and what a departure does."""

from dataclasses import dataclass

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from campaigns.enums import BatchState
from campaigns.models import Batch
from contacts.enums import HandoverState, ItemState
from contacts.models import ApiKey, Customer, Follow, Handover, HandoverItem, Staff


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
    )
