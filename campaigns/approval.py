"""Which campaigns a second person has to approve, and who may."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db.models import QuerySet

from campaigns.audience import preview_campaign
from campaigns.models import Campaign, Experiment
from campaigns.restraint import company_rules
from contacts.enums import Role, Scope, StaffState
from contacts.models import Staff

GROWTH = 1.1
"""An approval holds for so many times the recipients that it was asked for."""


def needs_approval(recipients: int) -> bool:
    """Whether a campaign to so many recipients needs a second person."""
    limit = company_rules().approval_above
    return limit is not None and (limit == 0 or recipients > limit)


def recipients_to_ask_about(campaign: Campaign, *, send_at: datetime) -> int | None:
    """Return how many a campaign would reach at that time if so many need approval, else ``None``.

    What a handover announces was decided with the handover. Raises ``RuleBroken``.
    """
    if campaign.segment_id is None or company_rules().approval_above is None:
        return None
    reachable = preview_campaign(campaign, send_at=send_at).reachable
    return reachable if needs_approval(reachable) else None


def outgrown(campaign: Campaign, recipients: int) -> str:
    """Say why so many recipients, at planning, are not what was approved; empty if they are."""
    if campaign.segment_id is None or not needs_approval(recipients):
        return ""
    if campaign.approved_by_id is None:
        return "grown"
    if recipients > (campaign.asked_recipients or 0) * GROWTH:
        return "grown"
    return "" if campaign.asked_digest == digest_of(campaign) else "changed"


def digest_of(campaign: Campaign) -> str:
    """Return a fingerprint of what is said, to whom and how: all that an approval is about."""
    content, segment = campaign.content, campaign.segment
    experiment = Experiment.objects.filter(campaign=campaign).first()
    what: list[Any] = [
        campaign.words,
        content.attachments if content else campaign.attachments,
        campaign.subject,
        campaign.html,
        campaign.channel,
        campaign.purpose,
        segment.rule if segment else None,
        [experiment.control_share, experiment.test_share] if experiment else None,
        list(
            campaign.variants.order_by("number").values_list(
                "number", "share", "subject", "text", "html"
            )
        ),
    ]
    return sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def approvers() -> QuerySet[Staff]:
    """Return who may approve: marketers and administrators of the whole company, at work."""
    return Staff.objects.filter(
        state__in=[StaffState.ACTIVE, StaffState.LEAVING],
        roles__role__in=[Role.MARKETER, Role.ADMINISTRATOR],
        roles__scope=Scope.COMPANY,
    ).distinct()


def may_approve(campaign: Campaign, staff: Staff) -> bool:
    """Whether this person may: an approver who neither made nor scheduled it."""
    own = {campaign.created_by_id, campaign.scheduled_by_id}
    return staff.pk not in own and approvers().filter(pk=staff.pk).exists()
