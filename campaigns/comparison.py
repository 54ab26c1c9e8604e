"""Campaigns side by side: the same figures of each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Sum

from campaigns.channels import told_by
from campaigns.enums import DeliveryReason, DeliveryState, EngagementKind
from campaigns.models import Campaign, Engagement, Tally

MOST_COMPARED = 4
REACHED = (
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.READ,
    DeliveryState.REPLIED,
)


@dataclass(frozen=True, slots=True)
class ComparedCampaign:
    """The figures of one campaign among others; what its channel does not tell is ``None``."""

    campaign: Campaign
    total: int
    reached: int
    failed: int
    skipped: int
    control: int
    unclear: int
    opened: int | None
    clicked: int | None
    replied: int | None
    opted_out: int | None
    converted: int

    @property
    def id(self) -> int:
        """The campaign's."""
        return self.campaign.pk

    def share(self, count: int) -> float | None:
        """Return so many as a share of those who were reached; ``None`` if nobody was."""
        return count / self.reached if self.reached else None


def compare_campaigns(campaigns: Sequence[Campaign]) -> list[ComparedCampaign]:
    """Count what became of each of these campaigns, in their order: two queries."""
    states: Counter[tuple[int, str, str]] = Counter()
    rows = Tally.objects.filter(campaign__in=campaigns).values_list("campaign", "state", "reason")
    for campaign, state, reason, n in rows.annotate(total=Sum("n")):
        states[campaign, state, reason] = n
    kinds: Counter[tuple[int, str]] = Counter()
    did = Engagement.objects.filter(campaign__in=campaigns, link=0, count__gt=0)
    for campaign, kind, n in did.values_list("campaign", "kind").annotate(n=Count("*")):
        kinds[campaign, kind] = n
    return [_column(campaign, states, kinds) for campaign in campaigns]


def _column(
    campaign: Campaign, states: Counter[tuple[int, str, str]], kinds: Counter[tuple[int, str]]
) -> ComparedCampaign:
    of_state: Counter[str] = Counter()
    for (pk, state, _reason), n in states.items():
        if pk == campaign.pk:
            of_state[state] += n
    replied = of_state[DeliveryState.REPLIED]
    read = of_state[DeliveryState.READ] + replied
    told = told_by(campaign.channel)

    def if_told(stage: str, n: int) -> int | None:
        return n if n or stage in told else None

    return ComparedCampaign(
        campaign=campaign,
        total=of_state.total(),
        reached=sum(of_state[state] for state in REACHED),
        failed=of_state[DeliveryState.FAILED],
        skipped=of_state[DeliveryState.SKIPPED],
        control=states[campaign.pk, DeliveryState.SKIPPED, DeliveryReason.CONTROL],
        unclear=of_state[DeliveryState.UNCLEAR],
        opened=if_told("read", max(read, kinds[campaign.pk, EngagementKind.OPENED])),
        clicked=if_told("clicked", kinds[campaign.pk, EngagementKind.CLICKED]),
        replied=if_told("replied", max(replied, kinds[campaign.pk, EngagementKind.REPLIED])),
        opted_out=if_told("opted_out", kinds[campaign.pk, EngagementKind.OPTED_OUT]),
        converted=kinds[campaign.pk, EngagementKind.CONVERTED],
    )
