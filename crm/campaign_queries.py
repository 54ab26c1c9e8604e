"""What the campaign screens show beyond the shared progress: list bars, pace, steps, recipients."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, QuerySet, Sum, TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from crm.access import Viewer, deliveries_of

STEPS = (
    CampaignState.DRAFT,
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.DONE,
)

MINUTE = 60


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign of a list, with its recipients by the state of their batch."""

    campaign: Campaign
    states: dict[TextChoices, int]

    @property
    def batched(self) -> int:
        """Recipients that are in batches."""
        return sum(self.states.values())


def with_bars(campaigns: Iterable[Campaign]) -> list[CampaignRow]:
    """Sum the batches of these campaigns by state, in one query that never touches deliveries."""
    rows = list(campaigns)
    found: dict[int, dict[str, int]] = {row.pk: {} for row in rows}
    sums = (
        Batch.objects.filter(campaign__in=rows)
        .values_list("campaign", "state")
        .annotate(Sum("size"))
    )
    for campaign, state, recipients in sums:
        found[campaign][state] = recipients
    return [CampaignRow(row, _in_order(found[row.pk])) for row in rows]


def _in_order(sizes: dict[str, int]) -> dict[TextChoices, int]:
    """Lay the states out as a bar shows them; recipients of waiting batches are *queued*."""
    states: dict[TextChoices, int] = {DeliveryState.QUEUED: sizes.get(BatchState.WAITING, 0)}
    for state in BatchState:
        if state != BatchState.WAITING:
            states[state] = sizes.get(state.value, 0)
    return states


@dataclass(frozen=True, slots=True)
class Pace:
    """How many staff send the campaign, and how fast its batches went to the channel."""

    senders: int
    handed: int = 0
    seconds: int = 0

    def __str__(self) -> str:
        if not self.handed:
            return ""
        if self.seconds < MINUTE:
            said = ngettext(
                "%(handed)s handed over in %(n)s second",
                "%(handed)s handed over in %(n)s seconds",
                self.seconds,
            )
            return said % {"handed": self.handed, "n": self.seconds}
        rate = round(self.handed * MINUTE / self.seconds)
        return _("%(handed)s handed over, %(n)s a minute") % {"handed": self.handed, "n": rate}


def pace_of(campaign: Campaign) -> Pace:
    """Measure from the first claim to the last batch that the channel has taken: one query."""
    handed = Q(handed_at__isnull=False)
    figures = Batch.objects.filter(campaign=campaign).aggregate(
        senders=Count("sender", distinct=True),
        handed=Sum("size", filter=handed),
        first=Min("claimed_at", filter=handed),
        last=Max("handed_at"),
    )
    first: datetime | None = figures["first"]
    if first is None:
        return Pace(figures["senders"])
    seconds = math.ceil((figures["last"] - first).total_seconds())
    return Pace(figures["senders"], figures["handed"], max(1, seconds))


@dataclass(frozen=True, slots=True)
class Step:
    """One stop on a campaign's way; ``place`` is done, current or ahead."""

    label: str
    place: str
    state: str


def steps_of(campaign: Campaign) -> list[Step]:
    """Lay out the way of a campaign; a cancelled or paused one says so where it stands."""
    state = CampaignState(campaign.state)
    here = _stands_at(campaign, state)
    steps = []
    for index, step in enumerate(STEPS):
        if index == here:
            steps.append(Step(str(state.label), "current", state.value))
        else:
            steps.append(Step(str(step.label), "done" if index < here else "ahead", step.value))
    return steps


def _stands_at(campaign: Campaign, state: CampaignState) -> int:
    if state == CampaignState.PAUSED:
        return STEPS.index(CampaignState.SENDING)
    if state == CampaignState.CANCELLED:
        return STEPS.index(
            CampaignState.SENDING if campaign.planned_at else CampaignState.SCHEDULED
        )
    return STEPS.index(state)


def recipients_of(
    viewer: Viewer, campaign: Campaign, *, state: str, reason: str, after: int | None
) -> QuerySet[Delivery]:
    """Return the recipients that the viewer sees, by state and reason, from this customer on."""
    rows = deliveries_of(viewer).filter(campaign=campaign)
    if state in DeliveryState.values:
        rows = rows.filter(state=state)
    if reason and reason in DeliveryReason.values:
        rows = rows.filter(reason=reason)
    if after:
        rows = rows.filter(customer_id__gt=after)
    return rows.select_related("customer", "batch__sender").order_by("customer_id")


def explain_batches(recipients: int, batches: int, senders: int, fewest: int) -> str:
    """Say why there are more batches than ``recipients`` divided by 200; empty when there are not."""
    if batches <= fewest:
        return ""
    return _(
        "%(recipients)s recipients would fit into %(fewest)s batches of 200. There are %(batches)s, "
        "because WeCom takes one sender per call and these customers belong to %(senders)s senders."
    ) % {"recipients": recipients, "fewest": fewest, "batches": batches, "senders": senders}
