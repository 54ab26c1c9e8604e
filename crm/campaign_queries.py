"""What the campaign screens show beyond the shared progress: list bars, pace, steps, recipients."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import QuerySet, Sum, TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns.channels import LABELS, is_direct
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from contacts.models import HistoryEntry
from contacts.saying import read
from crm.access import Viewer, deliveries_of

STEPS = (
    CampaignState.DRAFT,
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.DONE,
)

_GIVEN_BACK = ("campaign.draft", "campaign.not_planned", "campaign.sent_back")

NOT_GOT = "not_got"
"""Chooses everybody who did not get it, and will not."""


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign of a list, with its recipients by the state of their batch."""

    campaign: Campaign
    states: dict[TextChoices, int]
    why_back: str = ""

    @property
    def channel_label(self) -> str:
        """The channel in words."""
        return str(LABELS.get(self.campaign.channel, self.campaign.channel))

    @property
    def batched(self) -> int:
        """Recipients that are in batches."""
        return sum(self.states.values())


def with_bars(campaigns: Iterable[Campaign]) -> list[CampaignRow]:
    """Sum the batches of these campaigns by state, in one query that never touches deliveries.

    A second one says of drafts why they are drafts again.
    """
    rows = list(campaigns)
    found: dict[int, dict[str, int]] = {row.pk: {} for row in rows}
    sums = (
        Batch.objects.filter(campaign__in=rows)
        .values_list("campaign", "state")
        .annotate(Sum("size"))
    )
    for campaign, state, recipients in sums:
        found[campaign][state] = recipients
    back = why_given_back(rows)
    return [CampaignRow(row, _in_order(found[row.pk]), back.get(row.pk, "")) for row in rows]


def words_of_schedule(campaign: Campaign, *, is_later: bool) -> str:
    """Return what has just become of a campaign that somebody scheduled."""
    if campaign.state == CampaignState.REVIEW:
        return _("It goes out once somebody else has approved it; they have been told.")
    return _("Scheduled.") if is_later else _("It goes out now.")


def why_given_back(campaigns: Iterable[Campaign]) -> dict[int, str]:
    """Say of those that are drafts again, and not because a person took them back, why: one query.

    They could not be planned, were not approved, or whoever made them has departed.
    """
    since = {row.pk: row.state_at for row in campaigns if row.state == CampaignState.DRAFT}
    entries = HistoryEntry.objects.filter(
        subject_kind="campaign", subject_id__in=since, action__in=_GIVEN_BACK, data__has_key="why"
    )
    told = entries.values_list("subject_id", "at", "data")
    return {
        campaign: read(data.get("said", data["why"]))
        for campaign, at, data in told
        if at == since[campaign]
    }


def _in_order(sizes: dict[str, int]) -> dict[TextChoices, int]:
    """Lay the states out as a bar shows them; recipients of waiting batches are *queued*."""
    states: dict[TextChoices, int] = {DeliveryState.QUEUED: sizes.get(BatchState.WAITING, 0)}
    for state in BatchState:
        if state != BatchState.WAITING:
            states[state] = sizes.get(state.value, 0)
    return states


@dataclass(frozen=True, slots=True)
class Step:
    """One stop on a campaign's way; ``place`` is done, current or ahead."""

    label: str
    place: str
    state: str


def state_words(campaign: Campaign) -> str:
    """Name the state of a campaign; letters wait for no staff, only for what is unclear of them."""
    if campaign.state == CampaignState.WAITING and is_direct(campaign.channel):
        return _("waiting for what is unclear")
    return campaign.get_state_display()


def steps_of(campaign: Campaign) -> list[Step]:
    """Lay out the way of a campaign; a cancelled or paused one says so where it stands."""
    here = _stands_at(campaign)
    waits = not is_direct(campaign.channel) or here == CampaignState.WAITING
    way = [step for step in STEPS if waits or step != CampaignState.WAITING]
    reached = way.index(here)
    steps = []
    for index, step in enumerate(way):
        if index == reached:
            steps.append(Step(state_words(campaign), "current", campaign.state))
        else:
            place = "done" if index < reached else "ahead"
            steps.append(Step(str(step.label), place, step.value))
    return steps


def _stands_at(campaign: Campaign) -> CampaignState:
    state = CampaignState(campaign.state)
    if state == CampaignState.REVIEW:
        return CampaignState.SCHEDULED
    if state in {CampaignState.PAUSED, CampaignState.CANCELLED}:
        return CampaignState.SENDING if campaign.planned_at else CampaignState.SCHEDULED
    return state


DID_NOT_GET = (
    DeliveryState.SKIPPED,
    DeliveryState.FAILED,
    DeliveryState.CANCELLED,
    DeliveryState.UNCLEAR,
)


_TOLD_OF_RECIPIENTS = (
    "state",
    "reason",
    "sent_at",
    "customer__name",
    "customer__state",
    "batch__seq",
    "batch__sender__name",
)


def recipients_of(
    viewer: Viewer, campaign: Campaign, *, state: str, reason: str, after: int | None
) -> QuerySet[Delivery]:
    """Return the recipients that the viewer sees, by state and reason, from this customer on."""
    rows = deliveries_of(viewer).filter(campaign=campaign)
    if state == NOT_GOT:
        rows = rows.filter(state__in=DID_NOT_GET)
    elif state in DeliveryState.values:
        rows = rows.filter(state=state)
    if reason and reason in DeliveryReason.values:
        rows = rows.filter(reason=reason)
    if after:
        rows = rows.filter(customer_id__gt=after)
    told = rows.select_related("customer", "batch__sender").only(*_TOLD_OF_RECIPIENTS)
    return told.order_by("customer_id")


def explain_batches(recipients: int, batches: int, senders: int, fewest: int) -> str:
    """Say why there are more batches than ``recipients`` divided by 200; empty when there are not."""
    if batches <= fewest:
        return ""
    said = ngettext(
        "%(recipients)s recipients would fit into %(fewest)s batch of 200. There are %(batches)s, "
        "because WeCom takes one sender per call and these customers belong to %(senders)s senders.",
        "%(recipients)s recipients would fit into %(fewest)s batches of 200. There are %(batches)s, "
        "because WeCom takes one sender per call and these customers belong to %(senders)s senders.",
        fewest,
    )
    return said % {
        "recipients": intcomma(recipients),
        "fewest": intcomma(fewest),
        "batches": intcomma(batches),
        "senders": intcomma(senders),
    }
