"""Coupons: what a customer was promised off a later purchase."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from contacts.enums import CouponState
from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class CouponQuerySet(models.QuerySet["Coupon"]):
    """Filters over the coupon table."""

    def valid(self, now: datetime) -> "CouponQuerySet":
        """Coupons that can be redeemed at this moment."""
        return self.filter(redeemed_at=None, expires_at__gt=now)

    def about(self, customer: Customer) -> "CouponQuerySet":
        """Coupons of the customer, and of everybody who was merged into them."""
        return self.filter(customer__in=Customer.objects.same_as(customer))

    def redeemed(self) -> "CouponQuerySet":
        """Coupons that were redeemed."""
        return self.filter(redeemed_at__isnull=False)

    def expired(self, now: datetime) -> "CouponQuerySet":
        """Coupons that nobody redeemed while they could."""
        return self.filter(redeemed_at=None, expires_at__lte=now)


class Coupon(models.Model):
    """One coupon in the hands of one customer, known by its code in the whole company.

    It is worth either an ``amount`` of ``currency`` or so many ``percent``, until ``expires_at``,
    and is redeemed once: with ``redeemed_at`` goes the order in which that happened, by the number
    that its shop system gave it, for an order may be told later than the coupon that it used. What
    was promised never changes afterwards. A coupon stays with its customer through every change of
    hands, and in its place when they are merged. ``source`` says where it came from, if anybody
    but ``given_by`` did it.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="coupons", db_index=False
    )
    given_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    code = models.CharField(max_length=40)
    title = models.CharField(max_length=100)
    amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True, db_default="")
    percent = models.PositiveSmallIntegerField(null=True, blank=True)
    source = models.CharField(max_length=80, blank=True, db_default="")

    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    redeemed_at = models.DateTimeField(null=True, blank=True)
    order_system = models.CharField(max_length=40, blank=True, db_default="")
    order_number = models.CharField(max_length=80, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())

    objects = CouponQuerySet.as_manager()

    class Meta:
        indexes = [
            # The page of a customer, and what was given on the timeline, newest first.
            models.Index(fields=["customer", "-issued_at", "-id"], name="coupon_of_customer"),
            # Segments: who holds a valid one or one that expires soon, without reading their rows.
            models.Index(
                fields=["expires_at", "customer"],
                condition=Q(redeemed_at=None),
                name="coupon_not_redeemed",
            ),
            # Segments: who has redeemed one, lately or ever.
            models.Index(
                fields=["redeemed_at", "customer"],
                condition=Q(redeemed_at__isnull=False),
                name="coupon_redeemed",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="coupon_code_once"),
            models.CheckConstraint(
                condition=~Q(code="") & ~Q(title=""), name="coupon_has_code_and_title"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, percent=None, currency__regex=r"^[A-Z]{3}$")
                | Q(amount=None, percent__range=(1, 100), currency=""),
                name="coupon_is_worth_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("issued_at")), name="coupon_expires_after_issue"
            ),
            models.CheckConstraint(
                condition=Q(redeemed_at=None)
                | Q(redeemed_at__gte=F("issued_at"), redeemed_at__lte=F("expires_at")),
                name="coupon_redeemed_while_valid",
            ),
            models.CheckConstraint(
                condition=Q(order_system="", order_number="")
                | (~Q(order_system="") & ~Q(order_number="") & Q(redeemed_at__isnull=False)),
                name="coupon_order_of_redeemed",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    def state_at(self, now: datetime) -> CouponState:
        """Return what the coupon is at this moment."""
        if self.redeemed_at:
            return CouponState.REDEEMED
        return CouponState.VALID if self.expires_at > now else CouponState.EXPIRED
