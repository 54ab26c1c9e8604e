"""What became of a campaign: its funnel, its links, and both by guide, store and batch."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_GET

from campaigns.tracking import queries
from campaigns.tracking.queries import Funnel, FunnelOf
from campaigns.tracking.tallies import Dimension
from contacts.enums import Role
from crm.access import campaign_for, viewer_as
from crm.csv_files import csv_response
from crm.hour_chart import chart_of

SHOWN = 100
"""Guides, stores or batches on the page; the file has them all."""

LABELS = {
    Dimension.GUIDE: gettext_lazy("Guide"),
    Dimension.STORE: gettext_lazy("Store"),
    Dimension.VARIANT: gettext_lazy("Variant"),
    Dimension.BATCH: gettext_lazy("Batch"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the funnel, as the page draws it; without ``n`` the channel does not tell it."""

    label: str
    n: int | None
    of: int
    percent: str


@login_required
@require_GET
def campaign_figures(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how far the recipients of a campaign got."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    by = _chosen(request)
    found = queries.funnel(campaign)
    groups = queries.funnels_by(campaign, by)
    context = {
        "campaign": campaign,
        "funnel": found,
        "steps": steps_of(found),
        "links": queries.links(campaign),
        "groups": groups[:SHOWN],
        "more_groups": max(len(groups) - SHOWN, 0),
        "is_untold": any(step.n is None for step in steps_of(found)),
        "by": by.value,
        "by_label": LABELS[by],
        "choices": [(one.value, label) for one, label in LABELS.items()],
        "chart": chart_of(queries.hours(campaign)),
        "counted_at": queries.counted_at(campaign),
    }
    return render(request, "crm/campaign_figures.html", context)


@login_required
@require_GET
def campaign_figures_file(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Download the funnels of all guides, stores or batches; what is not told stays empty."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    by = _chosen(request)
    groups = queries.funnels_by(campaign, by)
    return csv_response(f"campaign-{campaign.pk}-{by.value}.csv", _rows(str(LABELS[by]), groups))


def steps_of(found: Funnel) -> list[Step]:
    """Return the steps of a funnel, each as a share of the recipients."""
    steps: list[tuple[str, int | None]] = [
        (_("Recipients"), found.recipients),
        (pgettext("figure", "Sent"), found.sent),
        (_("Delivered"), found.delivered),
        (_("Read"), found.read),
        (_("Clicked"), found.clicked),
        (_("Replied"), found.replied),
        (_("Bought"), found.converted),
        (_("Opted out"), found.opted_out),
    ]
    return [
        Step(label, n, max(found.recipients, 1), _percent(n, found.recipients))
        for label, n in steps
    ]


def _chosen(request: HttpRequest) -> Dimension:
    asked = request.GET.get("by", "")
    return next((one for one in LABELS if one.value == asked), Dimension.GUIDE)


def _percent(n: int | None, of: int) -> str:
    return f"{100 * n / of:.1f} %" if of and n is not None else ""


def _rows(label: str, groups: list[FunnelOf]) -> Iterator[tuple[object, ...]]:
    yield (
        label,
        _("Recipients"),
        pgettext("figure", "Sent"),
        _("Delivered"),
        _("Read"),
        _("Clicked"),
        _("Replied"),
        _("Opted out"),
        _("Bought"),
        _("Amount"),
        _("Failed"),
        _("Skipped"),
        _("Opened by machines only"),
        _("Clicked by machines only"),
    )
    for one in groups:
        found = one.funnel
        yield (
            one.name or pgettext("figure", "nobody"),
            found.recipients,
            found.sent,
            found.delivered,
            found.read,
            found.clicked,
            found.replied,
            found.opted_out,
            found.converted,
            found.amount,
            found.failed,
            found.skipped,
            found.opened_by_bots,
            found.clicked_by_bots,
        )
