"""Series of campaigns: the list, the form, and the page with what each run became."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns.actions.series import end_series, pause_series
from campaigns.channels import LABELS, abilities_of, available_channels
from campaigns.enums import SeriesState
from campaigns.models import Series, SeriesRun
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, require, series_for, series_of, viewer_of
from crm.actions.series import resume
from crm.forms.series import SeriesForm, typed_series
from crm.paging import page_of, whole_number
from crm.series_words import when_words
from crm.views.audience_counts import counted
from crm.views.refusals import press

LIST_SIZE = 25
RUNS_SIZE = 30


@login_required
@require_GET
def series_list(request: HttpRequest) -> HttpResponse:
    """List the series, newest first, by state; how the last run of each went."""
    viewer = _marketer(request)
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
    }
    return render(request, "crm/series_list.html", context)


@login_required
@require_GET
def series_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one series: when it runs, what it says to whom, and what became of its runs."""
    series = series_for(_marketer(request), pk)
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
@require_http_methods(["GET", "POST"])
def series_new(request: HttpRequest) -> HttpResponse:
    """Take in a new series."""
    viewer = _marketer(request)
    initial = {"starts_on": timezone.localdate()}
    return _form(request, viewer, None, initial)


@login_required
@require_http_methods(["GET", "POST"])
def series_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a series from its next run on."""
    viewer = _marketer(request)
    series = series_for(viewer, pk)
    if series.state == SeriesState.ENDED:
        messages.warning(request, _("This series has ended."))
        return redirect("series_page", pk=pk)
    return _form(request, viewer, series, typed_series(series))


def _form(
    request: HttpRequest, viewer: Viewer, series: Series | None, initial: dict[str, Any]
) -> HttpResponse:
    if request.method == "GET":
        return _show(request, SeriesForm(viewer, initial=initial, kept=series), series)
    form = SeriesForm(viewer, request.POST, kept=series)
    if request.POST.get("go") == "count":
        if request.headers.get("HX-Request"):
            return render(request, "crm/parts/_campaign_audience.html", counted(form))
        return _show(request, form, series, audience=counted(form))
    if not form.is_valid():
        return _show(request, form, series, status=400)
    try:
        with transaction.atomic():
            kept = form.keep(series, now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, form, series, status=400)
    except MovedOn as error:
        form.add_error(None, str(error))
        return _show(request, form, series, status=409)
    messages.success(request, _("The series is kept.") if series else _("The series begins."))
    return redirect("series_page", pk=kept.pk)


def _show(
    request: HttpRequest,
    form: SeriesForm,
    series: Series | None,
    *,
    status: int = 200,
    audience: dict[str, Any] | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "series": series,
        "limits": {name: abilities_of(name).text_bytes for name in available_channels()},
        **(audience or {}),
    }
    return render(request, "crm/series_form.html", context, status=status)


@login_required
@require_POST
def series_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Make no campaign of it until it is resumed."""
    return _press(request, pk, pause_series, _("Paused. It makes no campaign until you resume it."))


@login_required
@require_POST
def series_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with the next run; what fell into the pause is not made up for."""
    viewer = _marketer(request)
    act = partial(resume, series_for(viewer, pk), viewer, now=timezone.now())
    return press(request, act, done=_("Going on."), back=_address(pk))


@login_required
@require_POST
def series_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Make no campaign of it any more, for good."""
    return _press(request, pk, end_series, _("Ended. It makes no campaign any more."))


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = _marketer(request)
    act = partial(action, series_for(viewer, pk), actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(pk))


def _marketer(request: HttpRequest) -> Viewer:
    viewer = viewer_of(request)
    require(viewer, Role.MARKETER)
    return viewer


def _address(pk: int) -> str:
    return reverse("series_page", args=[pk])
