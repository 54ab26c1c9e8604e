"""The closed list of what a rule may ask for, and the condition that each becomes.

Conditions on other tables ask ``id IN (SELECT …)``: the database builds the set once, where one
sub-query a customer would be a million of them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, DecimalField, Model, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.channels import REACHING
from campaigns.enums import DeliveryState, EngagementKind
from campaigns.models import Delivery, Engagement, Segment, SegmentMember
from campaigns.segments import values
from campaigns.segments.values import Kind
from contacts.enums import Channel, FollowEnd, Gender, IdentityKind, Purpose
from contacts.models import Consent, ContactCode, Coupon, Customer, CustomerTag, Follow, Identity

BOUGHT = ("paid", "shipped", "done")
"""States of an order in which the customer has bought."""

GOT = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.REPLIED)

Build = Callable[[Any, datetime], Q]


@dataclass(frozen=True, slots=True)
class Operator:
    """One way to ask: how its value is read, and what it asks of the database."""

    name: str
    label: str | Promise
    kind: Kind
    read: Callable[[object], Any]
    build: Build
    choices: Sequence[tuple[str, str | Promise]] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that is known of customers."""

    name: str
    label: str | Promise
    group: str | Promise
    operators: tuple[Operator, ...]


def _among(rows: QuerySet[Any], of: str = "customer") -> Q:
    """The customers of these rows."""
    return Q(pk__in=rows.order_by().values(of))


def _within(field: str) -> Build:
    return lambda span, now: Q(**{f"{field}__gte": now - span})


def _before(field: str) -> Build:
    return lambda span, now: Q(**{f"{field}__lt": now - span})


def _not_for(field: str) -> Build:
    return lambda span, now: Q(**{field: None}) | Q(**{f"{field}__lt": now - span})


def _or_not(build: Build) -> Build:
    """Asked with no, the opposite."""
    return lambda wanted, now: build(wanted, now) if wanted else ~build(wanted, now)


# --- tags, stores, owners ----------------------------------------------------------------------


def _tagged(tags: list[int]) -> Q:
    return _among(CustomerTag.objects.filter(tag__in=tags))


def _all_tags(tags: list[int], _now: datetime) -> Q:
    wanted = Q()
    for tag in tags:
        wanted &= _tagged([tag])
    return wanted


def _followed_by(staff: list[int], _now: datetime) -> Q:
    return _among(Follow.objects.active().filter(staff__in=staff))


def _connected(_wanted: bool, _now: datetime) -> Q:  # noqa: FBT001 -- the value of a condition
    return _among(Follow.objects.active().filter(channel=Channel.WECOM))


def _came_by(codes: list[int], _now: datetime) -> Q:
    states = ContactCode.objects.filter(pk__in=codes).values("state")
    return _among(Follow.objects.filter(came_by__in=states))


def _added_by(way: str, _now: datetime) -> Q:
    return _among(Follow.objects.filter(channel=Channel.WECOM, add_way=int(way)))


def _removed_lately(span: Any, now: datetime) -> Q:
    return _among(
        Follow.objects.filter(ended_at__gte=now - span, end_reason=FollowEnd.REMOVED_BY_CUSTOMER)
    )


ADD_WAYS = (
    ("0", _("unknown")),
    ("1", _("scanned a code")),
    ("2", _("found by phone number")),
    ("3", _("a card that was passed on")),
    ("4", _("a group chat")),
    ("5", _("the phone's contacts")),
    ("6", _("WeChat's contacts")),
    ("9", _("found by e-mail address")),
    ("10", _("WeChat Channels")),
    ("16", _("a customer acquisition link")),
    ("201", _("shared by a colleague")),
    ("202", _("assigned by an administrator")),
)
"""WeCom's own numbers of how two people came to be connected (docs 92114)."""


# --- what they agreed to ---------------------------------------------------------------------


def _last_word(pair: str, *, granted: bool) -> Q:
    """Of the words that cover such a message the latest decides, as it does when it is sent."""
    channel, _colon, purpose = pair.partition(":")
    covering = Consent.objects.filter(channel__in=["", channel], purpose__in=["", purpose])
    latest = covering.order_by("customer", "-at", "granted").distinct("customer")
    return _among(Consent.objects.filter(pk__in=latest.values("pk"), granted=granted))


def _agreed(pair: str, _now: datetime) -> Q:
    return Q(opted_out_at=None) & _last_word(pair, granted=True)


def _refused(pair: str, _now: datetime) -> Q:
    return Q(opted_out_at__isnull=False) | _last_word(pair, granted=False)


def _unsaid(pair: str, now: datetime) -> Q:
    return ~_agreed(pair, now) & ~_refused(pair, now)


CONSENTS = tuple(
    (f"{channel}:{purpose}", format_lazy("{} · {}", label, purpose.label))
    for channel, label in REACHING.items()
    for purpose in Purpose
)


# --- who they are ------------------------------------------------------------------------------


def _birthday_soon(span: Any, now: datetime) -> Q:
    """Their day comes within so many days; the 29th of February is the 28th in other years."""
    today = timezone.localtime(now).date()
    wanted = Q()
    for ahead in range(min(span.days, 366)):
        day = today + (span / span.days) * ahead
        wanted |= Q(birthday__month=day.month, birthday__day=day.day)
        if (day.month, day.day) == (2, 28):
            wanted |= Q(birthday__month=2, birthday__day=29)
    return Q(birthday__isnull=False) & wanted


def _aged(ages: tuple[int, int], now: datetime) -> Q:
    today = timezone.localtime(now).date()
    youngest, oldest = ages
    born_before = today.replace(year=today.year - youngest, day=min(today.day, 28))
    born_after = today.replace(year=today.year - oldest - 1, day=min(today.day, 28))
    return Q(birthday__lte=born_before, birthday__gt=born_after)


def _has_address(kind: str, _now: datetime) -> Q:
    return _among(Identity.objects.filter(kind=kind, dead_at=None))


_TRUTH = {"true": True, "yes": True, "false": False, "no": False}
_NUMBER = r"-?[0-9]{1,12}(\.[0-9]{1,4})?"


def _attribute_is(pair: tuple[str, str], _now: datetime) -> Q:
    """The words, and the number or the yes or no that they say."""
    key, value = pair
    wanted = Q(attributes__contains={key: value})
    if re.fullmatch(_NUMBER, value):
        wanted |= Q(attributes__contains={key: float(value)})
    if value.lower() in _TRUTH:
        wanted |= Q(attributes__contains={key: _TRUTH[value.lower()]})
    return wanted


def _attribute_number(lookup: str) -> Build:
    """Numbers only: what is no number is never compared."""

    def build(pair: tuple[str, Any], _now: datetime) -> Q:
        key, value = pair
        found = (
            Customer.objects.annotate(told=KeyTextTransform(key, "attributes"))
            .filter(told__regex=f"^{_NUMBER}$")
            .annotate(number=Cast("told", DecimalField(max_digits=20, decimal_places=4)))
            .filter(**{f"number__{lookup}": value})
        )
        return _among(found, of="pk")

    return build


# --- what they bought --------------------------------------------------------------------------


def _orders() -> type[Model]:
    """Orders belong to the app above, which hangs them on customers."""
    model: type[Model] = Customer._meta.get_field("orders").related_model
    return model


def _bought(**wanted: Any) -> QuerySet[Any]:
    return _orders()._default_manager.filter(state__in=BOUGHT, **wanted).order_by()


def _ordered_at_least(count: int, _now: datetime) -> Q:
    return _often_enough(_bought(), count)


def _ordered_at_most(count: int, _now: datetime) -> Q:
    return ~_often_enough(_bought(), count + 1)


def _ordered_lately(pair: tuple[int, Any], now: datetime) -> Q:
    count, span = pair
    return _often_enough(_bought(ordered_at__gte=now - span), count)


def _often_enough(orders: QuerySet[Any], count: int) -> Q:
    if count < 1:
        return Q()
    if count == 1:
        return _among(orders)
    often = orders.values("customer").annotate(n=Count("pk")).filter(n__gte=count)
    return Q(pk__in=often.values("customer"))


def _spent_lately(pair: tuple[Any, Any], now: datetime) -> Q:
    amount, span = pair
    enough = (
        _bought(ordered_at__gte=now - span)
        .values("customer")
        .annotate(total=Sum("amount"))
        .filter(total__gte=amount)
    )
    return Q(pk__in=enough.values("customer"))


def _bought_of(key: str) -> Build:
    return lambda words, _now: _among(_bought(items__contains=[{key: words}]))


# --- coupons -----------------------------------------------------------------------------------


def _holds_valid(_wanted: bool, now: datetime) -> Q:  # noqa: FBT001 -- the value of a condition
    return _among(Coupon.objects.valid(now))


def _has_redeemed(_wanted: bool, _now: datetime) -> Q:  # noqa: FBT001 -- the value of a condition
    return _among(Coupon.objects.redeemed())


def _coupon_expires(span: Any, now: datetime) -> Q:
    return _among(Coupon.objects.valid(now).filter(expires_at__lte=now + span))


def _redeemed_lately(span: Any, now: datetime) -> Q:
    return _among(Coupon.objects.redeemed().filter(redeemed_at__gte=now - span))


def _titled(words: str, _now: datetime) -> Q:
    return _among(Coupon.objects.filter(title__icontains=words))


def _holds_titled(words: str, now: datetime) -> Q:
    return _among(Coupon.objects.valid(now).filter(title__icontains=words))


# --- earlier campaigns, other segments ---------------------------------------------------------


def _got(campaigns: list[int], _now: datetime) -> Q:
    return _among(Delivery.objects.filter(campaign__in=campaigns, state__in=GOT))


def _got_lately(span: Any, now: datetime) -> Q:
    return _among(Delivery.objects.filter(sent_at__gte=now - span, state__in=GOT))


def _failed(campaigns: list[int], _now: datetime) -> Q:
    return _among(Delivery.objects.filter(campaign__in=campaigns, state=DeliveryState.FAILED))


def _did(kind: EngagementKind) -> Build:
    return lambda campaigns, _now: _among(
        Engagement.objects.filter(campaign__in=campaigns, kind=kind, count__gt=0)
    )


def _listed(lists: list[int], _now: datetime) -> Q:
    return _among(SegmentMember.objects.filter(segment__in=lists))


def segments_named(pks: list[int]) -> list[Segment]:
    """Return the segments that a rule names."""
    return list(Segment.objects.filter(pk__in=pks).order_by("pk"))


def _never(_value: Any, _now: datetime) -> Q:
    """Membership in other segments is built where cycles can be seen (``rules``)."""
    return Q(pk__in=[])


_WHO, _WHERE, _WHEN = _("Person"), _("Relation"), _("Time")
_MONEY, _SAID, _OTHER = _("Purchases"), _("Campaigns"), _("Segments")


def _choice(
    name: str, label: str | Promise, build: Build, choices: Sequence[tuple[str, str | Promise]]
) -> Operator:
    return Operator(
        name, label, Kind.CHOICE, values.one_of([c for c, _l in choices]), build, choices
    )


_IS = _("is")
_FIELDS = (
    Field("tag", _("Tag"), _WHO, (
        Operator("any", _("any of"), Kind.TAGS, values.ids, lambda tags, _n: _tagged(tags)),
        Operator("all", _("all of"), Kind.TAGS, values.ids, _all_tags),
        Operator("none", _("none of"), Kind.TAGS, values.ids, lambda tags, _n: ~_tagged(tags)),
    )),
    Field("name", _("Name"), _WHO, (
        Operator("contains", _("contains"), Kind.TEXT, values.text, lambda v, _n: Q(search_key__contains=v.lower())),
    )),
    Field("gender", _("Gender"), _WHO, (
        _choice("is", _IS, lambda value, _n: Q(gender=value), [*Gender.choices]),
        _choice("is_not", _("is not"), lambda value, _n: ~Q(gender=value), [*Gender.choices]),
    )),
    Field("city", _("City"), _WHO, (
        Operator("is", _IS, Kind.TEXT, values.text, lambda value, _n: Q(city__iexact=value)),
        Operator("is_not", _("is not"), Kind.TEXT, values.text, lambda value, _n: ~Q(city__iexact=value)),
    )),
    Field("birthday", _("Birthday"), _WHO, (
        Operator("in_months", _("in"), Kind.MONTHS, values.months, lambda months, _n: Q(birthday__month__in=months)),
        Operator("within_days", _("within the next … days"), Kind.DAYS, values.days, _birthday_soon),
        Operator("known", _("is known"), Kind.YES_NO, values.yes_no, lambda yes, _n: Q(birthday__isnull=not yes)),
    )),
    Field("age", _("Age"), _WHO, (
        Operator("between", _("between"), Kind.AGES, values.ages, _aged),
    )),
    Field("attribute", _("Attribute"), _WHO, (
        Operator("is", _IS, Kind.KEYED_TEXT, values.keyed_text, _attribute_is),
        Operator("is_not", _("is not"), Kind.KEYED_TEXT, values.keyed_text, lambda pair, now: ~_attribute_is(pair, now)),
        Operator("at_least", _("at least"), Kind.KEYED_NUMBER, values.keyed_number, _attribute_number("gte")),
        Operator("at_most", _("at most"), Kind.KEYED_NUMBER, values.keyed_number, _attribute_number("lte")),
        Operator("known", _("is known"), Kind.KEY, values.text, lambda key, _n: Q(attributes__has_key=key)),
        Operator("unknown", _("is not known"), Kind.KEY, values.text, lambda key, _n: ~Q(attributes__has_key=key)),
    )),
    Field("address", _("Address"), _WHO, (
        _choice("has", _("there is one"), _has_address, [*IdentityKind.choices]),
        _choice("has_not", _("there is none"), lambda kind, now: ~_has_address(kind, now), [*IdentityKind.choices]),
    )),
    Field("opted_out", _("Wants no messages"), _WHO, (
        Operator("is", _IS, Kind.YES_NO, values.yes_no, lambda yes, _n: Q(opted_out_at__isnull=not yes)),
    )),
    Field("consent", _("Consent"), _WHO, (
        _choice("agreed", _("has agreed to"), _agreed, CONSENTS),
        _choice("refused", _("has refused"), _refused, CONSENTS),
        _choice("unsaid", _("has said nothing of"), _unsaid, CONSENTS),
    )),
    Field("store", _("Store"), _WHERE, (
        Operator("in", _("one of"), Kind.STORES, values.ids, lambda ids, _n: Q(store__in=ids)),
        Operator("not_in", _("none of"), Kind.STORES, values.ids, lambda ids, _n: ~Q(store__in=ids)),
    )),
    Field("owner", _("Owner"), _WHERE, (
        Operator("in", _("one of"), Kind.STAFF, values.ids, lambda ids, _n: Q(owner__in=ids)),
        Operator("not_in", _("none of"), Kind.STAFF, values.ids, lambda ids, _n: ~Q(owner__in=ids)),
        Operator("pool", _("is in the pool"), Kind.YES_NO, values.yes_no, lambda yes, _n: Q(owner__isnull=yes)),
    )),
    Field("connected", _("Connected in WeCom"), _WHERE, (
        Operator("is", _IS, Kind.YES_NO, values.yes_no, _or_not(_connected)),
        Operator("with", _("with one of"), Kind.STAFF, values.ids, _followed_by),
        Operator("removed_within_days", _("removed a colleague in the last … days"), Kind.DAYS, values.days, _removed_lately),
    )),
    Field("source", _("How they came"), _WHERE, (
        Operator("in", _("by one of these contact codes"), Kind.CODES, values.ids, _came_by),
        _choice("way", _("in WeCom by"), _added_by, ADD_WAYS),
    )),
    Field("added", _("Became a customer"), _WHEN, (
        Operator("within_days", _("in the last … days"), Kind.DAYS, values.days, _within("created_at")),
        Operator("before_days", _("more than … days ago"), Kind.DAYS, values.days, _before("created_at")),
    )),
    Field("last_interaction", _("Last interaction"), _WHEN, (
        Operator("within_days", _("in the last … days"), Kind.DAYS, values.days, _within("last_interaction_at")),
        Operator("before_days", _("not for … days"), Kind.DAYS, values.days, _not_for("last_interaction_at")),
    )),
    Field("last_order", _("Last order"), _WHEN, (
        Operator("within_days", _("in the last … days"), Kind.DAYS, values.days, _within("last_order_at")),
        Operator("before_days", _("not for … days"), Kind.DAYS, values.days, _not_for("last_order_at")),
    )),
    Field("spent", _("Spent in all"), _MONEY, (
        Operator("at_least", _("at least"), Kind.AMOUNT, values.amount, lambda value, _n: Q(spent__gte=value)),
        Operator("at_most", _("at most"), Kind.AMOUNT, values.amount, lambda value, _n: Q(spent__lte=value)),
        Operator("within_days", _("at least … in … days"), Kind.AMOUNT_IN_DAYS, values.amount_in_days, _spent_lately),
    )),
    Field("orders", _("Number of orders"), _MONEY, (
        Operator("at_least", _("at least"), Kind.NUMBER, values.number, _ordered_at_least),
        Operator("at_most", _("at most"), Kind.NUMBER, values.number, _ordered_at_most),
        Operator("within_days", _("at least … in … days"), Kind.NUMBER_IN_DAYS, values.number_in_days, _ordered_lately),
    )),
    Field("bought", _("Bought"), _MONEY, (
        Operator("category", _("of the category"), Kind.TEXT, values.text, _bought_of("category")),
        Operator("sku", _("the article"), Kind.TEXT, values.text, _bought_of("sku")),
    )),
    Field("coupon", _("Coupon"), _MONEY, (
        Operator("valid", _("holds a valid one"), Kind.YES_NO, values.yes_no, _or_not(_holds_valid)),
        Operator("expires_within_days", _("a valid one expires within … days"), Kind.DAYS, values.days, _coupon_expires),
        Operator("redeemed_within_days", _("redeemed one in the last … days"), Kind.DAYS, values.days, _redeemed_lately),
        Operator("redeemed", _("has ever redeemed one"), Kind.YES_NO, values.yes_no, _or_not(_has_redeemed)),
        Operator("title", _("was given one whose title contains"), Kind.TEXT, values.text, _titled),
        Operator("valid_title", _("holds a valid one whose title contains"), Kind.TEXT, values.text, _holds_titled),
    )),
    Field("campaign", _("Campaign"), _SAID, (
        Operator("got", _("got one of"), Kind.CAMPAIGNS, values.ids, _got),
        Operator("not_got", _("got none of"), Kind.CAMPAIGNS, values.ids, lambda ids, now: ~_got(ids, now)),
        Operator("got_within_days", _("got any in the last … days"), Kind.DAYS, values.days, _got_lately),
        Operator("not_within_days", _("got none in the last … days"), Kind.DAYS, values.days, lambda span, now: ~_got_lately(span, now)),
        Operator("failed", _("one of them failed"), Kind.CAMPAIGNS, values.ids, _failed),
        Operator("read", _("read one of"), Kind.CAMPAIGNS, values.ids, _did(EngagementKind.OPENED)),
        Operator("clicked", _("clicked in one of"), Kind.CAMPAIGNS, values.ids, _did(EngagementKind.CLICKED)),
        Operator("replied", _("replied to one of"), Kind.CAMPAIGNS, values.ids, _did(EngagementKind.REPLIED)),
        Operator("bought", _("bought after one of"), Kind.CAMPAIGNS, values.ids, _did(EngagementKind.CONVERTED)),
    )),
    Field("segment", _("Segment"), _OTHER, (
        Operator("in", _("in one of"), Kind.SEGMENTS, values.ids, _never),
        Operator("not_in", _("in none of"), Kind.SEGMENTS, values.ids, _never),
    )),
    Field("list", _("Static list"), _OTHER, (
        Operator("in", _("on one of"), Kind.SEGMENTS, values.ids, _listed),
        Operator("not_in", _("on none of"), Kind.SEGMENTS, values.ids, lambda ids, now: ~_listed(ids, now)),
    )),
)  # fmt: skip

FIELDS: dict[str, Field] = {field.name: field for field in _FIELDS}
OPERATORS: dict[tuple[str, str], Operator] = {
    (field.name, operator.name): operator for field in _FIELDS for operator in field.operators
}
