"""The steps of a plan: a closed list of conditions, and who gets the customers that meet one.

A step is ``{"who": condition, "receivers": [id, …], "strategy": …, "order": …, "limit": …}``, and a
condition ``{"field": …, "op": …, "value": …}``. ``order`` and ``limit`` may be left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet, TextChoices
from django.utils.translation import gettext as _

from contacts.actions.sharing import Order, Strategy
from contacts.enums import Channel, IdentityKind
from contacts.errors import RuleBroken
from contacts.models import Customer, CustomerTag, Follow, Identity, Staff

MOST_STEPS = 40
MOST_RECEIVERS = 200
MOST_VALUES = 500
MOST_DAYS = 3650
MOST = 10_000_000
EVERYBODY: Mapping[str, Any] = {"field": "everybody"}

Choice = TypeVar("Choice", bound=TextChoices)


@dataclass(frozen=True, slots=True)
class Step:
    """One checked step: whom it takes, and how they are spread over whom."""

    who: Mapping[str, Any]
    receivers: tuple[int, ...]
    strategy: Strategy = Strategy.EVENLY
    order: Order = Order.RECENT
    limit: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the step as it is stored."""
        return {
            "who": dict(self.who),
            "receivers": list(self.receivers),
            "strategy": self.strategy.value,
            "order": self.order.value,
            "limit": self.limit,
        }


@dataclass(frozen=True, slots=True)
class Ground:
    """What a condition is asked of: these customers of a giver, at one moment.

    ``segments`` are the customers of each segment that a condition may name.
    """

    giver: Staff
    customers: QuerySet[Customer]
    now: datetime
    segments: Mapping[int, QuerySet[Customer]] = field(default_factory=dict)


def check_steps(steps: object) -> list[Step]:
    """Return the steps of a plan. Raises ``RuleBroken``, saying what to change, if one is unsound.

    A plan without steps gives nobody to anybody.
    """
    if not isinstance(steps, list):
        raise RuleBroken(_("A plan is a list of steps."))
    if len(steps) > MOST_STEPS:
        raise RuleBroken(_("A plan has at most %(n)s steps.") % {"n": MOST_STEPS})
    return [_step(step) for step in steps]


def check_condition(condition: object) -> Mapping[str, Any]:
    """Return the condition if it is one we can ask; raises ``RuleBroken`` if not."""
    if not isinstance(condition, dict) or not set(condition) <= {"field", "op", "value"}:
        raise RuleBroken(_("A condition has a field, an operator and a value."))
    key = condition.get("field"), condition.get("op", "")
    checker = _VALUES.get(key) if all(isinstance(word, str) for word in key) else None
    if checker is None:
        raise RuleBroken(
            _("A plan cannot ask for “%(field)s %(op)s”.") % {"field": key[0], "op": key[1]}
        )
    checker(condition.get("value"))
    return condition


def customers_meeting(condition: Mapping[str, Any], ground: Ground) -> QuerySet[Customer]:
    """Return whom of the ground a checked condition describes."""
    key = condition["field"], condition.get("op", "")
    return ground.customers.filter(_BUILDERS[key](condition.get("value"), ground))


def connected(giver: int | OuterRef, customer: OuterRef) -> Q:
    """Whether WeCom connects the person with the customer, so that it has to be asked."""
    follow = Follow.objects.active().filter(staff=giver, customer=customer, channel=Channel.WECOM)
    address = Identity.objects.filter(customer=customer, kind=IdentityKind.WECOM)
    return Q(Exists(follow)) & Q(Exists(address))


def _step(step: object) -> Step:
    known = {"who", "receivers", "strategy", "order", "limit"}
    if not isinstance(step, dict) or not set(step) <= known or "receivers" not in step:
        raise RuleBroken(_("A step says who, receivers, strategy, order and limit."))
    receivers = tuple(dict.fromkeys(_ids(step["receivers"], MOST_RECEIVERS)))
    strategy = _choice(Strategy, step.get("strategy", Strategy.EVENLY))
    if strategy == Strategy.ONE and len(receivers) != 1:
        raise RuleBroken(_("Choose exactly one colleague, or share out evenly."))
    limit = step.get("limit")
    return Step(
        who=check_condition(step.get("who", EVERYBODY)),
        receivers=receivers,
        strategy=strategy,
        order=_choice(Order, step.get("order", Order.RECENT)),
        limit=None if limit is None else _figure(limit, least=1),
    )


def _choice(choices: type[Choice], value: object) -> Choice:
    if not isinstance(value, str) or value not in choices.values:
        words = ", ".join(choices.values)
        raise RuleBroken(
            _("“%(value)s” is none of: %(choices)s.") % {"value": value, "choices": words}
        )
    return choices(value)


def _ids(value: object, most: int = MOST_VALUES) -> list[int]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= most
        or not all(type(item) is int and 0 < item < 2**63 for item in value)
    ):
        raise RuleBroken(_("Choose between 1 and %(n)s entries.") % {"n": most})
    return value


def _figure(value: object, least: int = 0, most: int = MOST) -> int:
    if type(value) is not int or not least <= value <= most:
        raise RuleBroken(
            _("The figure lies between %(least)s and %(most)s.") % {"least": least, "most": most}
        )
    return value


def _one_id(value: object) -> int:
    return _ids([value])[0]


def _days(value: object) -> int:
    return _figure(value, least=1, most=MOST_DAYS)


def _count(value: object) -> int:
    return _figure(value, least=1)


def _percent(value: object) -> int:
    return _figure(value, least=1, most=100)


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise RuleBroken(_("Say true or false."))
    return value


def _nothing(value: object) -> None:
    if value is not None:
        raise RuleBroken(_("This condition takes no value."))


def _tag_any(ids: list[int], _ground: Ground) -> Q:
    return Q(Exists(CustomerTag.objects.filter(customer=OuterRef("pk"), tag__in=ids)))


def _tag_all(ids: list[int], ground: Ground) -> Q:
    wanted = Q()
    for tag in ids:
        wanted &= _tag_any([tag], ground)
    return wanted


def _in_segment(segment: int, ground: Ground) -> Q:
    if segment not in ground.segments:
        raise RuleBroken(_("This segment is not there any more. Choose another one."))
    return Q(pk__in=ground.segments[segment].order_by().values("pk"))


def _met_within(days: int, ground: Ground) -> Q:
    return Q(last_interaction_at__gte=ground.now - timedelta(days=days))


def _not_met_for(days: int, ground: Ground) -> Q:
    return Q(last_interaction_at=None) | ~_met_within(days, ground)


def _top(number: int, ground: Ground) -> Q:
    best = ground.customers.order_by("-spent", "pk").values("pk")
    return Q(pk__in=best[:number])


def _top_percent(percent: int, ground: Ground) -> Q:
    return _top(-(-ground.customers.count() * percent // 100), ground)


def _is_connected(wanted: bool, ground: Ground) -> Q:  # noqa: FBT001 -- a value of the list below
    found = connected(ground.giver.pk, OuterRef("pk"))
    return found if wanted else ~found


_VALUES: dict[tuple[Any, Any], Callable[[object], object]] = {
    ("everybody", ""): _nothing,
    ("tag", "any"): _ids,
    ("tag", "all"): _ids,
    ("segment", "is"): _one_id,
    ("last_interaction", "within_days"): _days,
    ("last_interaction", "before_days"): _days,
    ("value", "at_least"): _figure,
    ("value", "at_most"): _figure,
    ("value", "top"): _count,
    ("value", "top_percent"): _percent,
    ("store", "in"): _ids,
    ("connected", "is"): _yes_or_no,
    ("customer", "in"): _ids,
}
"""Every condition there is, and what checks its value."""

_BUILDERS: dict[tuple[Any, Any], Callable[[Any, Ground], Q]] = {
    ("everybody", ""): lambda _value, _ground: Q(),
    ("tag", "any"): _tag_any,
    ("tag", "all"): _tag_all,
    ("segment", "is"): _in_segment,
    ("last_interaction", "within_days"): _met_within,
    ("last_interaction", "before_days"): _not_met_for,
    ("value", "at_least"): lambda value, _ground: Q(spent__gte=Decimal(value)),
    ("value", "at_most"): lambda value, _ground: Q(spent__lte=Decimal(value)),
    ("value", "top"): _top,
    ("value", "top_percent"): _top_percent,
    ("store", "in"): lambda ids, _ground: Q(store__in=ids),
    ("connected", "is"): _is_connected,
    ("customer", "in"): lambda ids, _ground: Q(pk__in=ids),
}
