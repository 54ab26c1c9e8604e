"""Webhooks: other systems that are told what happened, and each event on its way to one."""

from datetime import UTC

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.models import HistoryEntry, Staff
from crm.enums import UNDER_WAY, EventState, WebhookPause, WebhookState

EVERYTHING = "*"
"""Stands for all events, those of later versions too."""


class HistoryCursor(models.Model):
    """How far history has been read for webhooks: one row, and whoever holds it reads.

    Entries are read in the order of their transactions, ``(xact, id)``, and only of transactions
    before which no other can still commit. Those up to ``floor`` came with a backup from another
    server, where transactions have other numbers, and are not read.
    """

    xact = models.BigIntegerField(default=0)
    entry_id = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="history_cursor_only_one")]

    def __str__(self) -> str:
        return f"{self.xact}/{self.entry_id}"


class Webhook(models.Model):
    """An address that is told of some kinds of events, or of ``*``, all of them.

    Secrets are sealed (``crm.sealing``). The one before is used beside the new one until
    ``old_secret_until``. Whatever commits after ``from_xact`` is told. ``failures`` counts calls
    that failed in a row, the first of them at ``failing_since``; ``rest_until`` is when the next
    may be made. A worker has the turn until ``turn_until``: one at a time calls a webhook.
    """

    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    url = models.CharField(max_length=500)
    events = ArrayField(models.CharField(max_length=40))
    secret = models.TextField()
    old_secret = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    from_xact = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    state = models.CharField(
        max_length=8, choices=WebhookState.choices, default=WebhookState.ACTIVE
    )
    reason = models.CharField(max_length=8, choices=WebhookPause.choices, blank=True)
    state_at = models.DateTimeField(db_default=Now())
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    rest_until = models.DateTimeField(null=True, blank=True)
    turn_token = models.UUIDField(null=True, blank=True)
    turn_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["url"], condition=~Q(state="removed"), name="webhook_url_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=WebhookState.values, reason__in=WebhookPause.values),
                name="webhook_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="paused", reason__gt="") | (~Q(state="paused") & Q(reason="")),
                name="webhook_pause_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(state="removed", secret="", old_secret="")
                | (~Q(state="removed") & Q(secret__gt="")),
                name="webhook_secret_until_removed",
            ),
            models.CheckConstraint(
                condition=Q(old_secret="", old_secret_until=None)
                | Q(old_secret__gt="", old_secret_until__isnull=False),
                name="webhook_old_secret_ends",
            ),
            models.CheckConstraint(
                condition=Q(turn_token=None, turn_until=None)
                | Q(turn_token__isnull=False, turn_until__isnull=False),
                name="webhook_turn_is_complete",
            ),
            models.CheckConstraint(
                condition=Q(failures=0, failing_since=None)
                | Q(failures__gt=0, failing_since__isnull=False),
                name="webhook_failures_have_begun",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    def wants(self, event: str) -> bool:
        """Whether this kind of event is told."""
        return EVERYTHING in self.events or event in self.events


class WebhookEvent(models.Model):
    """One event on its way to one webhook.

    ``data`` holds ids and figures, never what people typed. An event that is being sent is due
    again at ``next_attempt_at``, should its worker die: a receiver may get it twice, with the
    same id. ``status`` is what the receiver answered last, ``error`` why that was not enough.
    """

    webhook = models.ForeignKey(
        Webhook, on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    # Entries are never removed, so the reference needs no constraint that locks them.
    entry = models.ForeignKey(
        HistoryEntry,
        on_delete=models.DO_NOTHING,
        related_name="+",
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
    )

    type = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    state = models.CharField(max_length=10, choices=EventState.choices, default=EventState.WAITING)
    state_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [
            # The worker: what is due for one webhook. The sweeper: which webhooks have any.
            models.Index(
                fields=["webhook", "next_attempt_at"],
                condition=Q(state__in=UNDER_WAY),
                name="webhook_event_due",
            ),
            # The deliveries of one webhook, newest first.
            models.Index(fields=["webhook", "-id"], name="webhook_event_of_webhook"),
            # Those that can be sent again, and forgetting what is over.
            models.Index(fields=["webhook", "state", "state_at"], name="webhook_event_state"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["webhook", "entry"], name="webhook_event_once"),
            models.CheckConstraint(
                condition=Q(state__in=EventState.values), name="webhook_event_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNDER_WAY, next_attempt_at__isnull=False)
                | (~Q(state__in=UNDER_WAY) & Q(next_attempt_at=None)),
                name="webhook_event_open_is_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id}: {self.type}"

    @property
    def message_id(self) -> str:
        """The id under which the receiver knows the event, the same with every attempt."""
        return f"evt_{self.pk}"

    @property
    def body(self) -> dict[str, object]:
        """What is sent."""
        return {
            "id": self.message_id,
            "type": self.type,
            "timestamp": self.at.astimezone(UTC).isoformat(timespec="milliseconds"),
            "data": self.data,
        }
