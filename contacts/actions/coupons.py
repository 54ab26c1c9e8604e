"""Giving coupons to customers, and redeeming them once."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import CouponState, CustomerState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Coupon, Customer, HistoryEntry, Staff

MOST_AT_ONCE = 500
LONGEST_VALID = timedelta(days=5 * 366)
CODE_LENGTH = 10
_CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without those that people mistake for each other."""

_CLOCK_TOLERANCE = timedelta(minutes=5)
_TERMS = ("title", "amount", "currency", "percent", "expires_at")


@dataclass(frozen=True, slots=True)
class CouponTold:
    """One coupon to be handed to a customer. Without a ``code`` it gets one of ours.

    Either ``amount`` and ``currency`` or ``percent``; without ``issued_at`` it is given now.
    """

    customer: Customer
    title: str
    expires_at: datetime
    amount: Decimal | None = None
    currency: str = ""
    percent: int | None = None
    code: str = ""
    issued_at: datetime | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class OrderRef:
    """The order in which a coupon was redeemed, as its shop system calls it."""

    system: str = ""
    number: str = ""


def give_coupons(
    told: Sequence[CouponTold], *, actor: Staff | None, now: datetime
) -> tuple[list[Coupon], int]:
    """Hand coupons to customers: all of them or, where one is against a rule, none.

    Told twice, a code is given once. Returns the coupons in the order in which they were told,
    and how many of them are new. Raises ``RuleBroken`` if one would expire before it is given or
    in more than five years, lies in the future, is told with other terms than before, is another
    customer's, or the customer is merged or erased.
    """
    if len(told) > MOST_AT_ONCE:
        raise RuleBroken(_("At most %(n)s coupons are given at once.") % {"n": MOST_AT_ONCE})
    wanted = [_coupon(one, actor, now) for one in told]
    try:
        with transaction.atomic():
            _check_customers(wanted)
            known = _known(coupon.code for coupon in wanted)
            new: dict[str, Coupon] = {}
            for coupon in wanted:
                before = known.get(coupon.code) or new.setdefault(coupon.code, coupon)
                _check_same(before, coupon)
            Coupon.objects.bulk_create(new.values())
            _note_given(new.values(), actor=actor, now=now)
    except IntegrityError as error:
        if broken_constraint(error) != "coupon_code_once":
            raise
        # Somebody else gave this code at the same moment, and to somebody else: to the same
        # customer it would have waited for the lock.
        raise RuleBroken(_("One of these codes was just given to another customer.")) from error
    given = known | new
    return [given[coupon.code] for coupon in wanted], len(new)


def redeem_coupon(
    coupon: Coupon,
    *,
    order: OrderRef = OrderRef(),
    at: datetime | None = None,
    actor: Staff | None,
    now: datetime,
) -> None:
    """Redeem the coupon, now or when the shop system says that it happened.

    Of two who redeem at the same moment one gets ``MovedOn``. Raises ``RuleBroken`` if the moment
    lies in the future, before the coupon was given or after it expired, or an order is half named.
    """
    at = at or now
    if at > now + _CLOCK_TOLERANCE:
        raise RuleBroken(_("A coupon cannot be redeemed in the future."))
    if bool(order.system) != bool(order.number):
        raise RuleBroken(_("Name an order by its system and its number."))
    can_be = Coupon.objects.filter(
        pk=coupon.pk, redeemed_at=None, issued_at__lte=at, expires_at__gt=at
    )
    with transaction.atomic():
        redeemed = can_be.update(
            redeemed_at=at, order_system=order.system, order_number=order.number
        )
        if redeemed:
            record(coupon, "coupon.redeemed", actor=actor, at=now)
    coupon.refresh_from_db()
    if not redeemed:
        raise _cannot_be_redeemed(coupon, at)


def _cannot_be_redeemed(coupon: Coupon, at: datetime) -> Exception:
    code = {"code": coupon.code}
    if coupon.redeemed_at:
        return MovedOn(_("Coupon %(code)s has been redeemed already.") % code)
    if coupon.state_at(at) == CouponState.EXPIRED:
        return RuleBroken(_("Coupon %(code)s has expired.") % code)
    return RuleBroken(_("Coupon %(code)s had not been given by then.") % code)


def _coupon(told: CouponTold, actor: Staff | None, now: datetime) -> Coupon:
    issued_at = told.issued_at or now
    _check_times(issued_at, told.expires_at, now)
    return Coupon(
        customer=told.customer,
        given_by=actor,
        code=told.code or _new_code(),
        title=told.title.strip(),
        amount=told.amount,
        currency=told.currency,
        percent=told.percent,
        source=told.source,
        issued_at=issued_at,
        expires_at=told.expires_at,
        created_at=now,
    )


def _check_times(issued_at: datetime, expires_at: datetime, now: datetime) -> None:
    if issued_at > now + _CLOCK_TOLERANCE:
        raise RuleBroken(_("A coupon cannot be given in the future."))
    if expires_at <= issued_at:
        raise RuleBroken(_("A coupon expires after it is given."))
    if expires_at > issued_at + LONGEST_VALID:
        raise RuleBroken(_("A coupon is valid for at most five years."))


def _new_code() -> str:
    """Return a code that nobody guesses: 50 random bits, so that a second one never comes up."""
    return "".join(secrets.choice(_CODE_LETTERS) for _place in range(CODE_LENGTH))


def _check_customers(coupons: Iterable[Coupon]) -> None:
    """Lock the customers, so that the same code told twice at once waits; all must be active."""
    wanted = {coupon.customer_id for coupon in coupons}
    # Always in the same order: two loads that share customers would lock each other out.
    locked = Customer.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk")
    for customer in locked:
        if customer.state != CustomerState.ACTIVE:
            raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer})


def _known(codes: Iterable[str]) -> dict[str, Coupon]:
    found = Coupon.objects.select_related("customer").filter(code__in=set(codes))
    return {coupon.code: coupon for coupon in found}


def _check_same(before: Coupon, coupon: Coupon) -> None:
    """A code told again is the same promise to the same customer, or it is refused."""
    theirs = {before.customer_id, before.customer.merged_into_id}
    if coupon.customer_id not in theirs:
        raise RuleBroken(_("Coupon %(code)s belongs to another customer.") % {"code": coupon.code})
    if any(getattr(before, name) != getattr(coupon, name) for name in _TERMS):
        raise RuleBroken(
            _("Coupon %(code)s was given before, with other terms.") % {"code": coupon.code}
        )


def _note_given(coupons: Iterable[Coupon], *, actor: Staff | None, now: datetime) -> None:
    HistoryEntry.objects.bulk_create(
        HistoryEntry(
            actor=actor,
            customer_id=coupon.customer_id,
            action="coupon.given",
            subject_kind="coupon",
            subject_id=coupon.pk,
            data={},
            at=now,
        )
        for coupon in coupons
    )
