"""Saved answers: what the API said to a request that carried an idempotency key."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from contacts.models import Staff


class SavedAnswer(models.Model):
    """One idempotency key of one staff member: first a claim, then the answer.

    A claim (``status`` empty) keeps others from doing the same thing at the same time, until
    its lease runs out. The answer is written in the transaction that did the thing, so a key
    has an answer exactly when the thing was done. Rows are forgotten after 24 hours.
    """

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="+", db_index=False)

    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    claim = models.UUIDField()
    lease_until = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            # Forgetting what is older than a day.
            models.Index(fields=["expires_at"], name="saved_answer_expires"),
            # An erasure: what was said of somebody.
            GinIndex(
                fields=["body"],
                opclasses=["gin_trgm_ops"],
                condition=~Q(body=""),
                name="saved_answer_words",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["staff", "key"], name="saved_answer_once_per_key"),
            models.CheckConstraint(
                condition=Q(status=None, body="")
                | Q(status__isnull=False, status__gte=200, status__lt=600),
                name="saved_answer_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staff_id}: {self.status or 'claimed'}"
