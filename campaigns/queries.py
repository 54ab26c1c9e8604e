"""Reads about campaigns that screens and the API share."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Sum

from campaigns.audience import (
    ANY_TIME,
    AudiencePreview,
    Period,
    preview_announcement,
    preview_audience,
)
from campaigns.enums import BatchState, DeliveryReason, DeliveryState, TargetState
from campaigns.models import Batch, Campaign, Post, PostTarget, Tally
from campaigns.splitting import NOT_SPLIT, Split

__all__ = [
    "AudiencePreview",
    "BatchCell",
    "CampaignProgress",
    "DeliveryCount",
    "Period",
    "PostProgress",
    "audience_preview",
    "campaign_progress",
    "delivery_counts",
    "post_progress",
    "preview_announcement",
    "states_of",
]


BATCHES_SHOWN = 50
"""Batches that one answer about a campaign's progress holds at most; the rest are in pages."""

DeliveryCount = tuple[DeliveryState, DeliveryReason, int]
"""So many deliveries are in this state for this reason."""

TARGETS_SHOWN = 50
"""Chats or colleagues that one answer about a post's progress holds at most, likewise."""


@dataclass(frozen=True, slots=True)
class BatchCell:
    """One batch of a campaign's progress."""

    id: int
    seq: int
    sender_name: str
    size: int
    state: BatchState
    confirmed_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class CampaignProgress:
    """Where a campaign's recipients stand; ``states`` adds up to ``total``.

    ``batch_states`` counts all batches; ``batches`` are the first ``BATCHES_SHOWN`` of them.
    """

    total: int
    counts: list[DeliveryCount] = field(default_factory=list)
    states: dict[DeliveryState, int] = field(default_factory=dict)
    reasons: list[DeliveryCount] = field(default_factory=list)
    batch_states: dict[BatchState, int] = field(default_factory=dict)
    batches: list[BatchCell] = field(default_factory=list)


def delivery_counts(campaign: Campaign) -> list[DeliveryCount]:
    """Count a campaign's deliveries by state and reason, from tallies: a million cost no more."""
    rows = (
        Tally.objects.filter(campaign=campaign)
        .values_list("state", "reason")
        .annotate(count=Sum("n"))
        .filter(count__gt=0)
        .order_by("state", "reason")
    )
    return [(DeliveryState(state), DeliveryReason(reason), n) for state, reason, n in rows]


def states_of(campaign: Campaign) -> dict[DeliveryState, int]:
    """Count a campaign's deliveries by state, likewise."""
    return _by_state(delivery_counts(campaign))


def _by_state(
    rows: Iterable[DeliveryCount],
) -> dict[DeliveryState, int]:
    states: dict[DeliveryState, int] = {}
    for state, _reason, count in rows:
        states[state] = states.get(state, 0) + count
    return states


def campaign_progress(campaign: Campaign) -> CampaignProgress:
    """Count a campaign's deliveries and batches, and list its first batches.

    Three queries, and as many rows for a million recipients as for a thousand.
    """
    rows = delivery_counts(campaign)
    states = _by_state(rows)
    reasons = [row for row in rows if row[1]]
    cells = [
        BatchCell(
            id=batch.pk,
            seq=batch.seq,
            sender_name=batch.sender.name if batch.sender else "",
            size=batch.size,
            state=BatchState(batch.state),
            confirmed_at=batch.confirmed_at,
            error=batch.error,
        )
        for batch in Batch.objects.filter(campaign=campaign)
        .select_related("sender")
        .order_by("seq")[:BATCHES_SHOWN]
    ]
    return CampaignProgress(
        total=sum(states.values()),
        counts=rows,
        states=states,
        reasons=reasons,
        batch_states=_batch_counts(campaign),
        batches=cells,
    )


def _batch_counts(campaign: Campaign) -> dict[BatchState, int]:
    rows = Batch.objects.filter(campaign=campaign).values_list("state").annotate(n=Count("pk"))
    return {BatchState(state): n for state, n in rows.order_by("state")}


def audience_preview(
    rule: object,
    *,
    channel: str = "wecom",
    purpose: str = "campaign",
    skip_if_in_another: bool = False,
    split: Split = NOT_SPLIT,
    period: Period = ANY_TIME,
) -> AudiencePreview:
    """Say whom a campaign to this rule would reach, and whom not and why. Raises ``RuleBroken``."""
    return preview_audience(
        rule,
        channel=channel,
        purpose=purpose,
        skip_if_in_another=skip_if_in_another,
        split=split,
        period=period,
    )


@dataclass(frozen=True, slots=True)
class PostProgress:
    """How far a post got; ``states`` adds up to ``total``.

    ``targets`` are the first ``TARGETS_SHOWN`` of its chats or colleagues.
    """

    states: dict[TargetState, int]
    targets: list[PostTarget]

    @property
    def total(self) -> int:
        """How many chats or colleagues there are."""
        return sum(self.states.values())


def post_progress(post: Post) -> PostProgress:
    """Count the chats or colleagues of a post by state, and list the first: two queries."""
    found = PostTarget.objects.filter(share__post=post)
    counts = found.values_list("state").annotate(n=Count("pk")).order_by("state")
    first = found.select_related("staff", "chat").order_by("pk")[:TARGETS_SHOWN]
    return PostProgress({TargetState(state): n for state, n in counts}, list(first))
