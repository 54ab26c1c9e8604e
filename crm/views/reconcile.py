"""The check against WeCom: what the last comparisons found, and what is to be done about it."""

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.enums import FindingKind, FindingState, ReconciliationState, Role
from contacts.models import Reconciliation
from contacts.wecom import wecom
from crm.access import (
    Viewer,
    finding_for,
    reconciliations_of,
    refusal_to_repair,
    require,
    viewer_as,
)
from crm.actions.findings import dismiss_finding, repair_finding
from crm.actions.reconcile import start_reconciliation
from crm.paging import page_of, whole_number
from crm.reconcile_queries import RunRow, finding_rows, listed_findings, open_by_kind
from crm.views.refusals import press

LIST_SIZE = 25
RUNS_SHOWN = 5
SHOWN = (FindingState.OPEN, FindingState.REPAIRED, FindingState.DISMISSED)


@login_required
@require_GET
def wecom_check(request: HttpRequest) -> HttpResponse:
    """List what comparisons found, newest first; who sees the company sees the last of them too."""
    viewer = viewer_as(request, Role.MANAGER)
    state = request.GET.get("state", "")
    state = state if state in SHOWN else FindingState.OPEN.value
    kinds = open_by_kind(viewer)
    kind = request.GET.get("kind", "")
    kind = kind if state != FindingState.OPEN or kind in kinds else ""
    found = listed_findings(viewer, state, kind)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found, LIST_SIZE)
    runs = reconciliations_of(viewer).select_related("asked_by").order_by("-pk")[:RUNS_SHOWN]
    finished = Reconciliation.objects.filter(state=ReconciliationState.DONE)
    context = {
        "rows": finding_rows(viewer, page.rows),
        "waits": state == FindingState.OPEN and not page.rows,
        "last": page.last,
        "state": state,
        "states": [(shown.value, shown.label) for shown in SHOWN],
        "kind": kind,
        "kinds": kinds,
        "runs": [RunRow(run) for run in runs],
        "renews": request.GET.get("found") == "none" and bool(request.headers.get("HX-Request")),
        "compared_at": finished.order_by("-pk").values_list("finished_at", flat=True).first(),
        "may_start": _may_start(viewer),
        "channel": wecom() is not None,
    }
    return render(request, "crm/wecom_check.html", context)


@login_required
@require_POST
def wecom_check_start(request: HttpRequest) -> HttpResponse:
    """Start a comparison now, unless one is under way."""
    viewer = viewer_as(request, Role.MANAGER)
    if not _may_start(viewer):
        require(viewer)
        messages.error(request, _("Only an administrator of the whole company can do this."))
        return redirect("wecom_check")
    act = partial(start_reconciliation, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("The comparison has started."), back=reverse("wecom_check"))


@login_required
@require_POST
def finding_repair(request: HttpRequest, pk: int) -> HttpResponse:
    """Put right what the finding says."""
    viewer = viewer_as(request, Role.MANAGER)
    finding = finding_for(viewer, pk)
    back = _back(request)
    if refusal := refusal_to_repair(viewer, finding):
        messages.error(request, refusal)
        return redirect(back)
    act = partial(repair_finding, finding, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Put right."), back=back)


@login_required
@require_POST
def finding_dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    """Say that it is all right as it is, and why."""
    viewer = viewer_as(request, Role.MANAGER)
    finding = finding_for(viewer, pk)
    note = request.POST.get("note", "").replace("\0", "")
    act = partial(dismiss_finding, finding, note=note, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Dismissed."), back=_back(request))


def _back(request: HttpRequest) -> str:
    """Return to the findings of the kind that the person was looking through."""
    kind = request.POST.get("kind", "")
    place = reverse("wecom_check")
    return f"{place}?kind={kind}" if kind in FindingKind.values else place


def _may_start(viewer: Viewer) -> bool:
    return viewer.has(Role.ADMINISTRATOR) and viewer.stores_for(Role.ADMINISTRATOR) is None
