"""How far the mailbox of bounces, complaints and answers has been read."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class MailboxReading(models.Model):
    """A mailbox, who reads it now and how far: one row for each that was ever set up.

    Mails up to ``last_uid`` have been looked at, as long as the server's ``validity`` of such
    numbers is the same. A worker has the turn until ``turn_until``: one at a time reads. ``error``
    is why the last turn ended, empty if it went well; ``failures`` counts those that did not in
    a row. ``unmoved`` are the numbers of mails that are done, and that the server has refused to
    mark or move so far. ``receipts``, ``replies``, ``unproven`` and ``others`` count mails since the row was
    made.
    """

    name = models.CharField(max_length=400)

    validity = models.BigIntegerField(default=0)
    last_uid = models.BigIntegerField(default=0)
    receipts = models.BigIntegerField(default=0)
    replies = models.BigIntegerField(default=0)
    unproven = models.BigIntegerField(default=0)
    others = models.BigIntegerField(default=0)
    unmoved = ArrayField(models.BigIntegerField(), default=list, db_default=[], blank=True)

    next_turn_at = models.DateTimeField()
    turn_token = models.UUIDField(null=True, blank=True)
    turn_until = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name"], name="mailbox_once"),
            models.CheckConstraint(
                condition=Q(turn_token=None, turn_until=None)
                | Q(turn_token__isnull=False, turn_until__isnull=False),
                name="mailbox_turn_ends",
            ),
            models.CheckConstraint(
                condition=Q(failures=0, error="") | Q(failures__gt=0, error__gt=""),
                name="mailbox_failure_has_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} up to {self.last_uid}"
