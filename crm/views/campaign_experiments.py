"""What came of a campaign, on its page: the funnel, and how each of its wordings did."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from campaigns.actions.experiments import UNDER_WAY, choose_winner
from campaigns.enums import WinnerRule
from campaigns.experiments import Standing, VariantFigures, is_told, standing_of
from campaigns.models import Campaign, Experiment, Variant
from campaigns.models.experiments import LETTERS
from campaigns.tracking import queries
from contacts.enums import Role
from crm.access import Viewer, campaign_for, series_of, viewer_as
from crm.hour_chart import chart_of
from crm.views.campaign_figures import steps_of
from crm.views.refusals import press


@dataclass(frozen=True, slots=True)
class Measure:
    """How many of those who got a wording did something."""

    label: str
    n: int
    of: int
    percent: str


@dataclass(frozen=True, slots=True)
class WordingRow:
    """One wording with its figures."""

    variant: Variant
    figures: VariantFigures
    measures: list[Measure]
    is_winner: bool
    is_ahead: bool


def results_of(campaign: Campaign, viewer: Viewer) -> dict[str, Any]:
    """Return what its page shows of a campaign's result, its wordings, and the series it is of."""
    found: dict[str, Any] = _wordings(campaign)
    found["series"] = series_of(viewer).filter(runs__campaign=campaign).first()
    if campaign.planned_at is not None:
        funnel = queries.funnel(campaign)
        found["figures"] = {
            "funnel": funnel,
            "steps": steps_of(funnel),
            "chart": chart_of(queries.hours(campaign)),
            "counted_at": queries.counted_at(campaign),
        }
    return found


def _wordings(campaign: Campaign) -> dict[str, Any]:
    split = Experiment.objects.filter(campaign=campaign).select_related("decided_by").first()
    if split is None:
        return {}
    standing = standing_of(campaign)
    waits = split.test_share is not None and split.winner is None
    return {
        "split": split,
        "rule_label": WinnerRule(split.winner_rule).label if split.winner_rule else "",
        "wordings": _rows(campaign, split, standing),
        "standing": standing,
        "winner_letter": "" if split.winner is None else LETTERS[split.winner],
        "may_choose": waits and campaign.state in UNDER_WAY,
    }


def _rows(campaign: Campaign, split: Experiment, standing: Standing) -> list[WordingRow]:
    variants = campaign.variants.order_by("number")
    return [
        WordingRow(
            variant,
            figures,
            _measures(figures, campaign.channel),
            is_winner=split.winner == variant.number,
            is_ahead=standing.leader == figures,
        )
        for variant, figures in zip(variants, standing.variants, strict=False)
    ]


def _measures(figures: VariantFigures, channel: str) -> list[Measure]:
    rules = [
        (WinnerRule.READ, _("Read")),
        (WinnerRule.CLICK, _("Clicked")),
        (WinnerRule.REPLY, _("Replied")),
        (WinnerRule.CONVERSION, _("Bought")),
    ]
    return [
        Measure(
            label,
            figures.count(rule),
            max(figures.reached, 1),
            f"{100 * figures.rate(rule):.1f} %" if figures.reached else "",
        )
        for rule, label in rules
        if is_told(rule, channel)
    ]


@login_required
@require_POST
def campaign_winner(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the rest of the recipients the words of one variant, now."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    letter = request.POST.get("variant", "").upper()
    if len(letter) != 1 or letter not in LETTERS:
        raise Http404
    act = partial(
        choose_winner, campaign, LETTERS.index(letter), actor=viewer.staff, now=timezone.now()
    )
    done = _("The rest gets wording %(letter)s.") % {"letter": letter}
    return press(request, act, done=done, back=reverse("campaign_page", args=[pk]))
