"""Group chats with customers, and their change of owner in a handover."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from contacts.enums import ItemState
from contacts.models.handovers import Handover
from contacts.models.organisation import Staff, Store

MOST_A_DAY = 300
"""Group chats that one colleague may be given in a day (WeCom docs 92127, 95703)."""


class GroupChat(models.Model):
    """A group chat in WeCom.

    ``left_by`` has departed and left it without an owner: it waits for one. The database refuses
    an owner who has departed (``chat_owner_is_employed``, migration 0012). ``customers`` are the
    addresses of its members from outside. What WeCom has told of is looked at from ``look_at`` on;
    before the first look, ``known_at`` is empty.
    """

    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="group_chats",
        null=True,
        blank=True,
        db_constraint=False,  # a stricter one stands in migration 0012
    )
    left_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="chats_left", null=True, blank=True
    )
    store = models.ForeignKey(Store, on_delete=models.PROTECT, related_name="+", db_index=False)

    chat_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=255, blank=True)
    members = models.PositiveIntegerField(default=0)
    customers = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    known_at = models.DateTimeField(null=True, blank=True)
    look_at = models.DateTimeField(null=True, blank=True)
    dismissed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: chats of which WeCom has told something.
            models.Index(
                fields=["look_at"], condition=Q(look_at__isnull=False), name="chat_to_look_at"
            ),
            # An erasure: the chats of which somebody is a member.
            GinIndex(fields=["customers"], name="chat_by_member"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(owner=None) | Q(left_by=None), name="chat_owned_or_left"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.chat_id


class ChatItem(models.Model):
    """One group chat of a handover: to whom, and how far it got.

    WeCom moves a chat at once or not at all: *requested* is a claimed call, whose worker holds a
    lease. ``closed_at`` is set when nothing more will happen, unless somebody has a failed chat
    tried again. ``on_job`` says that WeCom moved it while its owner was a member.
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
    on_job = models.BooleanField(default=False, db_default=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=14, choices=ItemState.choices, default=ItemState.PLANNED)
    state_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)

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
