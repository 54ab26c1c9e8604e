"""Campaigns, their batches, and one delivery per recipient."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models.contents import Content
from campaigns.models.segments import Segment
from contacts.enums import Purpose
from contacts.models import Customer, Handover, Staff

BATCH_LIMIT = 200
"""Recipients in one batch, whatever the channel would take."""

USUAL_CONVERSION_DAYS, MOST_CONVERSION_DAYS = 7, 90
"""Days within which an order is put down to a campaign."""


class Campaign(models.Model):
    """One message to everybody in a segment, through one channel.

    An announcement is one as well, with the customers of a handover in place of a segment and
    its words in place of a content; a handover has one at most. The audience is frozen in one statement when the campaign is planned; ``recipients`` and
    ``skipped`` are the figures of that moment, and never change afterwards. ``text`` is the
    content as it was then: later edits of the content do not reach a planned campaign. What has
    not gone out by ``send_until`` is not sent any more.

    ``local_time`` and ``zone`` are the wall time from which ``send_at`` was reckoned, if one was
    given. ``asked_recipients`` and ``asked_digest`` are what an approval was asked for: how many
    recipients, and what for whom. Nobody approves what they made or scheduled themselves.
    """

    content = models.ForeignKey(
        Content, on_delete=models.PROTECT, related_name="campaigns", null=True, blank=True
    )
    segment = models.ForeignKey(
        Segment, on_delete=models.PROTECT, related_name="campaigns", null=True, blank=True
    )
    handover = models.OneToOneField(
        Handover, on_delete=models.PROTECT, related_name="announcement", null=True, blank=True
    )
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="campaigns", null=True, blank=True
    )
    scheduled_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    approved_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    name = models.CharField(max_length=120)
    channel = models.CharField(max_length=12, default="wecom")
    purpose = models.CharField(
        max_length=12, choices=Purpose.choices, default=Purpose.CAMPAIGN, db_default="campaign"
    )
    skip_if_in_another = models.BooleanField(default=False, db_default=False)
    subject = models.CharField(max_length=200, blank=True, db_default="")
    text = models.TextField(blank=True)
    html = models.TextField(blank=True, db_default="")
    attachments = models.JSONField(default=list, blank=True)
    track_clicks = models.BooleanField(default=True, db_default=True)
    track_opens = models.BooleanField(default=True, db_default=True)
    conversion_days = models.PositiveSmallIntegerField(
        default=USUAL_CONVERSION_DAYS, db_default=USUAL_CONVERSION_DAYS
    )
    recipients = models.PositiveIntegerField(null=True, blank=True)
    skipped = models.PositiveIntegerField(null=True, blank=True)

    state = models.CharField(
        max_length=12, choices=CampaignState.choices, default=CampaignState.DRAFT
    )
    state_at = models.DateTimeField()
    send_at = models.DateTimeField(null=True, blank=True)
    send_until = models.DateTimeField(null=True, blank=True)
    local_time = models.CharField(max_length=19, blank=True, db_default="")
    zone = models.CharField(max_length=64, blank=True, db_default="")
    asked_recipients = models.PositiveIntegerField(null=True, blank=True)
    asked_digest = models.CharField(max_length=64, blank=True, db_default="")
    approved_at = models.DateTimeField(null=True, blank=True)
    planned_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The sweeper: campaigns whose time has come, and those that still send.
            models.Index(fields=["send_at"], condition=Q(state="scheduled"), name="campaign_due"),
            models.Index(
                fields=["id"], condition=Q(state__in=["planned", "sending"]), name="campaign_open"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=CampaignState.values), name="campaign_state_known"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=Purpose.values), name="campaign_purpose_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="scheduled") | Q(send_at__isnull=False),
                name="campaign_scheduled_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="review")
                | Q(send_at__isnull=False, asked_recipients__isnull=False, approved_by=None),
                name="campaign_review_says_what",
            ),
            models.CheckConstraint(
                condition=Q(approved_by=None, approved_at=None)
                | (
                    Q(approved_by__isnull=False, approved_at__isnull=False)
                    & (Q(created_by=None) | ~Q(approved_by=F("created_by")))
                    & (Q(scheduled_by=None) | ~Q(approved_by=F("scheduled_by")))
                ),
                name="campaign_approved_by_another",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=["draft", "review", "scheduled", "cancelled"])
                    | Q(state="paused", planned_at=None, recipients=None, skipped=None)
                    | Q(planned_at__isnull=False, recipients__isnull=False, skipped__isnull=False)
                ),
                name="campaign_planned_has_figures",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "cancelled"], closed_at__isnull=False)
                | (~Q(state__in=["done", "cancelled"]) & Q(closed_at=None)),
                name="campaign_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(handover=None, segment__isnull=False, content__isnull=False)
                | (Q(handover__isnull=False, segment=None, content=None) & ~Q(text="")),
                name="campaign_one_audience",
            ),
            models.CheckConstraint(
                condition=Q(conversion_days__lte=MOST_CONVERSION_DAYS),
                name="campaign_conversion_within_90_days",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> str:
        """What is said, or what would be said if the campaign were planned now."""
        return self.content.text if self.content and self.planned_at is None else self.text

    @property
    def enclosed(self) -> list[dict[str, Any]]:
        """What goes with the words, or would if the campaign were planned now."""
        kept: Campaign | Content = self
        if self.content and self.planned_at is None:
            kept = self.content
        found: list[dict[str, Any]] = kept.attachments
        return found


class Batch(models.Model):
    """At most 200 recipients of a campaign, sent in one call in the name of one sender.

    The batch is the unit of claim: a worker takes it with a lease, makes the call, and writes
    down what happened under its ``lease_token``. A lease that runs out makes it *unclear*.
    ``time_zone`` is its recipients' (empty: the company's): quiet hours hold for all of them.
    ``reference`` is the channel's own id of the message (WeCom: msgid). Of letters whose fate
    cannot be learnt after a crash, those in slots below ``drawn`` may have gone out. ``variant``
    is the wording that it carries, where a campaign has several.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="batches", db_index=False
    )
    sender = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="batches", null=True, blank=True
    )

    seq = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    time_zone = models.CharField(max_length=64, blank=True, db_default="")
    variant = models.PositiveSmallIntegerField(null=True, blank=True)
    reference = models.CharField(max_length=120, blank=True)
    error = models.CharField(max_length=300, blank=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    reminded_at = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=12, choices=BatchState.choices, default=BatchState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    looks = models.PositiveSmallIntegerField(default=0)
    drawn = models.PositiveSmallIntegerField(default=0, db_default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    handed_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            # Claims: the next waiting batch of a campaign.
            models.Index(
                fields=["campaign", "id"], condition=Q(state="waiting"), name="batch_waiting"
            ),
            # The sweeper: leases that ran out.
            models.Index(fields=["lease_until"], condition=Q(state="sending"), name="batch_leased"),
            # The sweeper: results to fetch, unclear ones to look up.
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["handed", "unclear"]),
                name="batch_to_check",
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "seq"], name="batch_seq_once"),
            models.UniqueConstraint(
                fields=["reference"], condition=~Q(reference=""), name="batch_reference_once"
            ),
            models.CheckConstraint(
                condition=Q(size__gte=1, size__lte=BATCH_LIMIT), name="batch_at_most_200"
            ),
            models.CheckConstraint(
                condition=Q(state__in=BatchState.values), name="batch_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="sending")
                | Q(lease_token__isnull=False, lease_until__isnull=False),
                name="batch_sending_has_lease",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.seq}"


class Delivery(models.Model):
    """One recipient's fate in one campaign; a recipient who may not get it has a reason.

    The primary key refuses a customer twice, ``slot`` numbers the recipients of a batch and so
    caps it at 200. There are no foreign keys on purpose: they treble the time of planning, and
    campaigns, batches and customers are never deleted. ``variant`` is the wording that a recipient
    was given to compare wordings; those who get the winner's have none.
    """

    pk = models.CompositePrimaryKey("campaign_id", "customer_id")

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_constraint=False,
    )
    batch = models.ForeignKey(
        Batch,
        on_delete=models.PROTECT,
        related_name="deliveries",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
    )

    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    variant = models.PositiveSmallIntegerField(null=True, blank=True)
    address = models.CharField(max_length=255, blank=True)

    state = models.CharField(
        max_length=12, choices=DeliveryState.choices, default=DeliveryState.QUEUED
    )
    reason = models.CharField(max_length=16, choices=DeliveryReason.choices, blank=True)
    reference = models.CharField(max_length=120, blank=True, db_default="")
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            # What a channel tells afterwards names the message by its own id.
            models.Index(
                fields=["reference"], condition=~Q(reference=""), name="delivery_by_reference"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["batch", "slot"], name="delivery_slot_once"),
            models.CheckConstraint(
                condition=Q(batch=None, slot=None, state__in=["skipped"])
                | Q(batch__isnull=False, slot__isnull=False, slot__gte=0, slot__lt=BATCH_LIMIT),
                name="delivery_batch_at_most_200",
            ),
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="delivery_state_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["skipped", "failed"]) | ~Q(reason=""),
                name="delivery_says_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} to {self.customer_id}: {self.state}"


class Tally(models.Model):
    """A change in how many deliveries of a campaign are in a state; the sum of them is how many are.

    Written by a trigger for every statement that changes deliveries, so that a page need not count
    a million rows and parallel workers have no row in common. The sweeper folds them into one.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="tallies", db_constraint=False
    )

    state = models.CharField(max_length=12)
    reason = models.CharField(max_length=16, blank=True)
    n = models.IntegerField()

    class Meta:
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.state}: {self.n:+}"


class ChannelPace(models.Model):
    """How fast letters may go through one channel now, for all workers together.

    After trouble the channel rests until ``rest_until``, longer with every ``streak``; ``next_at``
    is when the next letters fit into its rate.
    """

    channel = models.CharField(max_length=12, primary_key=True)

    rest_until = models.DateTimeField(null=True, blank=True)
    streak = models.PositiveSmallIntegerField(default=0)
    why = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.channel
