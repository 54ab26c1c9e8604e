"""The form of a series, and a draft that keeps everything typed into it."""

from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns.actions.drafts import drop_series_draft, keep_series_draft, series_draft_of
from campaigns.actions.series import base_of
from campaigns.channels import abilities_of, available_channels
from campaigns.enums import SeriesState
from campaigns.models import Series, SeriesDraft
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, series_for, viewer_as
from crm.forms.series import SeriesForm, typed_series
from crm.forms.typed import unfolded
from crm.paging import storable, whole_number
from crm.views.audience_counts import counted


@dataclass(slots=True)
class SeriesDesk:
    """Who writes which series, and what they have typed about it."""

    viewer: Viewer
    series: Series | None
    draft: SeriesDraft | None
    window: str

    @property
    def version(self) -> int:
        """The version of the draft that this page shows."""
        return self.draft.version if self.draft else 0

    @property
    def initial(self) -> dict[str, Any]:
        """The series, or an empty one, with what was typed over it."""
        begun = typed_series(self.series) if self.series else {"starts_on": timezone.localdate()}
        return begun | (unfolded(self.draft.fields) if self.draft else {})

    @property
    def is_stale(self) -> bool:
        """Whether somebody else has changed the series since this draft of it began."""
        bases = self.draft.fields.get("base") if self.draft else None
        return bool(self.series and bases and bases[-1] and bases[-1] != base_of(self.series))


@login_required
@require_http_methods(["GET", "POST"])
def series_new(request: HttpRequest) -> HttpResponse:
    """Take in a new series."""
    viewer = viewer_as(request, Role.MARKETER)
    return _form(request, viewer, None)


@login_required
@require_http_methods(["GET", "POST"])
def series_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a series from its next run on."""
    viewer = viewer_as(request, Role.MARKETER)
    series = series_for(viewer, pk)
    if series.state == SeriesState.ENDED:
        messages.warning(request, _("This series has ended."))
        return redirect("series_page", pk=pk)
    return _form(request, viewer, series)


def _form(request: HttpRequest, viewer: Viewer, series: Series | None) -> HttpResponse:
    window = request.POST.get("window", "")[:32] or token_hex(8)
    desk = SeriesDesk(viewer, series, series_draft_of(viewer.staff, series), window)
    if request.method == "GET":
        return _show(request, desk, SeriesForm(viewer, initial=desk.initial, kept=series))
    go = request.POST.get("go", "")
    if go == "discard":
        return _discard(request, desk)
    form = SeriesForm(viewer, request.POST, kept=series)
    if go == "count" and request.headers.get("HX-Request"):
        return render(request, "crm/parts/_campaign_audience.html", counted(form))
    try:
        _keep(request, desk, form)
    except MovedOn as error:
        return _elsewhere(request, desk, form, str(error))
    if go == "keep":
        return _kept(request, desk)
    if go == "count":
        return _show(request, desk, form, **counted(form))
    return _save(request, desk, form)


def _keep(request: HttpRequest, desk: SeriesDesk, form: SeriesForm) -> None:
    """Keep everything typed, sound or not. Raises ``MovedOn`` if another window has saved."""
    desk.draft = keep_series_draft(
        desk.viewer.staff,
        desk.series,
        {name: [storable(text) for text in request.POST.getlist(name)] for name in form.fields},
        seen=whole_number(request.POST.get("version")) or 0,
        window=desk.window,
        now=timezone.now(),
    )


def _elsewhere(request: HttpRequest, desk: SeriesDesk, form: SeriesForm, why: str) -> HttpResponse:
    """Say that another window has saved; the page keeps what was typed here beside it."""
    if not request.headers.get("HX-Request"):
        return _show(request, desk, form, status=409, elsewhere=why)
    seen = whole_number(request.POST.get("version")) or 0
    return _kept(request, desk, status=409, elsewhere=why, version=seen)


def _kept(
    request: HttpRequest, desk: SeriesDesk, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {"desk": desk, "version": desk.version, "here": request.path, "by_saving": True}
    return render(request, "crm/parts/_draft_kept.html", context | more, status=status)


def _save(request: HttpRequest, desk: SeriesDesk, form: SeriesForm) -> HttpResponse:
    """Begin or change the series and let go of the draft; refused, the draft stays."""
    if not form.is_valid():
        return _show(request, desk, form, status=400)
    try:
        with transaction.atomic():
            kept = form.keep(desk.series, now=timezone.now())
            drop_series_draft(desk.viewer.staff, desk.series)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, desk, form, status=400)
    except MovedOn as error:
        form.add_error(None, str(error))
        return _show(request, desk, form, status=409)
    messages.success(request, _("The series is kept.") if desk.series else _("The series begins."))
    return redirect("series_page", pk=kept.pk)


def _discard(request: HttpRequest, desk: SeriesDesk) -> HttpResponse:
    drop_series_draft(desk.viewer.staff, desk.series)
    messages.success(request, _("What was typed is thrown away."))
    return redirect("series_page", pk=desk.series.pk) if desk.series else redirect("series_list")


def _show(
    request: HttpRequest, desk: SeriesDesk, form: SeriesForm, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = {
        "desk": desk,
        "version": desk.version,
        "here": request.path,
        "form": form,
        "series": desk.series,
        "limits": {name: abilities_of(name).text_bytes for name in available_channels()},
        **more,
    }
    return render(request, "crm/series_form.html", context, status=status)
