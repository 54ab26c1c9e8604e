"""The ledger of ownership: who answered for a customer, from when to when, and why."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from contacts.enums import OwnershipReason
from contacts.models.customers import Customer
from contacts.models.organisation import Staff, Store


class OwnershipPeriod(models.Model):
    """One stretch of time in which one staff member, or one store's pool, answered for a customer.

    Without ``staff`` it is the pool of ``store``. Periods of a customer never overlap, and an
    active customer always has exactly one that is open: the database keeps both.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="ownership_periods", db_index=False
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="ownership_periods", null=True, blank=True
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)
    handover = models.ForeignKey(
        "contacts.Handover",
        on_delete=models.PROTECT,
        related_name="ownership_periods",
        null=True,
        blank=True,
        db_index=False,
    )

    reason = models.CharField(max_length=12, choices=OwnershipReason.choices)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The owners of one customer, newest first. The index of the constraint below does not
            # serve: it is asked by a bigint only, and a number in a query is an integer.
            models.Index(fields=["customer", "-began_at"], name="ownership_of_customer"),
            # A store's pool, the longest waiting first.
            models.Index(
                fields=["store", "began_at", "id"],
                condition=Q(staff=None, ended_at=None),
                name="ownership_in_pool",
            ),
            # What a guide got out of the pool today, and whose turn it is.
            models.Index(
                fields=["staff", "began_at"],
                condition=Q(reason__in=["claimed", "assigned"]),
                name="ownership_from_pool",
            ),
            # Who was sent back to the pool today.
            models.Index(
                fields=["store", "began_at"],
                condition=Q(reason="recycled"),
                name="ownership_recycled",
            ),
        ]
        constraints = [
            ExclusionConstraint(
                name="ownership_never_overlaps",
                expressions=[
                    (F("customer"), RangeOperators.EQUAL),
                    (
                        Func(F("began_at"), F("ended_at"), function="tstzrange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")),
                name="ownership_ends_after_it_began",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=OwnershipReason.values), name="ownership_reason_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.staff_id or 'pool'}"
