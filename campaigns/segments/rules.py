"""From a rule to a query: groups within groups, and segments within segments."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns.segments.fields import OPERATORS, segments_named
from campaigns.segments.joining import as_joins, asks_elsewhere
from campaigns.segments.sets import Described, as_sets
from campaigns.segments.values import ids
from contacts.errors import RuleBroken
from contacts.models import Customer
from contacts.saying import gettext as _

MOST_CONDITIONS = 100
DEEPEST = 5
"""Groups within groups, and segments within segments."""

EVERYBODY, NOBODY = Q(pk__isnull=False), Q(pk__in=[])
"""An empty ``Q`` would not do: it vanishes from what it is joined with."""

GROUPS = frozenset({"all", "any", "not"})


def check_rule(rule: object) -> None:
    """Raise ``RuleBroken``, saying what to change, if the rule is not one we can run."""
    _Builder(timezone.now()).build(rule)


def customers_in(rule: object, *, now: datetime | None = None) -> QuerySet[Customer]:
    """Return the active customers whom the rule describes; an empty rule describes everybody."""
    described = as_joins(_Builder(now or timezone.now()).build(rule))
    found = Described(Customer).active().filter(described)
    found.sets = as_sets(described)
    return found


class _Builder:
    """Builds one rule; counts its conditions, and knows within which segments it is."""

    def __init__(self, now: datetime, within: tuple[int, ...] = ()) -> None:
        self._now = now
        self._within = within
        self._conditions = 0

    def build(self, rule: object, depth: int = 0) -> Q:
        if rule in ({}, None):
            return Q()
        if not isinstance(rule, dict):
            raise RuleBroken(_('A segment rule looks like {"all": [ … conditions … ]}.'))
        if depth > DEEPEST:
            raise RuleBroken(_("Groups lie at most %(n)s deep.") % {"n": DEEPEST})
        if len(rule) == 1 and (kind := next(iter(rule))) in GROUPS:
            return self._group(kind, rule[kind], depth)
        if "field" in rule:
            return self._condition(rule)
        raise RuleBroken(_('A segment rule looks like {"all": [ … conditions … ]}.'))

    def _group(self, kind: str, members: object, depth: int) -> Q:
        if kind == "not":
            if not isinstance(members, dict) or not members:
                raise RuleBroken(_("Say what customers must not be."))
            return ~self.build(members, depth + 1)
        if not isinstance(members, list):
            raise RuleBroken(_('A segment rule looks like {"all": [ … conditions … ]}.'))
        if not all(isinstance(member, dict) and member for member in members):
            raise RuleBroken(_("Each condition has a field, an operator and a value."))
        built = [self.build(member, depth + 1) for member in members]
        if kind == "all":
            return reduce(and_, built, EVERYBODY)
        # PostgreSQL asks the parts of an "or" as they stand, up to the first that holds.
        return reduce(or_, sorted(built, key=asks_elsewhere), NOBODY)

    def _condition(self, condition: Mapping[str, Any]) -> Q:
        self._conditions += 1
        if self._conditions > MOST_CONDITIONS:
            raise RuleBroken(
                _("A segment holds at most %(n)s conditions.") % {"n": MOST_CONDITIONS}
            )
        if extra := set(condition) - {"field", "op", "value"}:
            raise RuleBroken(
                _("A condition has no part “%(name)s”.") % {"name": sorted(map(str, extra))[0][:40]}
            )
        field, name = condition.get("field"), condition.get("op")
        # Both are words by then, which the type checker cannot see through the helper.
        operator = OPERATORS.get((field, name)) if _are_words(field, name) else None  # type: ignore[arg-type]
        if operator is None:
            raise RuleBroken(
                _("A segment cannot ask for “%(field)s %(op)s”.")
                % {"field": str(field)[:40], "op": str(name)[:40]}
            )
        value = operator.read(condition.get("value"))
        if field == "segment":
            return self._segments(value, wanted=name == "in")
        return operator.build(value, self._now)

    def _segments(self, value: object, *, wanted: bool) -> Q:
        """Members of other segments. A segment that leads back to itself is refused."""
        pks = ids(value)
        if set(pks) & set(self._within):
            raise RuleBroken(_("This segment leads back to itself."))
        if len(self._within) >= DEEPEST:
            raise RuleBroken(_("Segments lie at most %(n)s within each other.") % {"n": DEEPEST})
        joined = Q(pk__in=[])
        for segment in segments_named(pks):
            inner = _Builder(self._now, (*self._within, segment.pk))
            described = inner.build(segment.rule)
            members = Customer.objects.filter(as_joins(described))
            joined |= Q(pk__in=members.order_by().values("pk"))
        return joined if wanted else ~joined


def _are_words(*words: object) -> bool:
    return all(isinstance(word, str) for word in words)
