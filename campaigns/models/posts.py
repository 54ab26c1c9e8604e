"""Posts: one message to many at once, which staff send: to group chats, or as a moment."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from campaigns.enums import BatchState, DeliveryReason, PostKind, PostState, TargetState
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.models.contents import Content
from contacts.models import GroupChat, Staff, Store, Tag


class Post(models.Model):
    """A message to group chats, or a moment that staff publish.

    ``stores`` narrows down whose chats or whose customers are meant; none means all. ``tags``
    narrows down who sees a moment. Text and attachments are the content as it was when the post
    was planned.
    """

    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="posts")
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="posts", null=True, blank=True
    )
    stores = models.ManyToManyField(Store, related_name="+", blank=True)
    tags = models.ManyToManyField(Tag, related_name="+", blank=True)

    kind = models.CharField(max_length=8, choices=PostKind.choices)
    name = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True)
    channel_tags = ArrayField(models.CharField(max_length=64), default=list, blank=True)

    state = models.CharField(max_length=12, choices=PostState.choices, default=PostState.DRAFT)
    state_at = models.DateTimeField()
    send_at = models.DateTimeField(null=True, blank=True)
    planned_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The sweeper: posts whose time has come.
            models.Index(fields=["send_at"], condition=Q(state="scheduled"), name="post_due"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=PostKind.values), name="post_kind_known"),
            models.CheckConstraint(
                condition=Q(state__in=PostState.values), name="post_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="scheduled") | Q(send_at__isnull=False),
                name="post_scheduled_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled"], closed_at__isnull=False)
                | (~Q(state__in=["done", "cancelled"]) & Q(closed_at=None)),
                name="post_closed_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> str:
        """What is said, or what would be said if the post were planned now."""
        return self.content.text if self.planned_at is None else self.text

    @property
    def enclosed(self) -> list[dict[str, Any]]:
        """What goes with the words, or would if the post were planned now."""
        found: list[dict[str, Any]] = (
            self.content.attachments if self.planned_at is None else self.attachments
        )
        return found


class PostShare(models.Model):
    """The part of a post that goes out in one call: at most 200 targets.

    A group message's share has one ``sender``, the owner of its chats; a moment's has none, since
    its targets are the members themselves. It is claimed, sent and looked up as a batch is.
    ``reference`` is the channel's id of it.
    """

    post = models.ForeignKey(Post, on_delete=models.PROTECT, related_name="shares", db_index=False)
    sender = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="shares", null=True, blank=True
    )

    seq = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    reference = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=300, blank=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    reminded_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=12, choices=BatchState.choices, default=BatchState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    looks = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    handed_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: shares to send, to look up and to ask about.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["waiting", "handed", "unclear"]),
                name="share_due",
            ),
            models.Index(fields=["lease_until"], condition=Q(state="sending"), name="share_leased"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["post", "seq"], name="share_seq_once"),
            models.UniqueConstraint(
                fields=["reference"], condition=~Q(reference=""), name="share_reference_once"
            ),
            models.CheckConstraint(
                condition=Q(size__gte=1, size__lte=BATCH_LIMIT), name="share_at_most_200"
            ),
            models.CheckConstraint(
                condition=Q(state__in=BatchState.values), name="share_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="sending")
                | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="share_sending_has_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.post_id}/{self.seq}"


class PostTarget(models.Model):
    """What became of a post in one group chat, or with one member who is to publish it.

    Comments and likes are those of the moment that the member has published, as the channel told
    of them at ``reactions_read_at``; it is asked again at ``reactions_due_at``.
    """

    share = models.ForeignKey(PostShare, on_delete=models.PROTECT, related_name="targets")
    staff = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="post_targets")
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="post_targets", null=True, blank=True
    )

    slot = models.PositiveSmallIntegerField()
    address = models.CharField(max_length=64)

    state = models.CharField(max_length=12, choices=TargetState.choices, default=TargetState.QUEUED)
    reason = models.CharField(max_length=16, choices=DeliveryReason.choices, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    customer_comments = models.PositiveIntegerField(default=0, db_default=0)
    staff_comments = models.PositiveIntegerField(default=0, db_default=0)
    customer_likes = models.PositiveIntegerField(default=0, db_default=0)
    staff_likes = models.PositiveIntegerField(default=0, db_default=0)
    reactions_read_at = models.DateTimeField(null=True, blank=True)
    reactions_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: moments whose comments and likes are to be read.
            models.Index(
                fields=["reactions_due_at"],
                condition=Q(reactions_due_at__isnull=False),
                name="target_reactions_due",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(reactions_due_at=None) | Q(state="sent", chat=None),
                name="target_reactions_of_moments",
            ),
            models.UniqueConstraint(fields=["share", "slot"], name="target_slot_once"),
            models.CheckConstraint(
                condition=Q(slot__gte=0, slot__lt=BATCH_LIMIT), name="target_share_at_most_200"
            ),
            models.CheckConstraint(
                condition=Q(state__in=TargetState.values), name="target_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["failed"]) | ~Q(reason=""), name="target_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.share_id}: {self.address} {self.state}"

    @property
    def likes(self) -> int:
        """How many people like the moment, customers and colleagues."""
        return self.customer_likes + self.staff_likes

    @property
    def comments(self) -> int:
        """How many comments the moment has, of customers and colleagues."""
        return self.customer_comments + self.staff_comments
