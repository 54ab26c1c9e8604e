"""Reads that join several tables: the progress of a handover, the timeline of a customer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.lookups import IsNull
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from contacts.enums import ItemState, OwnershipReason, RequestState
from contacts.models import (
    Coupon,
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
    """One thing that happened to a customer; ``kind`` picks the icon and colour.

    A change of hands by a handover says by which.
    """

    at: datetime
    kind: str
    title: str
    text: str = ""
    actor_name: str = ""
    handover_id: int | None = None


def customer_timeline(
    customer: Customer, *, before: datetime | None = None, limit: int = 20
) -> list[TimelineEntry]:
    """Return the customer's timeline, newest first: interactions, changes of hands, coupons, history.

    What happened to records that were merged into the customer is part of it. ``before`` is the
    time of the last entry already shown. Five queries, whatever the length.
    """
    entries: list[TimelineEntry] = []
    entries += _interactions(customer, before, limit)
    entries += _changes_of_hands(customer, before, limit)
    entries += _coupons(customer, before, limit)
    entries += _history(customer, before, limit)
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return entries[:limit]


def _interactions(
    customer: Customer, before: datetime | None, limit: int
) -> Iterable[TimelineEntry]:
    theirs = Customer.objects.same_as(customer)
    rows = Interaction.objects.filter(customer__in=theirs).select_related("staff")
    if before:
        rows = rows.filter(happened_at__lt=before)
    for row in rows.order_by("-happened_at", "-id")[:limit]:
        name = row.staff.name if row.staff else ""
        yield TimelineEntry(row.happened_at, row.kind, row.get_kind_display(), row.text, name)


def _changes_of_hands(
    customer: Customer, before: datetime | None, limit: int
) -> Iterable[TimelineEntry]:
    rows = OwnershipPeriod.objects.filter(customer__in=Customer.objects.same_as(customer))
    if before:
        rows = rows.filter(began_at__lt=before)
    earlier = OwnershipPeriod.objects.filter(
        Q(began_at__lt=OuterRef("began_at"))
        | Q(began_at=OuterRef("began_at"), pk__lt=OuterRef("pk")),
        customer=OuterRef("customer"),
    )
    last = earlier.order_by("-began_at", "-pk")
    shown = rows.select_related("staff", "store", "handover__from_staff").annotate(
        former_staff=Subquery(last.values("staff__name")[:1]),
        former_store=Subquery(last.values("store__name")[:1]),
    )
    for row in shown.order_by("-began_at", "-id")[:limit]:
        yield TimelineEntry(
            row.began_at,
            "ownership",
            _handed(row, row.former_staff or "", row.former_store or ""),
            why_changed(row),
            handover_id=row.handover_id,
        )


def _handed(period: OwnershipPeriod, former_staff: str, former_store: str) -> str:
    holders = {"holder": holder_of(period)}
    goes_on = period.staff is not None and period.staff.name == former_staff
    if goes_on or not former_store:
        return _("Now with %(holder)s") % holders
    former = former_staff or _("the pool of %(store)s") % {"store": former_store}
    return _("From %(former)s to %(holder)s") % (holders | {"former": former})


def _coupons(customer: Customer, before: datetime | None, limit: int) -> Iterable[TimelineEntry]:
    """A coupon comes twice: when it was given, and when it was redeemed."""
    coupons = Coupon.objects.about(customer).select_related("given_by")
    moments = {
        "issued_at": _("Coupon given: %(title)s"),
        "redeemed_at": _("Coupon redeemed: %(title)s"),
    }
    for moment, words in moments.items():
        rows = coupons.filter(**{f"{moment}__lt": before}) if before else coupons
        rows = rows.filter(**{f"{moment}__isnull": False})
        for row in rows.order_by(f"-{moment}", "-id")[:limit]:
            given = moment == "issued_at"
            yield TimelineEntry(
                getattr(row, moment),
                "coupon",
                words % {"title": row.title},
                row.code if given else _order_of(row),
                row.given_by.name if given and row.given_by else "",
            )


def _order_of(coupon: Coupon) -> str:
    if not coupon.order_number:
        return coupon.code
    return _("%(code)s, with order %(number)s") % {
        "code": coupon.code,
        "number": coupon.order_number,
    }


def holder_of(period: OwnershipPeriod) -> str:
    """Name who answered for the customer: a colleague, or the pool of a store."""
    if period.staff:
        return period.staff.name
    return _("the pool of %(store)s") % {"store": period.store.name}


def why_changed(period: OwnershipPeriod) -> str:
    """Say in words why a period began, and by whose handover."""
    reason = str(period.get_reason_display())
    if period.handover is None:
        return reason
    handover = _("handover of %(name)s (%(kind)s)") % {
        "name": period.handover.from_staff.name,
        "kind": period.handover.get_kind_display(),
    }
    return handover if period.reason == OwnershipReason.HANDOVER else f"{reason} · {handover}"


_TITLES = {
    "customer.added": gettext_lazy("Became a customer"),
    "customer.tagged": gettext_lazy("Tagged"),
    "customer.untagged": gettext_lazy("Tag removed"),
    "customer.opted_out": gettext_lazy("Wants no messages"),
    "customer.opted_in": gettext_lazy("Agreed to messages"),
    "customer.lost": gettext_lazy("Lost: connected with nobody any more"),
    "customer.won_back": gettext_lazy("Won back"),
    "customer.transferred": gettext_lazy("Given to a colleague"),
    "customer.merged": gettext_lazy("Merged into another record"),
    "customer.took_in": gettext_lazy("Another record was merged into this one"),
    "customer.unmerged": gettext_lazy("Taken out of another record again"),
    "customer.gave_back": gettext_lazy("A record that had been merged was taken out again"),
    "customer.erased": gettext_lazy("Erased at their request"),
    "follow.ended": gettext_lazy("Connection ended"),
    "loss.reason": gettext_lazy("Why the customer left"),
    "loss.win_back": gettext_lazy("To be won back"),
    "loss.written_off": gettext_lazy("Written off"),
    "task.added": gettext_lazy("Task added"),
    "task.done": gettext_lazy("Task done"),
    "task.dropped": gettext_lazy("Task dropped"),
    "task.rescheduled": gettext_lazy("Task moved to another day"),
    "task.reassigned": gettext_lazy("Task given to somebody else"),
    "finding.repaired": gettext_lazy("Put right after a comparison with WeCom"),
    "finding.dismissed": gettext_lazy("A difference to WeCom is all right as it is"),
}
_TOLD_ELSEWHERE = ("order", "coupon")
"""Whatever stands on the timeline itself needs no line that says so."""


def _history(customer: Customer, before: datetime | None, limit: int) -> Iterable[TimelineEntry]:
    rows = (
        HistoryEntry.objects.filter(customer__in=Customer.objects.same_as(customer))
        .exclude(subject_kind__in=_TOLD_ELSEWHERE)
        .exclude(action="customer.merged", customer__merged_into=customer)  # it says so itself
        .select_related("actor")
    )
    if before:
        rows = rows.filter(at__lt=before)
    for row in rows.order_by("-at", "-id")[:limit]:
        text = pgettext("between words", ", ").join(row.data.get("tags", []))
        text = text or str(row.data.get("text", ""))
        name = row.actor.name if row.actor else ""
        yield TimelineEntry(
            row.at, row.action, str(_TITLES.get(row.action, row.action)), text, name
        )
