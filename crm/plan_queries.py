"""What a plan would do: per receiver, per customer, per channel, and what speaks against it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts.enums import Channel, ItemState, StaffState
from contacts.models import Customer, Follow, Handover, HandoverItem, Staff
from contacts.plan_steps import connected
from contacts.promises import transferred_twice
from contacts.wecom import wecom
from contacts.words import handover_words
from crm.access import Viewer
from crm.handover_queries import receivers_of
from crm.staff_queries import with_customers
from crm.templatetags.liuke import money

SAMPLE = 3


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something that speaks against a share, in words that say what to do."""

    kind: str
    customers: int
    words: str


@dataclass(frozen=True, slots=True)
class PlannedShare:
    """What a plan gives to one receiver; without ``staff``, what rests in the pool or stays.

    ``by_channel`` customers are asked through WeCom and may say no; the others change hands at
    once. ``known`` are connected with the receiver in WeCom already, ``moved`` came by hand, and
    ``twice`` WeCom would refuse.
    """

    staff: Staff | None
    customers: int
    value: Decimal = Decimal(0)
    by_channel: int = 0
    known: int = 0
    moved: int = 0
    twice: int = 0
    owned: int = 0
    sample: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """Customers about whom no channel has to be asked."""
        return self.customers - self.by_channel if self.staff else 0

    @property
    def owned_after(self) -> int:
        """What the receiver holds once everybody has been taken over."""
        return self.owned + self.customers

    @property
    def over(self) -> int:
        """How many more than their capacity the receiver would hold."""
        return max(0, self.owned_after - self.staff.capacity) if self.staff else 0

    @property
    def value_words(self) -> str:
        """The value as it is shown."""
        return money(self.value.quantize(Decimal(1)))


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """All shares of a plan, receivers in name order and those without one last."""

    shares: list[PlannedShare]

    @property
    def given(self) -> list[PlannedShare]:
        """The shares that have a receiver."""
        return [share for share in self.shares if share.staff]

    @property
    def conflicts(self) -> int:
        """How many warnings the plan has."""
        return sum(len(share.conflicts) for share in self.shares)

    def total(self, name: str, *, given: bool = True) -> Any:
        """Add a figure up over the shares, or over those with a receiver."""
        return sum(getattr(share, name) for share in (self.given if given else self.shares))


def plan_preview(handover: Handover, viewer: Viewer, *, now: datetime) -> PlanPreview:
    """Return what the plan would do at this moment, in four queries."""
    items = HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    figures = {row.pop("to_staff"): row for row in _figures(items, handover, now)}
    samples = _samples(items)
    receivers = with_customers(Staff.objects.filter(pk__in=[pk for pk in figures if pk]))
    in_scope = set(
        receivers_of(viewer, handover)
        .filter(pk__in=list(filter(None, figures)))
        .values_list("pk", flat=True)
    )
    shares = []
    for person in receivers.select_related("store").order_by("name_key", "pk"):
        share = PlannedShare(
            person,
            owned=getattr(person, "owned", 0),
            sample=samples.get(person.pk, []),
            **figures[person.pk],
        )
        share.conflicts.extend(_conflicts(share, person, is_in_scope=person.pk in in_scope))
        shares.append(share)
    if None in figures:
        shares.append(PlannedShare(None, sample=samples.get(None, []), **figures[None]))
    return PlanPreview(shares)


def plan_figures(preview: PlanPreview) -> list[dict[str, Any]]:
    """Return what a plan comes to, to be kept with it and compared with others."""
    return [
        {
            "staff": share.staff.pk if share.staff else None,
            "name": share.staff.name if share.staff else "",
            "customers": share.customers,
            "value": str(share.value),
            "by_channel": share.by_channel,
            "known": share.known,
            "over": share.over,
            "conflicts": len(share.conflicts),
        }
        for share in preview.shares
    ]


@dataclass(frozen=True, slots=True)
class SampleWords:
    """What one customer of the plan will read, and from whom."""

    customer: Customer
    receiver: Staff
    text: str


def sample_words(handover: Handover, text: str) -> SampleWords | None:
    """Return the words to the customer as the first one of the plan will read them.

    WeCom takes one text for many customers, so no name of one stands in it.
    """
    first = (
        HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
        .exclude(to_staff=None)
        .select_related("customer", "to_staff__store")
        .order_by("pk")
        .first()
    )
    if first is None or first.to_staff is None:
        return None
    words = handover_words(text, handover, first.to_staff)
    return SampleWords(first.customer, first.to_staff, words)


def is_told_afterwards(handover: Handover) -> bool:
    """Whether customers are told by a message of their own, as after a departure."""
    return not handover.from_staff.is_employed


def is_on_the_job(handover: Handover) -> bool:
    """Whether WeCom counts the giver among those at work, whose customers it moves twice at most."""
    return handover.from_staff.left_channel_at is None


def is_asked(handover: Handover) -> Q:
    """Which items go through the channel: the same test as ``prepare_requests``."""
    if wecom() is None or not handover.from_staff.wecom_userid:
        return Q(pk=None)
    return connected(handover.from_staff_id, OuterRef("customer"))


def is_known() -> Q:
    """Which items are about customers with whom WeCom connects the receiver already."""
    return Q(
        Exists(
            Follow.objects.active().filter(
                customer=OuterRef("customer"), staff=OuterRef("to_staff"), channel=Channel.WECOM
            )
        )
    )


def is_moved_too_often(handover: Handover, *, now: datetime) -> Q:
    """Which items WeCom would refuse because the customer changed hands twice in 90 days."""
    if wecom() is None or not is_on_the_job(handover):
        return Q(pk=None)
    planned = HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    often = transferred_twice(now).filter(customer__in=planned.values("customer"))
    return Q(customer__in=often)


def _figures(
    items: QuerySet[HandoverItem], handover: Handover, now: datetime
) -> list[dict[str, Any]]:
    asked = is_asked(handover)
    rows = (
        items.order_by()
        .values("to_staff")
        .annotate(
            customers=Count("pk"),
            value=Sum("customer__spent"),
            by_channel=Count("pk", filter=asked),
            known=Count("pk", filter=is_known()),
            moved=Count("pk", filter=Q(by_hand=True)),
            twice=Count("pk", filter=asked & is_moved_too_often(handover, now=now)),
        )
    )
    return [dict(row) for row in rows]


def _samples(items: QuerySet[HandoverItem]) -> dict[int | None, list[str]]:
    """Return the first few names of each receiver, those met most recently first."""
    place = Window(
        RowNumber(),
        partition_by=F("to_staff"),
        order_by=[F("customer__last_interaction_at").desc(nulls_last=True), F("pk").asc()],
    )
    rows = items.annotate(place=place).filter(place__lte=SAMPLE).order_by("place")
    samples: dict[int | None, list[str]] = {}
    for receiver, name in rows.values_list("to_staff", "customer__name"):
        samples.setdefault(receiver, []).append(name or _("New contact"))
    return samples


def _conflicts(share: PlannedShare, staff: Staff, *, is_in_scope: bool) -> list[Conflict]:
    found = []
    if staff.state != StaffState.ACTIVE:
        words = _("Is not at work and cannot take customers. Choose somebody else.")
        found.append(Conflict("not_at_work", share.customers, words))
    elif not is_in_scope:
        words = _("Works outside your stores. Ask an administrator, or choose somebody else.")
        found.append(Conflict("out_of_scope", share.customers, words))
    if share.by_channel and not staff.wecom_userid:
        words = _("Has no WeCom account. Choose somebody else for WeCom customers.")
        found.append(Conflict("no_account", share.by_channel, words))
    if share.over:
        words = _("%(n)s over capacity. Choose more colleagues, or share by remaining capacity.")
        found.append(Conflict("over_capacity", share.over, words % {"n": share.over}))
    if share.twice:
        words = ngettext(
            "%(n)s customer changed hands twice in 90 days; WeCom would refuse. Leave them out.",
            "%(n)s customers changed hands twice in 90 days; WeCom would refuse. Leave them out.",
            share.twice,
        )
        found.append(Conflict("too_often", share.twice, words % {"n": share.twice}))
    return found
