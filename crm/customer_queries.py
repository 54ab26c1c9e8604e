"""What the page of one customer shows: its file, and its story."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from contacts.enums import CouponState, IdentityKind, TaskState
from contacts.models import (
    Coupon,
    Customer,
    CustomerTag,
    Follow,
    HandoverItem,
    HistoryEntry,
    Identity,
    OwnershipPeriod,
    Staff,
    Tag,
    Task,
)
from contacts.queries import TimelineEntry, customer_timeline, why_changed
from crm.access import Viewer, handovers_of, sees_numbers
from crm.briefs import SHOWN_FOR, Brief, brief_of
from crm.models import Order
from crm.templatetags.liuke import listed, money

STORY_LENGTH = 20
PERIODS_SHOWN = 20
TASKS_SHOWN = 20
ORDERS_SHOWN = 10
COUPONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Story:
    """One stretch of a timeline; ``earlier`` is where the one before begins, if there is one."""

    entries: list[TimelineEntry]
    earlier: datetime | None


def story_of(customer: Customer, *, before: datetime | None = None) -> Story:
    """Return the newest stretch of the customer's timeline, or the one before a moment.

    Orders stand among what was said and done. Six queries.
    """
    limit = STORY_LENGTH + 1
    entries = customer_timeline(customer, before=before, limit=limit)
    entries += _order_entries(customer, before, limit)
    entries.sort(key=lambda entry: entry.at, reverse=True)
    shown = entries[:STORY_LENGTH]
    return Story(shown, shown[-1].at if len(entries) > STORY_LENGTH else None)


def orders_about(customer: Customer) -> QuerySet[Order]:
    """Return the customer's orders, and those of everybody who was merged into them."""
    return Order.objects.filter(customer__in=Customer.objects.same_as(customer))


def _order_entries(
    customer: Customer, before: datetime | None, limit: int
) -> Iterable[TimelineEntry]:
    rows = orders_about(customer).select_related("staff")
    if before:
        rows = rows.filter(ordered_at__lt=before)
    for row in rows.order_by("-ordered_at", "-pk")[:limit]:
        title = _("Order %(number)s: %(state)s") % {
            "number": row.number,
            "state": row.get_state_display(),
        }
        bought = [str(item.get("name") or item.get("sku") or "") for item in row.items]
        text = " · ".join(
            filter(None, [money(row.amount, row.currency), listed(filter(None, bought))])
        )
        yield TimelineEntry(
            row.ordered_at, "order", title, text, row.staff.name if row.staff else ""
        )


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """Who answered for a customer, from when to when, why, and who saw to it.

    ``by`` is ``None`` where it came about by itself. ``may_open`` says whether the viewer may
    open the handover that brought it.
    """

    period: OwnershipPeriod
    why: str
    by: Staff | None
    may_open: bool


def owner_lines(customer: Customer, viewer: Viewer) -> list[OwnerLine]:
    """Return the customer's owners, the newest first: three queries.

    A period says what began it; who did that stands in the history of the same moment.
    """
    periods = list(
        customer.ownership_periods.select_related(
            "staff", "store", "handover__from_staff"
        ).order_by("-began_at", "-pk")[:PERIODS_SHOWN]
    )
    handovers = {period.handover_id for period in periods if period.handover_id}
    visible = set(handovers_of(viewer).filter(pk__in=handovers).values_list("pk", flat=True))
    by = _who_did(customer, periods, handovers)
    return [
        OwnerLine(
            period,
            why_changed(period),
            by.get((period.handover_id, period.began_at)) or by.get((None, period.began_at)),
            period.handover_id in visible,
        )
        for period in periods
    ]


def _who_did(
    customer: Customer, periods: Sequence[OwnershipPeriod], handovers: Iterable[int]
) -> dict[tuple[int | None, datetime], Staff | None]:
    theirs = Q(customer=customer) | Q(subject_kind="handover", subject_id__in=handovers)
    entries = HistoryEntry.objects.filter(
        theirs, at__in=[period.began_at for period in periods], actor__isnull=False
    )
    return {
        (entry.subject_id if entry.subject_kind == "handover" else None, entry.at): entry.actor
        for entry in entries.select_related("actor").order_by("-pk")
    }


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
class CouponLine:
    """A coupon of a customer, and what it is at the moment."""

    coupon: Coupon
    state: CouponState


def coupon_lines(customer: Customer, *, now: datetime) -> list[CouponLine]:
    """Return the customer's last coupons: those still to be redeemed first, the soonest on top."""
    last = Coupon.objects.about(customer).order_by("-issued_at", "-pk")[:COUPONS_SHOWN]
    lines = [CouponLine(coupon, coupon.state_at(now)) for coupon in last]
    valid = [line for line in lines if line.state == CouponState.VALID]
    others = [line for line in lines if line.state != CouponState.VALID]
    return sorted(valid, key=lambda line: line.coupon.expires_at) + others


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """Who a customer is, as one viewer may see it."""

    tags: list[Tag]
    choices: list[TagChoice]
    phones: list[Phone]
    addresses: list[str]
    follows: list[Follow]
    owners: list[OwnerLine]
    moving: HandoverItem | None
    tasks: list[Task]
    orders: list[Order]
    coupons: list[CouponLine]
    brief: Brief | None


def customer_file(customer: Customer, viewer: Viewer, *, now: datetime) -> CustomerFile:
    """Gather what the page shows beside the timeline: eleven queries, and those of a brief.

    The brief is there for a while after the customer changed hands.
    """
    owners = owner_lines(customer, viewer)
    is_new = len(owners) > 1 and owners[0].period.began_at > now - SHOWN_FOR
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
        owners=owners,
        moving=customer.handover_items.filter(closed_at=None)
        .select_related("handover__from_staff", "to_staff")
        .first(),
        tasks=open_tasks(customer),
        orders=list(orders_about(customer).order_by("-ordered_at", "-pk")[:ORDERS_SHOWN]),
        coupons=coupon_lines(customer, now=now),
        brief=brief_of(customer) if is_new else None,
    )


def shown_number(viewer: Viewer, customer: Customer, row: Identity) -> str:
    """Return a phone number of the customer as this viewer may see it."""
    return _phone(row.value, in_full=sees_numbers(viewer, customer)).shown


def open_tasks(customer: Customer) -> list[Task]:
    """Return what there is to do about the customer, the most urgent first."""
    tasks = customer.tasks.filter(state=TaskState.OPEN).select_related("staff", "handover")
    return list(tasks.order_by(F("due_on").asc(nulls_last=True), "pk")[:TASKS_SHOWN])


def _phone(number: str, *, in_full: bool) -> Phone:
    if in_full:
        return Phone(number, number)
    return Phone(f"{number[:-8]}****{number[-4:]}" if len(number) > 8 else "****", "")
