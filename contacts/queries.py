"""Reads that join several tables: the progress of a handover, the timeline of a customer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F
from django.db.models.lookups import IsNull
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from contacts.enums import ItemState, RequestState
from contacts.models import (
    Customer,
    Handover,
    HandoverItem,
    HandoverRequest,
    HistoryEntry,
    Interaction,
    OwnershipPeriod,
    Staff,
)

MOVING = frozenset({ItemState.PLANNED, ItemState.REQUESTED, ItemState.WAITING})
UNDECIDED = frozenset({ItemState.REFUSED, ItemState.OVER_CAPACITY, ItemState.FAILED})


@dataclass(frozen=True, slots=True)
class ReceiverProgress:
    """How far one receiver's customers got."""

    staff: Staff
    states: dict[ItemState, int]

    @property
    def total(self) -> int:
        """Customers meant for this receiver."""
        return sum(self.states.values())


@dataclass(frozen=True, slots=True)
class HandoverProgress:
    """Where the customers of a handover stand; ``states`` adds up to ``size``.

    ``undecided`` customers were refused, over capacity or failed, and wait for the manager.
    """

    size: int
    states: dict[ItemState, int]
    receivers: list[ReceiverProgress] = field(default_factory=list)
    undecided: int = 0
    requests: dict[RequestState, int] = field(default_factory=dict)

    @property
    def moving(self) -> int:
        """Customers on their way."""
        return sum(self.states.get(state, 0) for state in MOVING)

    @property
    def adds_up(self) -> bool:
        """Whether every customer is accounted for."""
        return sum(self.states.values()) == self.size


def handover_progress(handover: Handover) -> HandoverProgress:
    """Count a handover's items by state and by receiver: four queries."""
    rows = (
        HandoverItem.objects.filter(handover=handover)
        .values_list("to_staff", "state", IsNull(F("closed_at"), True))  # noqa: FBT003 -- Django's way
        .annotate(Count("pk"))
    )
    states: dict[ItemState, int] = {}
    by_receiver: dict[int, dict[ItemState, int]] = {}
    undecided = 0
    for receiver, value, is_open, count in rows:
        state = ItemState(value)
        states[state] = states.get(state, 0) + count
        if receiver:
            mine = by_receiver.setdefault(receiver, {})
            mine[state] = mine.get(state, 0) + count
        if is_open and state in UNDECIDED:
            undecided += count
    staff = Staff.objects.filter(pk__in=by_receiver).order_by("name_key", "id")
    requests = (
        HandoverRequest.objects.filter(handover=handover).values_list("state").annotate(Count("pk"))
    )
    return HandoverProgress(
        size=handover.size,
        states=states,
        receivers=[ReceiverProgress(person, by_receiver[person.pk]) for person in staff],
        undecided=undecided,
        requests={RequestState(state): count for state, count in requests},
    )


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to a customer; ``kind`` picks the icon and colour."""

    at: datetime
    kind: str
    title: str
    text: str = ""
    actor_name: str = ""


def customer_timeline(
    customer: Customer, *, before: datetime | None = None, limit: int = 20
) -> list[TimelineEntry]:
    """Return the customer's timeline, newest first: interactions, changes of hands, history.

    ``before`` is the time of the last entry already shown. Three queries, whatever the length.
    """
    entries: list[TimelineEntry] = []
    entries += _interactions(customer, before, limit)
    entries += _changes_of_hands(customer, before, limit)
    entries += _history(customer, before, limit)
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return entries[:limit]


def _interactions(
    customer: Customer, before: datetime | None, limit: int
) -> Iterable[TimelineEntry]:
    rows = Interaction.objects.filter(customer=customer).select_related("staff")
    if before:
        rows = rows.filter(happened_at__lt=before)
    for row in rows.order_by("-happened_at", "-id")[:limit]:
        name = row.staff.name if row.staff else ""
        yield TimelineEntry(row.happened_at, row.kind, row.get_kind_display(), row.text, name)


def _changes_of_hands(
    customer: Customer, before: datetime | None, limit: int
) -> Iterable[TimelineEntry]:
    rows = OwnershipPeriod.objects.filter(customer=customer).select_related("staff", "store")
    if before:
        rows = rows.filter(began_at__lt=before)
    for row in rows.order_by("-began_at", "-id")[:limit]:
        holder = (
            row.staff.name if row.staff else _("the pool of %(store)s") % {"store": row.store.name}
        )
        title = _("Now with %(holder)s") % {"holder": holder}
        yield TimelineEntry(row.began_at, "ownership", title, row.get_reason_display())


_TITLES = {
    "customer.added": gettext_lazy("Became a customer"),
    "customer.tagged": gettext_lazy("Tagged"),
    "customer.untagged": gettext_lazy("Tag removed"),
    "customer.opted_out": gettext_lazy("Wants no campaigns"),
    "follow.ended": gettext_lazy("Connection ended"),
    "finding.repaired": gettext_lazy("Put right after a comparison with WeCom"),
    "finding.dismissed": gettext_lazy("A difference to WeCom is all right as it is"),
}


def _history(customer: Customer, before: datetime | None, limit: int) -> Iterable[TimelineEntry]:
    rows = HistoryEntry.objects.filter(customer=customer).select_related("actor")
    if before:
        rows = rows.filter(at__lt=before)
    for row in rows.order_by("-at", "-id")[:limit]:
        text = pgettext("between words", ", ").join(row.data.get("tags", []))
        name = row.actor.name if row.actor else ""
        yield TimelineEntry(
            row.at, row.action, str(_TITLES.get(row.action, row.action)), text, name
        )
