"""Campaigns: the list, a new one, and the page on which one is scheduled, watched and steered."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from campaigns.actions.campaigns import (
    cancel_campaign,
    pause_campaign,
    refresh_campaign,
    remind_campaign,
    resume_campaign,
    schedule_campaign,
    unschedule_campaign,
)
from campaigns.enums import CAMPAIGN_MOVES, BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Campaign
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.queries import AudiencePreview, audience_preview, campaign_progress
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, campaign_for, campaigns_of, require, viewer_of
from crm.audiences import audience_of, check_reach
from crm.campaign_queries import explain_batches, pace_of, recipients_of, steps_of, with_bars
from crm.forms.campaigns import TEXT_BYTES, CampaignForm, ScheduleForm
from crm.paging import page_of, whole_number
from crm.views.refusals import moved_on, press

LIST_SIZE = 25
RECIPIENTS_SIZE = 25
CELLS_SHOWN = 400
LIVE = (
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
)


@login_required
@require_GET
def campaign_list(request: HttpRequest) -> HttpResponse:
    """List campaigns, newest first, with how far each one got."""
    viewer = _marketer(request)
    state = request.GET.get("state", "")
    found = campaigns_of(viewer).select_related("segment", "handover__from_staff", "created_by")
    if state in CampaignState.values:
        found = found.filter(state=state)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), LIST_SIZE)
    context = {
        "rows": with_bars(page.rows),
        "last": page.last,
        "state": state,
        "states": CampaignState.choices,
    }
    return render(request, "crm/campaign_list.html", context)


@login_required
def campaign_new(request: HttpRequest) -> HttpResponse:
    """Show the sheet of a new campaign; *preview* counts its audience, else it is drafted."""
    viewer = _marketer(request)
    if request.method != "POST":
        return _sheet(request, CampaignForm(viewer))
    form = CampaignForm(viewer, request.POST)
    if "preview" in request.POST:
        return _preview(request, form)
    if not form.is_valid():
        return _sheet(request, form, status=400)
    try:
        campaign = form.create(now=timezone.now())
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _sheet(request, form, status=400)
    messages.success(request, _("Drafted. Check the audience, then choose when it goes out."))
    return redirect("campaign_page", pk=campaign.pk)


def _sheet(
    request: HttpRequest,
    form: CampaignForm,
    *,
    audience: AudiencePreview | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "form": form,
        "text_bytes": TEXT_BYTES,
        "cannot_count": "preview" in request.POST and audience is None,
        **_audience(audience),
    }
    return render(request, "crm/campaign_new.html", context, status=status)


def _preview(request: HttpRequest, form: CampaignForm) -> HttpResponse:
    """Count the audience; name and words may still be missing."""
    audience = None
    if form.segment_is_sound():
        for field in ("name", "text"):
            form.errors.pop(field, None)
        try:
            audience = audience_preview(form.rule())
        except RuleBroken as error:
            form.add_error(None, str(error))
    if request.headers.get("HX-Request"):
        context = {"form": form, "cannot_count": audience is None, **_audience(audience)}
        return render(request, "crm/parts/_campaign_audience.html", context)
    return _sheet(request, form, audience=audience, status=200 if audience else 400)


def _audience(audience: AudiencePreview | None) -> dict[str, Any]:
    if audience is None:
        return {}
    return {
        "audience": audience,
        "batch_limit": BATCH_LIMIT,
        "explanation": explain_batches(
            audience.reachable, audience.batches, audience.senders, audience.fewest_batches
        ),
    }


@login_required
@require_GET
def campaign_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one campaign: its way, its progress, and what can be done with it now."""
    viewer = _marketer(request)
    return _show(request, viewer, campaign_for(viewer, pk))


def _show(
    request: HttpRequest,
    viewer: Viewer,
    campaign: Campaign,
    *,
    schedule: ScheduleForm | None = None,
    status: int = 200,
) -> HttpResponse:
    before = campaign.planned_at is None
    context: dict[str, Any] = {
        **_progress(campaign),
        "schedule": schedule or ScheduleForm(timezone.now()),
        "is_before": before,
    }
    if not before:
        context |= _recipients(request, viewer, campaign)
    elif "audience" in request.GET:
        context |= _audience(audience_of(campaign, viewer))
    return render(request, "crm/campaign_page.html", context, status=status)


def _recipients(request: HttpRequest, viewer: Viewer, campaign: Campaign) -> dict[str, Any]:
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")
    after = whole_number(request.GET.get("after"))
    rows = recipients_of(viewer, campaign, state=state, reason=reason, after=after)
    page = page_of(rows, RECIPIENTS_SIZE)
    return {
        "recipients": page.rows,
        "last": page.last,
        "after": after,
        "state": state if state in DeliveryState.values else "",
        "reason": reason if reason in DeliveryReason.values else "",
        "delivery_states": DeliveryState.choices,
        "delivery_reasons": [choice for choice in DeliveryReason.choices if choice[0]],
    }


def _progress(campaign: Campaign) -> dict[str, Any]:
    """Everything that moves while the campaign runs."""
    state = CampaignState(campaign.state)
    progress = campaign_progress(campaign)
    in_order = {kind: progress.states.get(kind, 0) for kind in DeliveryState}
    sendable = campaign.recipients or 0
    pace = pace_of(campaign)
    fewest = -(-sendable // BATCH_LIMIT)
    return {
        "campaign": campaign,
        "steps": steps_of(campaign),
        "progress": progress,
        "states": in_order,
        "stand": "-".join(str(count) for count in in_order.values()),
        "cells": progress.batches[:CELLS_SHOWN],
        "more_cells": len(progress.batches) - CELLS_SHOWN,
        "pace": pace,
        "explanation": explain_batches(sendable, len(progress.batches), pace.senders, fewest),
        "unclear": progress.batch_states.get(BatchState.UNCLEAR, 0),
        "refused": [cell for cell in progress.batches if cell.state == BatchState.REFUSED][:5],
        "is_live": state in LIVE,
        "may_pause": CampaignState.PAUSED in CAMPAIGN_MOVES[state],
        "may_resume": state == CampaignState.PAUSED,
        "may_cancel": CampaignState.CANCELLED in CAMPAIGN_MOVES[state],
        "may_unschedule": state == CampaignState.SCHEDULED,
        "may_ask": state in {CampaignState.SENDING, CampaignState.WAITING, CampaignState.PAUSED},
        "may_remind": state == CampaignState.WAITING,
    }


@login_required
@require_GET
def campaign_progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part; when the state has changed since the page, ask for the whole page."""
    campaign = campaign_for(_marketer(request), pk)
    context = _progress(campaign)
    response = render(request, "crm/parts/_campaign_progress.html", context)
    if request.GET.get("stand", context["stand"]) != context["stand"]:
        response["HX-Trigger"] = "campaign-moved"
    if campaign.state != request.GET.get("was", campaign.state):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_GET
def campaign_audience(request: HttpRequest, pk: int) -> HttpResponse:
    """Return whom the campaign would reach if it were planned now."""
    viewer = _marketer(request)
    campaign = campaign_for(viewer, pk)
    context = _audience(audience_of(campaign, viewer))
    return render(request, "crm/parts/_campaign_audience.html", context)


@login_required
@require_POST
def campaign_schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the campaign go out, now or later."""
    viewer = _marketer(request)
    campaign = campaign_for(viewer, pk)
    now = timezone.now()
    form = ScheduleForm(now, request.POST)
    if not form.is_valid():
        return _show(request, viewer, campaign, schedule=form, status=400)
    send_at = form.cleaned_data["send_at"]
    try:
        check_reach(campaign, viewer)
        schedule_campaign(campaign, send_at=send_at, actor=viewer.staff, now=now)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, viewer, campaign, schedule=form, status=400)
    except MovedOn as error:
        return moved_on(request, error, back=_address(campaign))
    messages.success(request, _("Scheduled.") if send_at > now else _("It goes out now."))
    return redirect(_address(campaign))


@login_required
@require_POST
def campaign_unschedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a scheduled campaign a draft again."""
    return _press(request, pk, unschedule_campaign, _("A draft again; nothing goes out."))


@login_required
@require_POST
def campaign_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Make no new call for this campaign from now on."""
    return _press(request, pk, pause_campaign, _("Paused. No further batch is handed over."))


@login_required
@require_POST
def campaign_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on where the campaign was paused."""
    return _press(request, pk, resume_campaign, _("Going on."))


@login_required
@require_POST
def campaign_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing more."""
    return _press(request, pk, cancel_campaign, _("Cancelled. Nothing more goes out."))


@login_required
@require_POST
def campaign_remind(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the senders who have not confirmed once more."""
    viewer = _marketer(request)
    campaign = campaign_for(viewer, pk)
    try:
        batches = remind_campaign(campaign, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
    else:
        said = ngettext("Reminded about %(n)s batch.", "Reminded about %(n)s batches.", batches)
        messages.success(request, said % {"n": batches})
    return redirect(_address(campaign))


@login_required
@require_POST
def campaign_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the channel asked now what has become of the batches."""
    campaign = campaign_for(_marketer(request), pk)
    act = partial(refresh_campaign, campaign, now=timezone.now())
    return press(request, act, done=_("WeCom is being asked."), back=_address(campaign))


def _marketer(request: HttpRequest) -> Viewer:
    viewer = viewer_of(request)
    require(viewer, Role.MARKETER)
    return viewer


def _address(campaign: Campaign) -> str:
    return reverse("campaign_page", args=[campaign.pk])


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = _marketer(request)
    campaign = campaign_for(viewer, pk)
    act = partial(action, campaign, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(campaign))
