"""Campaigns go out as long as whoever scheduled them may reach their customers."""

from datetime import datetime

from campaigns.actions.approvals import approve_campaign
from campaigns.actions.campaigns import (
    plan_campaign,
    resume_campaign,
    schedule_by_the_clock,
    schedule_campaign,
)
from campaigns.calendar import WallTime
from campaigns.enums import CampaignState
from campaigns.models import Campaign
from contacts.doorbell import ring
from contacts.errors import RuleBroken
from contacts.models import Staff
from contacts.saying import gettext as _
from crm import tasks
from crm.access import Viewer
from crm.audiences import check_reach, why_not_to_all


def schedule(
    campaign: Campaign,
    viewer: Viewer,
    *,
    send_at: datetime,
    now: datetime,
    wall: WallTime | None = None,
) -> None:
    """Let a draft go out to people within one's own scope; whoever schedules it answers for it.

    Raises as ``check_reach`` and ``schedule_campaign`` do.
    """
    check_reach(campaign, viewer)
    if wall:
        schedule_by_the_clock(campaign, wall, actor=viewer.staff, now=now)
    else:
        schedule_campaign(campaign, send_at=send_at, actor=viewer.staff, now=now)
    ring_if_due(campaign, now)


def approve(campaign: Campaign, *, actor: Staff, now: datetime) -> None:
    """Approve a campaign; if its time has passed, it goes out at once."""
    approve_campaign(campaign, actor=actor, now=now)
    ring_if_due(campaign, now)


def resume(campaign: Campaign, *, actor: Staff, now: datetime) -> None:
    """Go on with a paused campaign; one whose time has passed meanwhile begins at once."""
    resume_campaign(campaign, actor=actor, now=now)
    ring_if_due(campaign, now)


def plan_due(campaign_id: int, *, now: datetime) -> bool:
    """Plan a campaign whose time has come; returns whether it was this worker's to do.

    Roles and stores change. If whoever scheduled it may not send to its customers any more, it is
    a draft again, and those who may schedule it are told.
    """
    return plan_campaign(campaign_id, now=now, check=_check_scheduler)


def _check_scheduler(campaign: Campaign) -> None:
    """Whom a handover announces was decided with the handover."""
    answers = campaign.scheduled_by or campaign.created_by
    if campaign.segment is None or answers is None:  # no person planned it, but a programme of ours
        return
    if why := why_not_to_all(campaign.segment, answers):
        raise RuleBroken(
            _("%(why)s Somebody who may send to all of it has to schedule it again.") % {"why": why}
        )


def ring_if_due(campaign: Campaign, now: datetime) -> None:
    """Have a campaign planned at once if it is scheduled and its time has come."""
    is_scheduled = campaign.state == CampaignState.SCHEDULED and campaign.planned_at is None
    if is_scheduled and campaign.send_at and campaign.send_at <= now:
        ring(tasks.plan_campaign, campaign.pk)
