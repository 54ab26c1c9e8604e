"""Customers, and the addresses under which outside systems know them."""

from typing import Self

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext

from contacts.enums import CustomerState, Gender, IdentityKind
from contacts.models.organisation import Staff, Store


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Filters over the customer table."""

    def active(self) -> Self:
        """Customers who are neither merged into another nor erased."""
        return self.filter(state=CustomerState.ACTIVE)

    def same_as(self, customer: "Customer") -> "CustomerQuerySet":
        """The record of a customer, and all that were merged into it."""
        return self.filter(Q(pk=customer.pk) | Q(merged_into=customer))


class Customer(models.Model):
    """A person outside, for whom exactly one owner answers.

    ``owner`` is the staff member who answers for the customer now; without one the customer
    rests in the pool of ``store``. The row always agrees with the customer's one open
    ``OwnershipPeriod``: the database checks it when a transaction ends
    (constraint ``customer_has_open_ownership``), and refuses a departed owner at once
    (``customer_owner_is_employed``). Rows are merged or erased, never deleted; of an erased one no
    column says who it was (``customer_erased_is_nobody``), and the database refuses anything that is
    said of one (migration 0025). ``spent`` is the
    customer's value: what they have paid in all, in the company's currency. ``time_zone`` is an
    IANA name; empty means the company's.
    """

    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="customers")
    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="customers",
        null=True,
        blank=True,
        db_constraint=False,  # a stricter one stands in migration 0002
        db_index=False,
    )
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="merged", null=True, blank=True
    )

    name = models.CharField(max_length=255, blank=True)
    name_key = models.CharField(max_length=200, blank=True)
    search_key = models.TextField(blank=True)
    gender = models.CharField(max_length=8, choices=Gender.choices, blank=True)
    birthday = models.DateField(null=True, blank=True)
    city = models.CharField(max_length=80, blank=True)
    note = models.TextField(blank=True)
    time_zone = models.CharField(max_length=64, blank=True, db_default="")
    attributes = models.JSONField(default=dict, blank=True)
    spent = models.DecimalField(max_digits=14, decimal_places=2, default=0, db_default=0)
    last_order_at = models.DateTimeField(null=True, blank=True)
    last_interaction_at = models.DateTimeField(null=True, blank=True)
    opted_out_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(
        max_length=8, choices=CustomerState.choices, default=CustomerState.ACTIVE
    )
    created_at = models.DateTimeField(db_default=Now())

    objects = CustomerQuerySet.as_manager()

    class Meta:
        indexes = [
            # Customer lists, newest first, by owner, by store and for the whole company.
            models.Index(fields=["owner", "-id"], name="customer_by_owner"),
            models.Index(fields=["store", "-id"], name="customer_by_store"),
            models.Index(fields=["owner", "last_interaction_at"], name="customer_by_last_contact"),
            # Counting a segment: who there is and who is not any more, without reading their rows.
            models.Index(fields=["id"], condition=Q(state="active"), name="customer_is_active"),
            models.Index(fields=["id"], condition=~Q(state="active"), name="customer_is_gone"),
            # Planning: the time zones that there are.
            models.Index(fields=["time_zone"], condition=~Q(time_zone=""), name="customer_zoned"),
            # Search box: any part of name, pinyin, initials, phone.
            GinIndex(fields=["search_key"], name="customer_search", opclasses=["gin_trgm_ops"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=CustomerState.values), name="customer_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state=CustomerState.ACTIVE) | Q(owner=None),
                name="customer_tombstone_unowned",
            ),
            models.CheckConstraint(
                condition=Q(state=CustomerState.MERGED, merged_into__isnull=False)
                | (~Q(state=CustomerState.MERGED) & Q(merged_into=None)),
                name="customer_merged_has_target",
            ),
            models.CheckConstraint(
                condition=~Q(state=CustomerState.ERASED)
                | Q(
                    name="",
                    name_key="",
                    search_key="",
                    gender="",
                    birthday=None,
                    city="",
                    note="",
                    time_zone="",
                    attributes={},
                ),
                name="customer_erased_is_nobody",
            ),
        ]

    def __str__(self) -> str:
        if self.state == CustomerState.ERASED:
            return gettext("Erased customer")
        return self.name or gettext("New contact")


class Identity(models.Model):
    """One address of a customer in one outside system, unique there.

    ``dead_at`` is set when a channel says that the address leads nowhere: nothing is sent there.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="identities")

    kind = models.CharField(max_length=24, choices=IdentityKind.choices)
    system = models.CharField(max_length=40, blank=True)
    value = models.CharField(max_length=255)
    dead_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "identities"
        indexes = [
            # Planning: the few addresses that may be another one in other letters.
            models.Index(
                Lower("value"),
                condition=Q(kind="email") & ~Q(value=Lower("value")),
                name="identity_cased",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "system", "value"], name="identity_unique"),
            models.CheckConstraint(
                condition=Q(kind__in=IdentityKind.values), name="identity_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(kind=IdentityKind.CRM) ^ Q(system=""),
                name="identity_system_only_for_crm",
            ),
            models.CheckConstraint(condition=~Q(value=""), name="identity_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"
