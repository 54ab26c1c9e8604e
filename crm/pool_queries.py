"""What the screens and the API show of pools: rows, filters, what a guide may do, what happened."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery
from django.utils.translation import gettext as _

from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import (
    Customer,
    CustomerTag,
    HistoryEntry,
    OwnershipPeriod,
    PoolRule,
    Staff,
    Store,
)
from contacts.pools import claimed_today, receivers_in, room_of, rule_of
from crm.access import Viewer, staff_of
from crm.handover_queries import Colleague
from crm.paging import search_words, whole_number
from crm.staff_queries import with_customers

CARRIED = Prefetch("customer__carried_tags", CustomerTag.objects.select_related("tag"))
COLLEAGUES_SHOWN = 100
ROUNDS_SHOWN = 8


def shown(rows: QuerySet[OwnershipPeriod]) -> QuerySet[OwnershipPeriod]:
    """Return the rows with customer, store, tags and ``former``: who answered for them last."""
    before = (
        OwnershipPeriod.objects.filter(customer=OuterRef("customer"), staff__isnull=False)
        .order_by("-began_at", "-pk")
        .values("staff__name")
    )
    return (
        rows.select_related("customer", "store")
        .prefetch_related(CARRIED)
        .annotate(former=Subquery(before[:1]))
    )


@dataclass(frozen=True, slots=True)
class PoolFilter:
    """Who of a pool: of one store, waiting for so many days, of a value, of a former owner, a tag."""

    words: str = ""
    store: int | None = None
    days: int | None = None
    value: int | None = None
    former: int | None = None
    tag: int | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "PoolFilter":
        """Read the filter from an address; what is not sound counts as not given."""
        figures = {
            name: whole_number(str(given.get(name, "")))
            for name in ("store", "days", "value", "former", "tag")
        }
        days = figures["days"]
        figures["days"] = min(days, _MOST_DAYS) if days else None
        return cls(words=search_words(str(given.get("q", ""))), **figures)

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> "PoolFilter":
        """Read the filter by which customers are given away: what is not sound would give too many.

        Raises ``RuleBroken``.
        """
        chosen = cls.read(given)
        taken = chosen.as_query()
        for name, value in given.items():
            if name not in taken or (value not in {"", None} and not taken[name]):
                raise RuleBroken(_("“%(name)s” cannot be matched like this.") % {"name": name})
        return chosen

    def as_query(self) -> dict[str, Any]:
        """Return the filter as the fields of an address or a form."""
        return {
            "q": self.words,
            "store": self.store or "",
            "days": self.days or "",
            "value": self.value or "",
            "former": self.former or "",
            "tag": self.tag or "",
        }

    @property
    def is_set(self) -> bool:
        """Whether anything is left out."""
        return self != PoolFilter()

    def apply(self, rows: QuerySet[OwnershipPeriod], *, now: datetime) -> QuerySet[OwnershipPeriod]:
        """Narrow a pool down."""
        if self.words:
            rows = rows.filter(customer__search_key__contains=self.words.lower())
        if self.store:
            rows = rows.filter(store=self.store)
        if self.days:
            rows = rows.filter(began_at__lte=now - timedelta(days=self.days))
        if self.value:
            rows = rows.filter(customer__spent__gte=self.value)
        if self.former:
            ended = OwnershipPeriod.objects.filter(
                customer=OuterRef("customer"), staff=self.former, ended_at=OuterRef("began_at")
            )
            rows = rows.filter(Exists(ended))
        if self.tag:
            carried = CustomerTag.objects.filter(customer=OuterRef("customer"), tag=self.tag)
            rows = rows.filter(Exists(carried))
        return rows


_MOST_DAYS = 36_500


def customers_of_pool(rows: QuerySet[OwnershipPeriod]) -> QuerySet[Customer]:
    """Return the customers of these rows, for an action."""
    return Customer.objects.filter(pk__in=rows.order_by().values("customer"))


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a guide may still claim today; ``left`` is 0 where the rule or their capacity says so."""

    rule: PoolRule
    claimed: int
    room: int

    @property
    def left(self) -> int:
        """How many more."""
        if not self.rule.claiming:
            return 0
        return max(0, min(self.rule.claims_per_day - self.claimed, self.room))


def allowance_of(staff: Staff, *, now: datetime) -> Allowance:
    """Return what the guide may claim today: three queries."""
    rule = rule_of(staff.store_id) if staff.store_id else PoolRule()
    return Allowance(rule, claimed_today(staff, now=now), room_of([staff])[staff.pk])


def takers_for(viewer: Viewer, store: int | None) -> list[Colleague]:
    """Return the guides, of one store or of all that the viewer manages, who may get customers."""
    people = staff_of(viewer).filter(roles__role=Role.GUIDE)
    able = receivers_in([store] if store else people.values("store")).filter(
        pk__in=people.values("pk")
    )
    rows = with_customers(able.select_related("store")).order_by("store__name", "name_key", "pk")
    return [
        Colleague(person, getattr(person, "owned", 0), is_near=False)
        for person in rows[:COLLEAGUES_SHOWN]
    ]


@dataclass(frozen=True, slots=True)
class Round:
    """One time that customers of a pool were assigned, or sent back: to or from whom, how many."""

    entry: HistoryEntry
    store: str
    customers: int
    people: list[tuple[str, int]] = field(default_factory=list)

    @property
    def is_recycling(self) -> bool:
        """Whether customers came back."""
        return self.entry.action == "pool.recycled"


def rounds_in(stores: Iterable[Store]) -> list[Round]:
    """Return what happened lately to the pools of these stores, the newest first: two queries."""
    names = {store.pk: store.name for store in stores}
    entries = list(
        HistoryEntry.objects.filter(
            subject_kind="store",
            subject_id__in=names,
            action__in=["pool.assigned", "pool.recycled"],
        )
        .select_related("actor")
        .order_by("-at", "-pk")[:ROUNDS_SHOWN]
    )
    ids = {int(pk) for entry in entries for pk in entry.data["staff"]}
    people = dict(Staff.objects.filter(pk__in=ids).values_list("pk", "name"))
    return [
        Round(
            entry,
            names[entry.subject_id],
            entry.data["customers"],
            [(people[int(pk)], n) for pk, n in entry.data["staff"].items() if int(pk) in people],
        )
        for entry in entries
    ]
