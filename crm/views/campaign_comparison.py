"""Campaigns side by side."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from campaigns.channels import LABELS
from campaigns.comparison import MOST_COMPARED, ComparedCampaign, compare_campaigns
from campaigns.models import Campaign
from contacts.enums import Role
from crm.access import Viewer, campaigns_of, viewer_as
from crm.paging import whole_number

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

_Count = Callable[[ComparedCampaign], int | None]


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one campaign, and what part of the whole it is; none if it is not told."""

    n: int | None
    of: int
    is_best: bool = False

    @property
    def rate(self) -> float:
        """The part."""
        return self.n / self.of if self.n and self.of else 0.0

    @property
    def percent(self) -> str:
        """The part in words; empty where there is no whole, or nothing is told."""
        return f"{100 * self.rate:.1f} %" if self.of and self.n is not None else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure over all campaigns."""

    label: "StrPromise"
    cells: list[Cell]


MEASURES: tuple[tuple["StrPromise", _Count, bool, bool], ...] = (
    (_("Reached"), lambda one: one.reached, False, True),
    (_("Failed"), lambda one: one.failed, False, False),
    (_("Unclear"), lambda one: one.unclear, False, False),
    (_("Skipped"), lambda one: one.skipped - one.control, False, False),
    (_("Control group"), lambda one: one.control, False, False),
    (_("Read"), lambda one: one.opened, True, True),
    (_("Clicked"), lambda one: one.clicked, True, True),
    (_("Replied"), lambda one: one.replied, True, True),
    (_("Bought"), lambda one: one.converted, True, True),
    (_("Opted out"), lambda one: one.opted_out, True, False),
)
"""Each with whether it is a part of those reached, not of all, and whether more is better."""


@login_required
@require_GET
def campaign_compare(request: HttpRequest) -> HttpResponse:
    """Show the same figures of up to four campaigns; one that the viewer may not see is a 404."""
    viewer = viewer_as(request, Role.MARKETER)
    chosen = request.GET.getlist("pk")
    too_many = len(set(chosen)) > MOST_COMPARED
    campaigns = [] if too_many else _campaigns(viewer, chosen)
    columns = compare_campaigns(campaigns)
    context = {
        "columns": [
            {
                "campaign": one.campaign,
                "total": one.total,
                "channel": LABELS.get(one.campaign.channel, one.campaign.channel),
                "others": [other.pk for other in campaigns if other.pk != one.id],
            }
            for one in columns
        ],
        "parts": _table(columns),
        "too_many": too_many,
        "most": MOST_COMPARED,
    }
    return render(request, "crm/campaign_compare.html", context, status=400 if too_many else 200)


def _campaigns(viewer: Viewer, chosen: list[str]) -> list[Campaign]:
    """Return the chosen campaigns in the order in which they were chosen, each once."""
    ids = list(dict.fromkeys(whole_number(text) for text in chosen))
    found = campaigns_of(viewer).in_bulk([pk for pk in ids if pk])
    if len(found) < len(ids):
        raise Http404
    return [found[pk] for pk in ids if pk]


def _table(columns: list[ComparedCampaign]) -> list[tuple["StrPromise", list[Row]]]:
    """Return the measures of all recipients, then those of whoever was reached."""
    of_all: list[Row] = []
    of_reached: list[Row] = []
    for label, count, is_of_reached, more_is_better in MEASURES:
        cells = [Cell(count(one), one.reached if is_of_reached else one.total) for one in columns]
        row = Row(label, _with_best(cells) if more_is_better else cells)
        (of_reached if is_of_reached else of_all).append(row)
    return [(_("Of all customers in the audience"), of_all), (_("Of those reached"), of_reached)]


def _with_best(cells: list[Cell]) -> list[Cell]:
    """Mark the highest rate, if there is one that is higher than another."""
    rates = {cell.rate for cell in cells if cell.n is not None}
    if len(rates) < 2:
        return cells
    return [replace(cell, is_best=cell.n is not None and cell.rate == max(rates)) for cell in cells]
