"""The buttons of a campaign's page: each does one thing, and returns to the page."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from campaigns.actions.approvals import send_back_campaign
from campaigns.actions.campaigns import (
    cancel_campaign,
    pause_campaign,
    refresh_campaign,
    remind_campaign,
    unschedule_campaign,
)
from campaigns.actions.changes import clone_campaign
from campaigns.actions.unclear import check_unclear, send_again, write_off
from campaigns.models import Campaign
from contacts.enums import Role
from contacts.errors import RuleBroken
from crm.access import campaign_for, viewer_as
from crm.actions.scheduling import approve, resume
from crm.audiences import check_reach
from crm.views.refusals import press

DECISIONS: dict[str, tuple[Callable[..., object], Any]] = {
    "check": (check_unclear, gettext_lazy("The channel is being asked.")),
    "send-again": (send_again, gettext_lazy("What was unclear is sent again.")),
    "write-off": (write_off, gettext_lazy("Written off: it counts as failed.")),
}


@login_required
@require_POST
def campaign_unclear(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Decide about what is unclear: ask the channel, send again, or write off."""
    if verb not in DECISIONS:
        raise Http404
    act, done = DECISIONS[verb]
    return _press(request, pk, act, str(done))


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
    return _press(request, pk, resume, _("Going on."))


@login_required
@require_POST
def campaign_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing more."""
    return _press(request, pk, cancel_campaign, _("Cancelled. Nothing more goes out."))


@login_required
@require_POST
def campaign_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a campaign that waits for approval go out."""
    return _press(request, pk, approve, _("Approved. It goes out at its time."))


@login_required
@require_POST
def campaign_send_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a campaign that waits for approval a draft again, and say why."""
    act = partial(send_back_campaign, reason=request.POST.get("reason", ""))
    return _press(request, pk, act, _("Sent back; its maker is told why."))


@login_required
@require_POST
def campaign_clone(request: HttpRequest, pk: int) -> HttpResponse:
    """Draft another campaign like this one, and open it in the editor."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    try:
        check_reach(campaign, viewer)
        copy = clone_campaign(campaign, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect(_address(campaign))
    return redirect("campaign_edit", pk=copy.pk)


@login_required
@require_POST
def campaign_remind(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the senders who have not confirmed once more."""
    viewer = viewer_as(request, Role.MARKETER)
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
    campaign = campaign_for(viewer_as(request, Role.MARKETER), pk)
    act = partial(refresh_campaign, campaign, now=timezone.now())
    return press(request, act, done=_("WeCom is being asked."), back=_address(campaign))


def _address(campaign: Campaign) -> str:
    return reverse("campaign_page", args=[campaign.pk])


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    act = partial(action, campaign, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(campaign))
