"""Merges: two records of customers found to be one person, and how to take them apart again."""

from django.db import models
from django.db.models import F, Q

from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class Merge(models.Model):
    """One record, ``gone``, that was merged into another, ``kept``.

    ``moved`` says what went along, so that it can be given back: ids of rows and names of fields,
    nothing that anybody typed. ``owner`` is who answered for ``gone`` until then; without one it
    rested in the pool of its store. A merge stands until it is undone.
    """

    gone = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="merges", db_index=False
    )
    kept = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="taken_in", db_index=False
    )
    owner = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    merged_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    undone_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    moved = models.JSONField(default=dict, blank=True)
    at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # Whoever checks that the ledger of owners has no gap but those of a merge.
            models.Index(fields=["gone", "at"], name="merge_of_gone"),
            # The page of whoever was kept.
            models.Index(fields=["kept"], condition=Q(undone_at=None), name="merge_into_kept"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["gone"], condition=Q(undone_at=None), name="merge_one_standing"
            ),
            models.CheckConstraint(condition=~Q(gone=F("kept")), name="merge_of_two_records"),
            models.CheckConstraint(
                condition=Q(undone_at=None, undone_by=None) | Q(undone_at__gte=F("at")),
                name="merge_undone_after_it_was_made",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gone_id} into {self.kept_id}"
