"""Series of campaigns: the list, the page with what each run became, and its buttons."""

from collections.abc import Callable
from functools import partial

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from campaigns.actions.drafts import series_draft_of
from campaigns.actions.series import end_series, pause_series
from campaigns.channels import LABELS
from campaigns.enums import SeriesState
from campaigns.models import SeriesRun
from contacts.enums import Role
from crm.access import series_for, series_of, viewer_as
from crm.actions.series import resume
from crm.paging import page_of, whole_number
from crm.series_words import when_words
from crm.views.refusals import press

LIST_SIZE = 25
RUNS_SIZE = 30


@login_required
@require_GET
def series_list(request: HttpRequest) -> HttpResponse:
    """List the series, newest first, by state; how the last run of each went."""
    viewer = viewer_as(request, Role.MARKETER)
    state = request.GET.get("state", "")
    newest = SeriesRun.objects.filter(series=OuterRef("pk")).order_by("-run_at")
    found = series_of(viewer).select_related("created_by", "segment")
    if state in SeriesState.values:
        found = found.filter(state=state)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    last_run = Subquery(newest.values("state")[:1])
    page = page_of(found.annotate(last_run=last_run).order_by("-pk"), LIST_SIZE)
    context = {
        "rows": [(series, when_words(series)) for series in page.rows],
        "last": page.last,
        "state": state,
        "states": SeriesState.choices,
        "unfinished": series_draft_of(viewer.staff, None),
    }
    return render(request, "crm/series_list.html", context)


@login_required
@require_GET
def series_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one series: when it runs, what it says to whom, and what became of its runs."""
    series = series_for(viewer_as(request, Role.MARKETER), pk)
    runs = SeriesRun.objects.filter(series=series).select_related("campaign")
    if after := whole_number(request.GET.get("after")):
        anchor = SeriesRun.objects.filter(series=series, pk=after).values("run_at")[:1]
        runs = runs.filter(run_at__lt=Subquery(anchor))
    page = page_of(runs.order_by("-run_at"), RUNS_SIZE)
    state = SeriesState(series.state)
    context = {
        "series": series,
        "when": when_words(series),
        "channel_label": LABELS.get(series.channel, series.channel),
        "runs": page.rows,
        "last": page.last,
        "may_change": state != SeriesState.ENDED,
        "may_pause": state == SeriesState.ACTIVE,
        "may_resume": state == SeriesState.PAUSED,
    }
    return render(request, "crm/series_page.html", context)


@login_required
@require_POST
def series_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Make no campaign of it until it is resumed."""
    return _press(request, pk, pause_series, _("Paused. It makes no campaign until you resume it."))


@login_required
@require_POST
def series_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with the next run; what fell into the pause is not made up for."""
    viewer = viewer_as(request, Role.MARKETER)
    act = partial(resume, series_for(viewer, pk), viewer, now=timezone.now())
    return press(request, act, done=_("Going on."), back=_address(pk))


@login_required
@require_POST
def series_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Make no campaign of it any more, for good."""
    return _press(request, pk, end_series, _("Ended. It makes no campaign any more."))


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = viewer_as(request, Role.MARKETER)
    act = partial(action, series_for(viewer, pk), actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(pk))


def _address(pk: int) -> str:
    return reverse("series_page", args=[pk])
