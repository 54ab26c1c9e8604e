"""Turning a segment's rule into a query: a closed list of fields and operators.

A rule is ``{"all": [condition, …]}`` and a condition ``{"field": …, "op": …, "value": …}``.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.enums import Gender
from contacts.errors import RuleBroken
from contacts.models import Customer, CustomerTag

MOST_CONDITIONS = 20
MOST_VALUES = 200
MOST_DAYS = 3650


def check_rule(rule: object) -> None:
    """Raise ``RuleBroken``, saying what to change, if the rule is not one we can run."""
    for condition in _conditions(rule):
        _build(condition, timezone.now())


def customers_in(rule: object, *, now: datetime | None = None) -> QuerySet[Customer]:
    """Return the active customers whom the rule describes; an empty rule describes everybody."""
    moment = now or timezone.now()
    found: QuerySet[Customer] = Customer.objects.active()
    for condition in _conditions(rule):
        found = found.filter(_build(condition, moment))
    return found


def _conditions(rule: object) -> list[Mapping[str, Any]]:
    if rule in ({}, None):
        return []
    if not isinstance(rule, dict) or set(rule) != {"all"} or not isinstance(rule["all"], list):
        raise RuleBroken(_('A segment rule looks like {"all": [ … conditions … ]}.'))
    conditions = rule["all"]
    if len(conditions) > MOST_CONDITIONS:
        raise RuleBroken(_("A segment holds at most %(n)s conditions.") % {"n": MOST_CONDITIONS})
    if not all(isinstance(condition, dict) for condition in conditions):
        raise RuleBroken(_("Each condition has a field, an operator and a value."))
    return conditions


def _build(condition: Mapping[str, Any], now: datetime) -> Q:
    field, operator = condition.get("field"), condition.get("op")
    builder = _BUILDERS.get((field, operator)) if _are_words(field, operator) else None
    if builder is None:
        raise RuleBroken(
            _("A segment cannot ask for “%(field)s %(op)s”.") % {"field": field, "op": operator}
        )
    return builder(condition.get("value"), now)


def _are_words(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _ids(value: object) -> list[int]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MOST_VALUES
        or not all(type(item) is int and 0 < item < 2**63 for item in value)
    ):
        raise RuleBroken(_("Choose between 1 and %(n)s entries.") % {"n": MOST_VALUES})
    return value


def _days(value: object) -> timedelta:
    if type(value) is not int or not 0 < value <= MOST_DAYS:
        raise RuleBroken(_("A number of days lies between 1 and %(n)s.") % {"n": MOST_DAYS})
    return timedelta(days=value)


def _carrying(ids: list[int]) -> Exists:
    return Exists(CustomerTag.objects.filter(customer=OuterRef("pk"), tag__in=ids))


def _tag_any(value: object, _now: datetime) -> Q:
    return Q(_carrying(_ids(value)))


def _tag_none(value: object, _now: datetime) -> Q:
    return ~Q(_carrying(_ids(value)))


def _tag_all(value: object, _now: datetime) -> Q:
    wanted = Q()
    for tag in _ids(value):
        wanted &= Q(_carrying([tag]))
    return wanted


def _store_in(value: object, _now: datetime) -> Q:
    return Q(store__in=_ids(value))


def _owner_in(value: object, _now: datetime) -> Q:
    return Q(owner__in=_ids(value))


def _gender_is(value: object, _now: datetime) -> Q:
    if value not in Gender.values:
        raise RuleBroken(_("This gender is not one of the choices."))
    return Q(gender=value)


def _met_within(value: object, now: datetime) -> Q:
    return Q(last_interaction_at__gte=now - _days(value))


def _not_met_for(value: object, now: datetime) -> Q:
    return Q(last_interaction_at=None) | Q(last_interaction_at__lt=now - _days(value))


_BUILDERS: dict[tuple[Any, Any], Callable[[object, datetime], Q]] = {
    ("tag", "any"): _tag_any,
    ("tag", "all"): _tag_all,
    ("tag", "none"): _tag_none,
    ("store", "in"): _store_in,
    ("owner", "in"): _owner_in,
    ("gender", "is"): _gender_is,
    ("last_interaction", "within_days"): _met_within,
    ("last_interaction", "before_days"): _not_met_for,
}
