"""Interactions: what happened between a staff member and a customer."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.enums import InteractionKind
from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class Interaction(models.Model):
    """A call, a visit, a chat, a note: one entry of the customer's timeline.

    It stays with the customer through every change of hands.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="interactions", db_index=False
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="interactions", null=True, blank=True
    )

    kind = models.CharField(max_length=12, choices=InteractionKind.choices)
    text = models.TextField(max_length=4000, blank=True)
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The timeline of one customer, newest first.
            models.Index(fields=["customer", "-happened_at", "-id"], name="interaction_timeline"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=InteractionKind.values), name="interaction_kind_known"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} with {self.customer_id}"
