"""Coupons: handing them to customers, and redeeming them."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from contacts.actions.coupons import (
    MOST_AT_ONCE,
    CouponTold,
    OrderRef,
    give_coupons,
    redeem_coupon,
)
from contacts.enums import CouponState
from contacts.models import Coupon
from crm.access import coupon_for, coupons_of, customers_of
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import CustomerFilter
from crm.api.inputs import MomentField
from crm.api.shapes.work import CouponShape
from crm.models.orders import CURRENCY


class CouponFilters(django_filters.FilterSet):
    """How coupons can be narrowed down."""

    customer = CustomerFilter()
    code = django_filters.CharFilter(max_length=40)
    state = django_filters.ChoiceFilter(choices=CouponState.choices, method="in_state")

    def in_state(self, rows: Any, _name: str, value: str) -> QuerySet[Coupon]:
        """Narrow down to what is valid, redeemed or expired now."""
        now = timezone.now()
        found: QuerySet[Coupon] = {
            CouponState.VALID: lambda: rows.valid(now),
            CouponState.REDEEMED: rows.redeemed,
            CouponState.EXPIRED: lambda: rows.expired(now),
        }[CouponState(value)]()
        return found


class CouponInput(StrictInput):
    """One coupon, and to whom it goes."""

    customer = IdField()
    title = serializers.CharField(max_length=100)
    code = serializers.RegexField(
        r"^[A-Za-z0-9_-]{4,40}$",
        required=False,
        help_text="What is shown at the till, once in the company. Without it we make one.",
    )
    amount = serializers.DecimalField(max_digits=12, decimal_places=2, required=False)
    currency = serializers.RegexField(r"^[A-Z]{3}$", default=CURRENCY)
    percent = serializers.IntegerField(min_value=1, max_value=100, required=False)
    issued_at = MomentField(required=False)
    expires_at = MomentField()
    source = serializers.CharField(  # type: ignore[assignment]  # a field; DRF takes it off the class
        max_length=80, required=False, allow_blank=True
    )

    def validate_amount(self, value: Any) -> Any:
        """A coupon that is worth nothing is none."""
        if value <= 0:
            raise ValidationError(_("Give an amount greater than 0."))
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Worth one thing: an amount or a share."""
        if ("amount" in attrs) == ("percent" in attrs):
            raise ValidationError({"amount": [_("Give either an amount or percent.")]})
        if "percent" in attrs:
            attrs["currency"] = ""
        return attrs


class GivenShape(serializers.Serializer[Any]):
    """The coupons in the order of the request, and how many of them are new."""

    coupons = CouponShape(many=True)
    created = serializers.IntegerField()


class Coupons(Listing, Verb):
    """List the coupons of the customers you see, the newest entry first."""

    resource = "coupons"
    shape = CouponShape
    filterset_class = CouponFilters
    success = 201

    class Input(StrictInput):
        """Up to 500 coupons."""

        example: ClassVar = {
            "coupons": [
                {
                    "customer": 12,
                    "code": "WINTER-7Q2K",
                    "title": "Winter voucher",
                    "amount": "50.00",
                    "expires_at": "2026-12-31T23:59:59+08:00",
                    "source": "campaign 31",
                }
            ]
        }

        coupons = serializers.ListField(child=CouponInput(), min_length=1, max_length=MOST_AT_ONCE)

    @property
    def verb_shape(self) -> type[serializers.BaseSerializer[Any]]:
        """The coupons that were asked for, not a page of all."""
        return GivenShape

    def rows(self) -> QuerySet[Coupon]:
        """Return the coupons of visible customers."""
        return coupons_of(self.viewer)

    def act(self, data: dict[str, Any]) -> Response:
        """Give coupons to customers whom you see: all of them or, if one is not right, none.

        201 if there is a new one. A code that was given before, with the same terms to the same
        customer, is not given again: 200 if that holds for all of them.
        """
        told = data["coupons"]
        ids = [one["customer"] for one in told]
        customers = {row.pk: row for row in pick(customers_of(self.viewer), ids, "customer")}
        given, created = give_coupons(
            [CouponTold(**one | {"customer": customers[one["customer"]]}) for one in told],
            actor=self.actor,
            now=self.now,
        )
        answer = GivenShape({"coupons": given, "created": created})
        return Response(answer.data, status=201 if created else 200)


class CouponPage(Reading):
    """Read one coupon."""

    resource = "coupons"
    shape = CouponShape

    def row(self, pk: int) -> Coupon:
        """Return the coupon."""
        return coupon_for(self.viewer, pk)


class Redeem(CouponPage, Verb):
    """Redeem a coupon."""

    http_method_names = ["post"]

    class Input(StrictInput):
        """In which order, if you know, and when, if it was not now."""

        example: ClassVar = {"order_system": "shop", "order_number": "SO-1001"}

        order_system = serializers.RegexField(r"^[\w-]+$", max_length=40, required=False)
        order_number = serializers.CharField(max_length=80, required=False)
        redeemed_at = MomentField(required=False)

    def act(self, data: dict[str, Any], pk: int) -> Coupon:
        """Redeem a coupon, once.

        409 with the coupon as it is if it has been redeemed already, 400 if it has expired.
        """
        coupon = coupon_for(self.viewer, pk)
        order = OrderRef(data.get("order_system", ""), data.get("order_number", ""))
        redeem_coupon(
            coupon, order=order, at=data.get("redeemed_at"), actor=self.actor, now=self.now
        )
        return coupon
