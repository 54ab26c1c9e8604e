"""What an erasure would take away, what is left after one, and the list of all there were."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from contacts.models import Customer, Follow, HandoverItem, HistoryEntry, Staff

ERASED = "customer.erased"
"""What is left in the history: who did it and when, of whom nothing but the number."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a person should know before they erase somebody."""

    merged: int
    connected: list[Staff]
    is_moving: bool


def erasure_outlook(customer: Customer) -> Outlook:
    """Count what hangs on the customer now, and on whoever was merged into them."""
    theirs = Customer.objects.filter(Q(pk=customer.pk) | Q(merged_into=customer.pk))
    follows = Follow.objects.active().filter(customer__in=theirs)
    return Outlook(
        merged=theirs.exclude(pk=customer.pk).count(),
        connected=list(Staff.objects.filter(pk__in=follows.values("staff")).order_by("name_key")),
        is_moving=HandoverItem.objects.filter(customer__in=theirs, closed_at=None).exists(),
    )


def tombstone_of(customer: Customer) -> HistoryEntry | None:
    """Return the entry that says who erased the customer, and when."""
    return tombstones().filter(subject_id=customer.pk).first()


def tombstones() -> QuerySet[HistoryEntry]:
    """Return what was written down of every erasure, the latest first."""
    entries = HistoryEntry.objects.filter(subject_kind="customer", action=ERASED)
    return entries.select_related("actor").order_by("-at", "-pk")


def erasures_since(moment: datetime | None) -> Iterator[tuple[int, datetime]]:
    """Return the numbers of those erased since a moment, and when, the oldest first."""
    entries = tombstones().reverse()
    if moment:
        entries = entries.filter(at__gte=moment)
    yield from entries.values_list("subject_id", "at")
