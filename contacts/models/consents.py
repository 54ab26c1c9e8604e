"""What customers agreed to and what they refused: the ledger, and what holds now."""

from django.db import models
from django.db.models import Q

from contacts.enums import Purpose
from contacts.models.customers import Customer


class ConsentEntry(models.Model):
    """One thing that a customer said about messages. Append-only.

    An empty ``channel`` or ``purpose`` means all of them. Of somebody who was erased the words go,
    and that they said yes or no stays (ADR 0032).
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="consents")

    channel = models.CharField(max_length=12, blank=True, db_default="")
    purpose = models.CharField(max_length=24, blank=True)
    granted = models.BooleanField()
    source = models.CharField(max_length=40)
    evidence = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "consent entries"
        indexes = [models.Index(fields=["customer", "purpose", "-at"], name="consent_latest")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.purpose}: {self.granted}"


class Consent(models.Model):
    """What holds of the ledger: the last word of a customer on a channel and a purpose.

    An empty ``channel`` or ``purpose`` means all of them. Of the rows that cover a message the
    latest decides. Whoever refuses everything has ``Customer.opted_out_at`` as well.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="standing", db_index=False
    )

    channel = models.CharField(max_length=12, blank=True)
    purpose = models.CharField(max_length=24, blank=True)
    granted = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            # Planning and sending look a customer up by it, too.
            models.UniqueConstraint(
                fields=["customer", "channel", "purpose"], name="consent_one_word"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=["", *Purpose.values]), name="consent_purpose_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.channel or 'all'} {self.purpose or 'all'}: {self.granted}"
