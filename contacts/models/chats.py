"""Group chats with customers, and their change of owner in a handover."""

from django.db import models
from django.db.models import Q

from contacts.enums import ItemState
from contacts.models.handovers import Handover
from contacts.models.organisation import Staff, Store

MOST_A_DAY = 300
"""Group chats that one colleague may be given in a day (WeCom docs 92127, 95703)."""


class GroupChat(models.Model):
    """A group chat in WeCom. Without ``owner`` it waits for one, as after a departure.

    The database refuses an owner who has departed (``chat_owner_is_employed``, migration 0012).
    """

    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="group_chats",
        null=True,
        blank=True,
        db_constraint=False,  # a stricter one stands in migration 0012
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)

    chat_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255, blank=True)
    members = models.PositiveIntegerField(default=0)
    known_at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name or self.chat_id


class ChatItem(models.Model):
    """One group chat of a handover: to whom, and how far it got.

    WeCom moves a chat at once or not at all: *requested* is a claimed call, whose worker holds a
    lease. ``closed_at`` is set when nothing more will happen.
    """

    handover = models.ForeignKey(Handover, on_delete=models.PROTECT, related_name="chats")
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="items", db_index=False
    )
    to_staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="received_chats", null=True, blank=True
    )

    errcode = models.IntegerField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=14, choices=ItemState.choices, default=ItemState.PLANNED)
    state_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: chats still to be moved.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(closed_at=None, next_attempt_at__isnull=False),
                name="chat_item_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["handover", "chat"], name="chat_item_once"),
            models.UniqueConstraint(
                fields=["chat"], condition=Q(closed_at=None), name="chat_item_one_open"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "requested"], closed_at=None)
                | Q(state__in=["accepted", "failed", "cancelled"], closed_at__isnull=False),
                name="chat_item_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chat_id}: {self.state}"
