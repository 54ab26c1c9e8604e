"""History: who did what to what, when. Append-only for everybody.

There is one narrow door, for an erasure (ADR 0032): of entries about an erased customer, words
can be taken out of ``data`` and ``source``. Nothing else of them ever changes, and none is removed.
"""

from django.db import models

from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class HistoryEntry(models.Model):
    """One thing that was done. The database refuses to change or remove a row.

    ``action`` is a word like ``handover.started``; ``subject_kind`` and ``subject_id`` say what
    it was done to. Without ``actor`` the system did it, and ``source`` says on whose behalf.
    """

    actor = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
        db_index=False,
    )

    action = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=24)
    subject_id = models.BigIntegerField()
    source = models.CharField(max_length=40, blank=True)
    data = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "history entries"
        indexes = [
            # The page of one thing, and the timeline of one customer, newest first.
            models.Index(fields=["subject_kind", "subject_id", "-at"], name="history_of_subject"),
            models.Index(
                fields=["customer", "-at"],
                condition=models.Q(customer__isnull=False),
                name="history_of_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject_kind} {self.subject_id}"
