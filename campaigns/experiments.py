"""What a test of wordings shows: figures per variant, who is ahead, and how sure that is."""

from dataclasses import dataclass
from math import erfc, sqrt
from typing import Any

from django.db import connection

from campaigns.channels import told_by
from campaigns.enums import WinnerRule
from campaigns.models import Campaign, Experiment
from campaigns.models.experiments import LETTERS
from contacts.errors import RuleBroken
from contacts.saying import gettext as _

ENOUGH = 30
"""Fewer recipients of one variant say nothing: a person decides."""

SURE = 0.05
"""Below this a difference is called significant: by chance it comes about once in twenty times."""

_FIGURES = """
WITH told AS (
    SELECT variant, customer_id, state FROM campaigns_delivery
    WHERE campaign_id = %(campaign)s AND variant IS NOT NULL AND state <> 'skipped'
), did AS (
    SELECT customer_id,
           bool_or(kind = 'opened') AS opened, bool_or(kind = 'clicked') AS clicked,
           bool_or(kind = 'replied') AS replied, bool_or(kind = 'converted') AS converted
    FROM campaigns_engagement
    WHERE campaign_id = %(campaign)s AND link = 0 AND count > 0
    GROUP BY customer_id
)
SELECT variant, count(*),
       count(*) FILTER (WHERE state IN ('sent', 'delivered', 'read', 'replied')),
       count(*) FILTER (WHERE state IN ('read', 'replied') OR opened OR clicked OR replied),
       count(*) FILTER (WHERE clicked),
       count(*) FILTER (WHERE state = 'replied' OR replied),
       count(*) FILTER (WHERE converted)
FROM told LEFT JOIN did ON did.customer_id = told.customer_id
GROUP BY variant ORDER BY variant
"""


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """How one wording did among those it was tried on."""

    number: int
    share: int
    recipients: int = 0
    reached: int = 0
    read: int = 0
    clicked: int = 0
    replied: int = 0
    converted: int = 0

    @property
    def letter(self) -> str:
        """What people call it."""
        return LETTERS[self.number]

    def count(self, rule: str) -> int:
        """Return how many did what the rule counts."""
        counts: dict[str, int] = {
            WinnerRule.READ: self.read,
            WinnerRule.CLICK: self.clicked,
            WinnerRule.REPLY: self.replied,
            WinnerRule.CONVERSION: self.converted,
        }
        return counts.get(rule, 0)

    def rate(self, rule: str) -> float:
        """Return their share of those whom it reached."""
        return self.count(rule) / self.reached if self.reached else 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a test stands. ``leader`` is ``None`` while nobody is ahead or there is too little.

    ``p_value`` says how likely a difference like that between the best two is by chance alone
    (two-proportion z-test, two-sided); ``None`` where there is nothing to compare.
    """

    variants: list[VariantFigures]
    rule: str
    leader: VariantFigures | None = None
    p_value: float | None = None
    is_enough: bool = False

    @property
    def is_significant(self) -> bool:
        """Whether the difference is hardly by chance."""
        return self.p_value is not None and self.p_value < SURE


_STAGE_OF = {
    WinnerRule.READ.value: "read",
    WinnerRule.CLICK.value: "clicked",
    WinnerRule.REPLY.value: "replied",
}


def is_told(rule: str, channel: str) -> bool:
    """Whether a channel tells who did what this rule counts; what is bought is known to us."""
    stage = _STAGE_OF.get(rule)
    return stage is None or stage in told_by(channel)


def why_not_told(rule: str, channel: str) -> str:
    """Say why no winner would be found by this rule, and what to choose; empty if one may be."""
    if is_told(rule, channel):
        return ""
    return _(
        "This channel does not tell which wording is %(rule)s. Let the one that is most bought win, or choose by hand."
    ) % {"rule": WinnerRule(rule).label}


def check_winner_is_told(campaign: Campaign) -> None:
    """Raise ``RuleBroken`` if the channel would never tell which of the wordings won."""
    rules = Experiment.objects.filter(campaign=campaign).values_list("winner_rule", flat=True)
    if why := why_not_told(rules.first() or "", campaign.channel):
        raise RuleBroken(why)


def split_of(campaign: Campaign) -> dict[str, Any]:
    """Return how the campaign's recipients are split, and the wordings; empty if they are not."""
    found = Experiment.objects.filter(campaign=campaign)
    split = found.values("control_share", "test_share", "winner_rule", "winner_after_hours").first()
    if split is None:
        return {}
    words = campaign.variants.order_by("number").values("share", "text", "subject", "html")
    return {**split, "variants": list(words)}


def standing_of(campaign: Campaign, *, rule: str = "") -> Standing:
    """Count what became of each variant of the campaign: three queries."""
    experiment = Experiment.objects.filter(campaign=campaign).first()
    measured = rule or (experiment.winner_rule if experiment else "")
    if measured in {"", WinnerRule.HAND}:
        measured = WinnerRule.READ
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {"campaign": campaign.pk})
        counted = {row[0]: row[1:] for row in cursor.fetchall()}
    shares = campaign.variants.order_by("number").values_list("number", "share")
    figures = [VariantFigures(number, share, *counted.get(number, ())) for number, share in shares]
    return _judge(figures, measured)


def _judge(figures: list[VariantFigures], rule: str) -> Standing:
    ranked = sorted(figures, key=lambda one: one.rate(rule), reverse=True)
    is_enough = bool(figures) and all(one.reached >= ENOUGH for one in figures)
    if len(ranked) < 2:
        return Standing(figures, rule)
    best, second = ranked[:2]
    is_ahead = is_enough and best.rate(rule) > second.rate(rule)
    return Standing(
        figures, rule, best if is_ahead else None, _p_value(best, second, rule), is_enough
    )


def _p_value(one: VariantFigures, other: VariantFigures, rule: str) -> float | None:
    """Compare two shares: the chance of a difference at least as large if there were none."""
    if not one.reached or not other.reached:
        return None
    pooled = (one.count(rule) + other.count(rule)) / (one.reached + other.reached)
    spread = sqrt(pooled * (1 - pooled) * (1 / one.reached + 1 / other.reached))
    if not spread:
        return None
    return erfc(abs(one.rate(rule) - other.rate(rule)) / spread / sqrt(2))
