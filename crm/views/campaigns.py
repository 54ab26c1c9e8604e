"""Campaigns: the list, and the page on which one is scheduled and watched.

Its other buttons: ``campaign_verbs``.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from campaigns.actions.unclear import may_go_again
from campaigns.approval import may_approve
from campaigns.channels import LABELS, abilities_of, available_channels, is_direct
from campaigns.comparison import MOST_COMPARED
from campaigns.enums import CAMPAIGN_MOVES, BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Campaign, CampaignDraft
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.queries import DeliveryCount, delivery_counts
from connectors.base import Recovery
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, batches_of, campaign_for, campaigns_of, viewer_as
from crm.actions.scheduling import schedule
from crm.audiences import audience_of
from crm.campaign_queries import (
    NOT_GOT,
    explain_batches,
    recipients_of,
    steps_of,
    why_given_back,
    with_bars,
    words_of_schedule,
)
from crm.campaign_watch import (
    ADVICE,
    ERRORS_SHOWN,
    LIVE,
    Batches,
    refused_of,
    resting,
    senders_of,
    waited_for,
    watch_batches,
)
from crm.forms.schedule import ScheduleForm
from crm.paging import page_of, search_words, whole_number
from crm.views.audience_counts import audience_context
from crm.views.campaign_experiments import results_of
from crm.views.refusals import moved_on

LIST_SIZE = 25
RECIPIENTS_SIZE = 25
BATCHES_SIZE = 50
WAITED_SHOWN = 20


@login_required
@require_GET
def campaign_list(request: HttpRequest) -> HttpResponse:
    """List campaigns, newest first, by state, channel, author and words; how far each one got."""
    viewer = viewer_as(request, Role.MARKETER)
    state, channel = request.GET.get("state", ""), request.GET.get("channel", "")
    words, mine = search_words(request.GET.get("q")), bool(request.GET.get("mine"))
    found = campaigns_of(viewer).select_related("segment", "handover__from_staff", "created_by")
    if state in CampaignState.values:
        found = found.filter(state=state)
    if channel in LABELS:
        found = found.filter(channel=channel)
    if mine:
        found = found.filter(created_by=viewer.staff)
    if words:
        found = found.filter(name__icontains=words)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), LIST_SIZE)
    context = {
        "rows": with_bars(page.rows),
        "last": page.last,
        "has_results": any(row.planned_at for row in page.rows),
        "most_compared": MOST_COMPARED,
        "state": state,
        "channel": channel,
        "mine": mine,
        "words": words,
        "is_filtered": bool(state or channel or mine or words),
        "states": CampaignState.choices,
        "channels": LABELS.items(),
        "unfinished": CampaignDraft.objects.filter(staff=viewer.staff, campaign=None).first(),
    }
    return render(request, "crm/campaign_list.html", context)


@login_required
@require_GET
def campaign_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one campaign: its way, its progress, and what can be done with it now."""
    viewer = viewer_as(request, Role.MARKETER)
    return _show(request, viewer, campaign_for(viewer, pk))


def _show(
    request: HttpRequest,
    viewer: Viewer,
    campaign: Campaign,
    *,
    typed: ScheduleForm | None = None,
    status: int = 200,
) -> HttpResponse:
    before = campaign.planned_at is None
    context: dict[str, Any] = {
        **_progress(campaign),
        "is_before": before,
        "may_approve": campaign.state == CampaignState.REVIEW
        and may_approve(campaign, viewer.staff),
        **results_of(campaign, viewer),
    }
    if not before:
        context |= _recipients(request, viewer, campaign)
    if campaign.state == CampaignState.DRAFT:
        context["schedule"] = typed or ScheduleForm(timezone.now())
        context["why_back"] = why_given_back([campaign]).get(campaign.pk, "")
    if before and "audience" in request.GET:
        context |= audience_context(audience_of(campaign, viewer), campaign.channel)
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
        "state": state if state in {*DeliveryState.values, NOT_GOT} else "",
        "reason": reason if reason in DeliveryReason.values else "",
        "delivery_states": [*DeliveryState.choices, (NOT_GOT, _("did not get it"))],
        "delivery_reasons": [choice for choice in DeliveryReason.choices if choice[0]],
    }


def _progress(campaign: Campaign) -> dict[str, Any]:
    """Everything that moves while the campaign runs; from tallies, however many recipients."""
    state = CampaignState(campaign.state)
    now = timezone.now()
    counts = delivery_counts(campaign)
    in_order = dict.fromkeys(DeliveryState, 0)
    for kind, _reason, count in counts:
        in_order[kind] += count
    batches = watch_batches(campaign, counts, now=now)
    sendable = campaign.recipients or 0
    one_call_a_sender = not is_direct(campaign.channel)
    is_asked = one_call_a_sender or campaign.channel in available_channels()
    return {
        "campaign": campaign,
        "channel_label": LABELS.get(campaign.channel, campaign.channel),
        "is_wecom": one_call_a_sender,
        "steps": steps_of(campaign),
        "states": in_order,
        "total": sum(in_order.values()),
        "reasons": [
            (kind, reason, count, ADVICE.get(reason, ""))
            for kind, reason, count in counts
            if reason
        ],
        "stand": "-".join(str(count) for count in in_order.values()),
        "batches": batches,
        "pace": batches.pace,
        "explanation": explain_batches(
            sendable, batches.total, senders_of(campaign), -(-sendable // BATCH_LIMIT)
        )
        if one_call_a_sender
        else "",
        "unclear": batches.states.get(BatchState.UNCLEAR, 0),
        "may_check": is_asked and _may_be_asked(campaign.channel),
        "refused": refused_of(campaign, limit=ERRORS_SHOWN)
        if _was_refused(batches, counts)
        else [],
        "waited": waited_for(campaign, limit=WAITED_SHOWN)
        if one_call_a_sender and BatchState.HANDED in batches.states
        else [],
        "rest": resting(campaign.channel, now=now) if state in LIVE else None,
        "is_live": state in LIVE,
        "may_clone": campaign.segment_id is not None,
        "may_edit": state == CampaignState.DRAFT and not campaign.handover_id,
        "may_pause": CampaignState.PAUSED in CAMPAIGN_MOVES[state],
        "may_resume": state == CampaignState.PAUSED,
        "may_cancel": CampaignState.CANCELLED in CAMPAIGN_MOVES[state],
        "may_unschedule": state in {CampaignState.SCHEDULED, CampaignState.REVIEW},
        "may_ask": one_call_a_sender
        and state in {CampaignState.SENDING, CampaignState.WAITING, CampaignState.PAUSED},
        "may_remind": one_call_a_sender and state == CampaignState.WAITING,
        "may_send_again": may_go_again(campaign, now=now),
    }


def _was_refused(batches: Batches, counts: list[DeliveryCount]) -> bool:
    """Whether the channel has refused a batch, or a letter."""
    refused = DeliveryReason.CHANNEL_ERROR
    return BatchState.REFUSED in batches.states or any(row[1] == refused for row in counts)


def _may_be_asked(channel: str) -> bool:
    return abilities_of(channel).recovery is Recovery.ASKABLE


@login_required
@require_GET
def campaign_batches(request: HttpRequest, pk: int) -> HttpResponse:
    """List the batches of a campaign page by page, of one state if asked."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    state = request.GET.get("state", "")
    found = batches_of(viewer).filter(campaign=campaign).select_related("sender")
    if state in BatchState.values:
        found = found.filter(state=state)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(seq__gt=after)
    page = page_of(found.order_by("seq"), BATCHES_SIZE)
    context = {
        "campaign": campaign,
        "rows": page.rows,
        "last": page.last,
        "state": state,
        "states": BatchState.choices,
    }
    return render(request, "crm/campaign_batches.html", context)


@login_required
@require_GET
def campaign_progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part; when the state has changed since the page, ask for the whole page."""
    campaign = campaign_for(viewer_as(request, Role.MARKETER), pk)
    context = _progress(campaign)
    response = render(request, "crm/parts/_campaign_progress.html", context)
    if request.GET.get("stand", context["stand"]) != context["stand"]:
        response["HX-Trigger"] = "campaign-moved"
    if campaign.state != request.GET.get("was", campaign.state):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_GET
def campaign_recipient_rows(request: HttpRequest, pk: int) -> HttpResponse:
    """Return a page of the recipients alone, for a campaign that moves while somebody looks."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    is_live = campaign.state in LIVE
    context = {"campaign": campaign, "is_live": is_live, **_recipients(request, viewer, campaign)}
    return render(request, "crm/parts/_campaign_recipient_rows.html", context)


@login_required
@require_GET
def campaign_audience(request: HttpRequest, pk: int) -> HttpResponse:
    """Return whom the campaign would reach if it were planned now."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    context = audience_context(audience_of(campaign, viewer), campaign.channel)
    return render(request, "crm/parts/_campaign_audience.html", context)


@login_required
@require_POST
def campaign_schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the campaign go out, now or later."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    now = timezone.now()
    form = ScheduleForm(now, request.POST)
    if not form.is_valid():
        return _show(request, viewer, campaign, typed=form, status=400)
    send_at = form.cleaned_data["send_at"]
    try:
        schedule(campaign, viewer, send_at=send_at, wall=form.wall, now=now)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, viewer, campaign, typed=form, status=400)
    except MovedOn as error:
        return moved_on(request, error, back=_address(campaign))
    messages.success(request, words_of_schedule(campaign, is_later=send_at > now))
    if form.moved_to:
        messages.warning(request, form.moved_to)
    return redirect(_address(campaign))


def _address(campaign: Campaign) -> str:
    return reverse("campaign_page", args=[campaign.pk])
