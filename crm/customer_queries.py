"""What the page of one customer shows: its file, and its story."""

from dataclasses import dataclass
from datetime import datetime

from contacts.enums import IdentityKind
from contacts.models import (
    Customer,
    CustomerTag,
    Follow,
    HandoverItem,
    Identity,
    OwnershipPeriod,
    Tag,
)
from contacts.queries import TimelineEntry, customer_timeline
from crm.access import Viewer, sees_numbers

STORY_LENGTH = 20
PERIODS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Story:
    """One stretch of a timeline; ``earlier`` is where the one before begins, if there is one."""

    entries: list[TimelineEntry]
    earlier: datetime | None


def story_of(customer: Customer, *, before: datetime | None = None) -> Story:
    """Return the newest stretch of the customer's timeline, or the one before a moment."""
    entries = customer_timeline(customer, before=before, limit=STORY_LENGTH + 1)
    shown = entries[:STORY_LENGTH]
    return Story(shown, shown[-1].at if len(entries) > STORY_LENGTH else None)


@dataclass(frozen=True, slots=True)
class TagChoice:
    """A tag on offer, and whether the customer carries it."""

    tag: Tag
    is_carried: bool


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number as this viewer may see it; ``dial`` is empty where they may not call it."""

    shown: str
    dial: str


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """Who a customer is, as one viewer may see it."""

    tags: list[Tag]
    choices: list[TagChoice]
    phones: list[Phone]
    addresses: list[str]
    follows: list[Follow]
    periods: list[OwnershipPeriod]
    moving: HandoverItem | None


def customer_file(customer: Customer, viewer: Viewer) -> CustomerFile:
    """Gather what the page shows beside the timeline: six queries."""
    carried = set(CustomerTag.objects.filter(customer=customer).values_list("tag_id", flat=True))
    order = ("group__position", "group__name", "position", "name")
    tags = list(Tag.objects.select_related("group").order_by(*order))
    identities = list(customer.identities.order_by("kind", "pk"))
    may_call = sees_numbers(viewer, customer)
    return CustomerFile(
        tags=[tag for tag in tags if tag.pk in carried],
        choices=[TagChoice(tag, tag.pk in carried) for tag in tags],
        phones=[
            _phone(row.value, in_full=may_call)
            for row in identities
            if row.kind == IdentityKind.PHONE
        ],
        addresses=[row.get_kind_display() for row in identities if row.kind != IdentityKind.PHONE],
        follows=list(customer.follows.select_related("staff").order_by("-began_at", "-pk")),
        periods=list(
            customer.ownership_periods.select_related("staff", "store").order_by(
                "-began_at", "-pk"
            )[:PERIODS_SHOWN]
        ),
        moving=customer.handover_items.filter(closed_at=None)
        .select_related("handover__from_staff", "to_staff")
        .first(),
    )


def shown_number(viewer: Viewer, customer: Customer, row: Identity) -> str:
    """Return a phone number of the customer as this viewer may see it."""
    return _phone(row.value, in_full=sees_numbers(viewer, customer)).shown


def _phone(number: str, *, in_full: bool) -> Phone:
    if in_full:
        return Phone(number, number)
    return Phone(f"{number[:-8]}****{number[-4:]}" if len(number) > 8 else "****", "")
