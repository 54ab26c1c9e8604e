"""The customers of a plan, filtered and paged, and the steps of a plan in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.models import Segment
from contacts.actions.sharing import Order, Strategy
from contacts.enums import ItemState
from contacts.errors import RuleBroken
from contacts.models import Handover, HandoverItem, Staff, Store, Tag
from crm.paging import search_words, whole_number
from crm.plan_queries import is_asked, is_known, is_moved_too_often
from crm.templatetags.liuke import listed

NAMES_SHOWN = 3
POOL = "pool"
CASES = ("asked", "at_once", "known", "moved", "too_often")


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """Which customers of a plan: of one receiver or none, by name, by tag, by what happens."""

    to: str = ""
    words: str = ""
    tag: int | None = None
    case: str = ""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> "PlanFilter":
        """Read the filter from an address; what is not sound counts as not given."""
        to, case = str(given.get("to", "")), str(given.get("case", ""))
        return cls(
            to=to if to == POOL or whole_number(to) else "",
            words=search_words(str(given.get("q", ""))),
            tag=whole_number(str(given.get("tag", ""))),
            case=case if case in CASES else "",
        )

    @classmethod
    def check(cls, given: Mapping[str, Any]) -> "PlanFilter":
        """Read the filter by which customers are moved: what is not sound would move too many."""
        chosen = cls.read({name: str(value) for name, value in given.items()})
        taken = {"to": chosen.to, "q": chosen.words, "tag": chosen.tag, "case": chosen.case}
        for name, value in given.items():
            if name not in taken or (value not in {"", None} and not taken[name]):
                raise RuleBroken(_("“%(name)s” cannot be matched like this.") % {"name": name})
        return chosen

    def as_query(self) -> dict[str, Any]:
        """Return the filter as the fields of an address or a form."""
        return {"to": self.to, "q": self.words, "tag": self.tag or "", "case": self.case}


def items_in(handover: Handover, chosen: PlanFilter, *, now: datetime) -> QuerySet[HandoverItem]:
    """Return the planned items of a handover that the filter describes."""
    items = HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
    if chosen.to == POOL:
        items = items.filter(to_staff=None)
    elif chosen.to:
        items = items.filter(to_staff=int(chosen.to))
    if chosen.words:
        items = items.filter(customer__search_key__icontains=chosen.words)
    if chosen.tag:
        items = items.filter(customer__carried_tags__tag=chosen.tag)
    if chosen.case:
        items = items.filter(_case(handover, chosen.case, now))
    return items


def _case(handover: Handover, case: str, now: datetime) -> Q:
    if case == "moved":
        return Q(by_hand=True)
    if case == "known":
        return is_known()
    if case == "too_often":
        return is_asked(handover) & is_moved_too_often(handover, now=now)
    return is_asked(handover) if case == "asked" else ~is_asked(handover)


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step of a plan in words, and how many customers it gave to somebody."""

    number: int
    who: str
    how: str
    receivers: str
    given: int
    more: list[str] = field(default_factory=list)


def step_rows(handover: Handover) -> list[StepRow]:
    """Say the steps of the plan in words, in six queries at most."""
    steps: Sequence[Mapping[str, Any]] = handover.steps
    given = dict(
        HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
        .order_by()
        .values_list("step")
        .annotate(Count("pk"))
    )
    names = _Names.of(steps)
    return [
        StepRow(
            number=number,
            who=names.condition(step["who"]),
            how=str(Strategy(step["strategy"]).label),
            receivers=_some(names.staff, step["receivers"]),
            given=given.get(number, 0),
            more=_more(step),
        )
        for number, step in enumerate(steps)
    ]


def _more(step: Mapping[str, Any]) -> list[str]:
    more = []
    if step.get("limit"):
        limit = step["limit"]
        more.append(
            ngettext("%(n)s customer at most", "%(n)s customers at most", limit) % {"n": limit}
        )
    if step["order"] != Order.RECENT:
        more.append(str(Order(step["order"]).label))
    return more


def _some(names: Mapping[int, str], ids: Sequence[int]) -> str:
    """Name the first few of many."""
    known = [names.get(pk, _("somebody unknown")) for pk in ids]
    if len(known) <= NAMES_SHOWN + 1:
        return listed(known)
    return listed([*known[:NAMES_SHOWN], _("%(n)s more") % {"n": len(known) - NAMES_SHOWN}])


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of all that steps speak of."""

    staff: Mapping[int, str]
    tags: Mapping[int, str]
    segments: Mapping[int, str]
    stores: Mapping[int, str]

    @classmethod
    def of(cls, steps: Sequence[Mapping[str, Any]]) -> "_Names":
        asked: dict[str, set[int]] = {"tag": set(), "segment": set(), "store": set()}
        for step in steps:
            if step["who"]["field"] in asked:
                value = step["who"]["value"]
                asked[step["who"]["field"]] |= set(value if isinstance(value, list) else [value])
        staff = {pk for step in steps for pk in step["receivers"]}
        return cls(
            staff=_names_in(Staff.objects.filter(pk__in=staff)),
            tags=_names_in(Tag.objects.filter(pk__in=asked["tag"])),
            segments=_names_in(Segment.objects.filter(pk__in=asked["segment"])),
            stores=_names_in(Store.objects.filter(pk__in=asked["store"])),
        )

    def condition(self, who: Mapping[str, Any]) -> str:
        """Say a condition in words."""
        value = who.get("value")
        match who["field"], who.get("op", ""):
            case "tag", "any":
                return _("Tagged %(names)s") % {"names": _some(self.tags, value or [])}
            case "tag", "all":
                return _("Tagged with all of %(names)s") % {"names": _some(self.tags, value or [])}
            case "segment", _any:
                name = self.segments.get(value or 0, _("that is not there any more"))
                return _("In the segment %(name)s") % {"name": name}
            case "store", _any:
                return _("Customers of %(names)s") % {"names": _some(self.stores, value or [])}
            case "customer", _any:
                chosen = len(value or [])
                words = ngettext("%(n)s chosen customer", "%(n)s chosen customers", chosen)
                return words % {"n": chosen}
        return _in_words(who)


def _in_words(who: Mapping[str, Any]) -> str:
    """Say a condition in words that names nothing else."""
    words = {
        ("everybody", ""): _("Everybody"),
        ("last_interaction", "within_days"): _("Met within %(n)s days"),
        ("last_interaction", "before_days"): _("Not met for %(n)s days"),
        ("value", "at_least"): _("Value of %(n)s or more"),
        ("value", "at_most"): _("Value of %(n)s or less"),
        ("value", "top"): _("The %(n)s of highest value"),
        ("value", "top_percent"): _("The %(n)s %% of highest value"),
    }
    if who["field"] == "connected":
        return _("Connected in WeCom") if who["value"] else _("Not connected in WeCom")
    return words[who["field"], who.get("op", "")] % {"n": who.get("value")}


def _names_in(rows: QuerySet[Any]) -> dict[int, str]:
    return dict(rows.values_list("pk", "name"))
