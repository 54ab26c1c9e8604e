"""The inbox of callbacks from outside systems."""

from django.db import models
from django.db.models import Q

from contacts.enums import CallbackState


class Callback(models.Model):
    """One verified callback, stored once before it is answered, worked on afterwards.

    ``key`` is the SHA-256 of the decrypted body: a repeated callback has the same one and no
    second row. ``body`` holds the decrypted text, read by workers only, until what it
    tells has been done: then it is empty.
    """

    provider = models.CharField(max_length=12, default="wecom")
    key = models.CharField(max_length=64)
    event = models.CharField(max_length=80)
    body = models.TextField()
    sent_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()

    state = models.CharField(
        max_length=12, choices=CallbackState.choices, default=CallbackState.RECEIVED
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        indexes = [
            # Workers and the sweeper: what is still to be done, oldest first.
            models.Index(
                fields=["next_attempt_at"], condition=Q(state="received"), name="callback_due"
            ),
            # An erasure: what still speaks of somebody.
            models.Index(fields=["id"], condition=~Q(body=""), name="callback_with_body"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["provider", "key"], name="callback_stored_once"),
            models.CheckConstraint(
                condition=Q(state__in=CallbackState.values), name="callback_state_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.state}"
