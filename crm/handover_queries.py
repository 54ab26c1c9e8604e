"""What the handover screens show: lists, colleagues to choose from, progress, items."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, Min, Q, QuerySet, Value, When
from django.utils.translation import gettext as _

from contacts.actions.chat_undo import UNDO_WITHIN, chats_to_undo
from contacts.actions.undo import TO_UNDO
from contacts.enums import HandoverKind, ItemState, StaffState
from contacts.models import Handover, HandoverItem, Staff
from contacts.queries import UNDECIDED, HandoverProgress
from crm.access import Viewer, staff_of
from crm.staff_queries import with_customers

COLLEAGUES_SHOWN = 40


@dataclass(frozen=True, slots=True)
class HandoverRow:
    """A handover of a list, with how many of its customers stand where."""

    handover: Handover
    states: dict[ItemState, int]

    @property
    def accepted(self) -> int:
        """Customers whose new owner is final."""
        return self.states.get(ItemState.ACCEPTED, 0)


def with_bars(handovers: Iterable[Handover]) -> list[HandoverRow]:
    """Count the items of these handovers by state, in one query."""
    rows = list(handovers)
    states = {row.pk: dict.fromkeys(ItemState, 0) for row in rows}
    counts = (
        HandoverItem.objects.filter(handover__in=rows)
        .values_list("handover", "state")
        .annotate(n=Count("pk"))
    )
    for handover, state, number in counts:
        states[handover][ItemState(state)] = number
    return [HandoverRow(row, states[row.pk]) for row in rows]


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who may take customers, with what they hold today."""

    staff: Staff
    owned: int
    is_near: bool

    @property
    def room(self) -> int:
        """How many more customers fit."""
        return max(0, self.staff.capacity - self.owned)


def receivers_of(viewer: Viewer, handover: Handover) -> QuerySet[Staff]:
    """Return the colleagues in the viewer's scope who may take customers of this handover."""
    return (Staff.objects.able_to_receive() & staff_of(viewer)).exclude(pk=handover.from_staff_id)


def colleagues_for(
    viewer: Viewer, handover: Handover, *, chosen: Collection[int] = (), words: str = ""
) -> list[Colleague]:
    """Return whom to choose from: those already chosen, the store's own people, then others.

    At most 40; ``words`` looks for names and stores among all of them.
    """
    wanted = Q(pk__in=chosen)
    found = (
        Q(name__icontains=words) | Q(name_key__icontains=words) | Q(store__name__icontains=words)
    )
    is_chosen = Case(When(wanted, then=Value(0)), default=Value(1))
    is_far = Case(When(store=handover.store_id, then=Value(0)), default=Value(1))
    people = with_customers(receivers_of(viewer, handover).select_related("store"))
    if words:
        people = people.filter(wanted | found)
    first = people.order_by(is_chosen, is_far, "name_key", "pk")[:COLLEAGUES_SHOWN]
    rows = [
        Colleague(person, getattr(person, "owned", 0), person.store_id == handover.store_id)
        for person in first
    ]
    return sorted(
        rows,
        key=lambda row: (
            not row.is_near,
            row.staff.pk not in chosen,
            row.staff.name_key,
            row.staff.pk,
        ),
    )


@dataclass(frozen=True, slots=True)
class ReceiverRow:
    """One line of the progress table: a receiver, or those without one."""

    name: str
    counts: list[int]

    @property
    def total(self) -> int:
        """Customers of this line."""
        return sum(self.counts)


def receiver_rows(progress: HandoverProgress, states: list[ItemState]) -> list[ReceiverRow]:
    """Lay receivers out by state, and those without a receiver last, so that the sums add up."""
    rows = [
        ReceiverRow(receiver.staff.name, [receiver.states.get(state, 0) for state in states])
        for receiver in progress.receivers
    ]
    rest = [
        progress.states.get(state, 0) - sum(row.counts[place] for row in rows)
        for place, state in enumerate(states)
    ]
    return [*rows, ReceiverRow(_("No receiver"), rest)] if any(rest) else rows


def items_of(handover: Handover, state: str, after: int | None) -> QuerySet[HandoverItem]:
    """Return the items in one state, in ``"undecided"`` ones, or all, from after this item on."""
    items = HandoverItem.objects.filter(handover=handover).select_related("customer", "to_staff")
    if state == "undecided":
        items = items.filter(state__in=UNDECIDED, closed_at=None)
    elif state == "undone":
        items = items.filter(undo_asked_at__isnull=False)
    elif state == "not_undone":
        items = items.exclude(undo_note="")
    elif state in ItemState.values:
        items = items.filter(state=state)
    if after:
        items = items.filter(pk__gt=after)
    return items.order_by("pk")


@dataclass(frozen=True, slots=True)
class UndoOutlook:
    """What an undo of a handover would do now, and what earlier ones have done."""

    customers: int
    until: datetime | None
    undone: int
    going_back: int
    left_alone: int
    to_giver: bool
    handovers: list[Handover]
    chats: int

    @property
    def happened(self) -> bool:
        """Whether somebody has asked for an undo."""
        return bool(self.undone or self.going_back or self.left_alone)


def undo_outlook(handover: Handover, *, now: datetime) -> UndoOutlook:
    """Count whom an undo would give back, and whom undoing has given back: four queries."""
    accepted = Q(state=ItemState.ACCEPTED)
    recent = accepted & Q(undo_asked_at=None, closed_at__gte=now - UNDO_WITHIN)
    figures = handover.items.aggregate(
        customers=Count("pk", filter=recent),
        first=Min("closed_at", filter=recent),
        undone=Count("pk", filter=Q(undone_at__isnull=False)),
        going_back=Count("pk", filter=TO_UNDO),
        left_alone=Count("pk", filter=~Q(undo_note="")),
    )
    first = figures.pop("first")
    return UndoOutlook(
        until=first + UNDO_WITHIN if first else None,
        to_giver=handover.from_staff.state == StaffState.ACTIVE,
        handovers=list(handover.undone_by.select_related("from_staff").order_by("pk")),
        chats=chats_to_undo(handover, now=now).count(),
        **figures,
    )


def next_step(item: HandoverItem, handover: Handover) -> str:
    """Say what happens next to this customer, or what somebody has to do."""
    if item.undone_at:
        return _("Given back.")
    if item.undo_note:
        return _("Not given back: %(why)s.") % {"why": item.get_undo_note_display()}
    if item.undo_asked_at:
        return _("Is being given back.")
    if item.closed_at and item.state != ItemState.ACCEPTED:
        return rest_of(handover)
    steps = {
        ItemState.PLANNED: _("Moves when the handover starts."),
        ItemState.REQUESTED: _("WeCom will be asked within a minute."),
        ItemState.WAITING: _("Passes over by itself after 24 hours, unless the customer says no."),
        ItemState.ACCEPTED: _("Nothing to do."),
        ItemState.REFUSED: _("Offer to another colleague, or let rest."),
        ItemState.OVER_CAPACITY: _("Offer to another colleague, or let rest."),
        ItemState.FAILED: _("Offer to another colleague, or let rest."),
    }
    return steps.get(ItemState(item.state), rest_of(handover))


def rest_of(handover: Handover) -> str:
    """Say where customers are whom nobody took over."""
    if handover.kind != HandoverKind.DEPARTURE:
        return _("Stays with %(name)s.") % {"name": handover.from_staff.name}
    return _("Rests in the pool of the store.")
