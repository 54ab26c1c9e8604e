"""Splitting an audience: who gets which wording, who waits for the winner, and who gets nothing.

Everybody falls into one of ten thousand buckets by a hash of a seed and the customer, so that
planning twice splits alike, counting says what planning will do, and no statement draws lots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from campaigns.enums import DeliveryReason
from campaigns.models import Campaign, CampaignDraft, Experiment

BUCKETS = 10_000
PILES = 8
"""Wordings have piles of batches of their own: four, and one of those who wait."""

_BUCKET = "((hashint8extended(audience.customer_id, %({seed})s) & 9223372036854775807) %% 10000)"


@dataclass(frozen=True, slots=True)
class Split:
    """How one audience is split: the first buckets are in the control group; the variants have
    the buckets below their ``ends``, of another hash, and who is above all of them waits."""

    seed: int
    control: int = 0
    ends: tuple[int, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the expressions."""
        return {
            "control_seed": self.seed * 2,
            "control": self.control,
            "variant_seed": self.seed * 2 + 1,
            "ends": list(self.ends),
            "rest": len(self.ends),
        }

    def reason(self, reason: str) -> str:
        """Return the expression of a reason that knows the control group as well."""
        if not self.control:
            return reason
        bucket = _BUCKET.format(seed="control_seed")
        control = DeliveryReason.CONTROL.value
        return (
            f"CASE WHEN ({reason}) = '' AND {bucket} < %(control)s THEN '{control}'"
            f" ELSE ({reason}) END"
        )

    @property
    def variant(self) -> str:
        """The expression of the variant's number; of those who wait it is one more than the last."""
        if not self.ends:
            return "NULL::int"
        return f"width_bucket({_BUCKET.format(seed='variant_seed')}, %(ends)s::bigint[])"


NOT_SPLIT = Split(0)


def split_by(
    seed: int, *, control_share: int, shares: Sequence[int] = (), test_share: int | None = None
) -> Split:
    """Return the split into a control group and wordings, all given in per cent."""
    part = BUCKETS if test_share is None else test_share * BUCKETS // 100
    ends = [part * upto // 100 for upto in accumulate(shares)]
    return Split(seed, control_share * BUCKETS // 100, tuple(ends))


def split_of(campaign: Campaign) -> Split:
    """Return how the campaign's audience is split: one query, or two where it is."""
    if campaign._state.adding:
        return NOT_SPLIT
    experiment = Experiment.objects.filter(campaign=campaign).first()
    if experiment is None:
        return NOT_SPLIT
    return split_by(
        _seed(experiment),
        control_share=experiment.control_share,
        shares=list(campaign.variants.order_by("number").values_list("share", flat=True)),
        test_share=experiment.test_share,
    )


def seed_of(campaign: Campaign) -> int:
    """Return what the campaign's audience is split with, or would be."""
    experiment = Experiment.objects.filter(campaign=campaign).first()
    return campaign.pk if experiment is None else _seed(experiment)


def seed_of_draft(draft: CampaignDraft) -> int:
    """Return what the audience of a new campaign is split with, which has no number yet.

    It is below zero: no campaign has that number.
    """
    return -draft.pk


def _seed(experiment: Experiment) -> int:
    return experiment.campaign_id if experiment.seed is None else experiment.seed
