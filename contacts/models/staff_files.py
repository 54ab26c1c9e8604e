"""Files of the human resources department: who leaves, who is on leave, who comes back."""

from django.db import models
from django.db.models import Q

from contacts.enums import RowState, StaffFileAction, StaffFileState
from contacts.models.organisation import Staff


class StaffFile(models.Model):
    """One file as it was read. Nothing happens before somebody has looked at it and starts it.

    Its rows are carried out one by one, each in a transaction of its own.
    """

    uploaded_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    name = models.CharField(max_length=200)
    digest = models.CharField(max_length=64)
    source = models.CharField(max_length=12)

    state = models.CharField(
        max_length=8, choices=StaffFileState.choices, default=StaffFileState.READ
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: files with rows still to be carried out.
            models.Index(fields=["id"], condition=Q(state="running"), name="staff_file_running"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=StaffFileState.values), name="staff_file_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="read", started_at=None)
                | (~Q(state="read") & Q(started_at__isnull=False)),
                name="staff_file_started_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class StaffFileRow(models.Model):
    """One row of a file: whom it is about, what it asks for, and what came of it."""

    file = models.ForeignKey(StaffFile, on_delete=models.CASCADE, related_name="rows")
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    number = models.PositiveIntegerField()
    cells = models.JSONField(default=dict)
    action = models.CharField(max_length=12, choices=StaffFileAction.choices)
    leaves_on = models.DateField(null=True, blank=True)

    state = models.CharField(max_length=8, choices=RowState.choices)
    reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["file", "number"], name="staff_file_row_once"),
            models.CheckConstraint(
                condition=Q(state__in=RowState.values, action__in=StaffFileAction.values),
                name="staff_file_row_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="ready") | Q(staff__isnull=False),
                name="staff_file_row_ready_has_person",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["skipped", "failed"]) | ~Q(reason=""),
                name="staff_file_row_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.file_id}/{self.number}: {self.state}"

    @property
    def whom(self) -> str:
        """Whom the file names."""
        return next(filter(None, map(self.cells.get, ("name", "userid", "phone"))), "?")
