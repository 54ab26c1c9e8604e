"""Writing a drafted campaign anew from the editor, unless somebody else was faster."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.wordings import Wording, check_sendable
from campaigns.enums import CampaignState
from campaigns.experiments import split_of
from campaigns.models import Campaign, Content, Segment
from contacts.actions.history import record
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff


def base_of(campaign: Campaign) -> dict[str, Any]:
    """Return what tells whether somebody else has changed a drafted campaign meanwhile."""
    return {
        "name": campaign.name,
        "content": campaign.content_id,
        "segment": campaign.segment_id,
        "channel": campaign.channel,
        "subject": campaign.subject,
        "html": campaign.html,
        "purpose": campaign.purpose,
        "skip_if_in_another": campaign.skip_if_in_another,
        "send_until": campaign.send_until.isoformat() if campaign.send_until else None,
        "track_clicks": campaign.track_clicks,
        "track_opens": campaign.track_opens,
        "conversion_days": campaign.conversion_days,
        "split": _digest(split_of(campaign)),
    }


def is_still(campaign: Campaign, base: Mapping[str, Any]) -> bool:
    """Whether the campaign is what ``base`` tells of; what an older base does not tell is as it is."""
    current = base_of(campaign)
    return current | dict(base) == current


def _digest(split: Mapping[str, Any]) -> str:
    told = json.dumps(split, sort_keys=True) if split else ""
    return told and hashlib.sha256(told.encode()).hexdigest()


def rewrite_campaign(
    campaign: Campaign,
    *,
    base: Mapping[str, Any],
    name: str,
    content: Content,
    segment: Segment,
    channel: str,
    wording: Wording,
    send_until: datetime | None,
    purpose: str,
    skip_if_in_another: bool,
    actor: Staff | None,
    now: datetime,
) -> Campaign:
    """Change a draft. Raises ``RuleBroken`` if it could not be sent like this.

    Raises ``MovedOn`` if it is no draft any more, or not the one that ``base`` tells of.
    """
    check_sendable(content, segment, channel, wording)
    if send_until and send_until <= now:
        raise RuleBroken(_("The time until which it may be sent has passed."))
    with transaction.atomic():
        found = Campaign.objects.select_for_update().get(pk=campaign.pk)
        if found.state != CampaignState.DRAFT or found.handover_id:
            raise MovedOn(_("This campaign is no draft any more. Make it a draft to change it."))
        if not is_still(found, base):
            raise MovedOn(
                _("Somebody else has changed this campaign since you began. Start from theirs.")
            )
        found.name = name.strip()[:120]
        found.content, found.segment, found.channel = content, segment, channel
        found.subject, found.html = wording.subject.strip(), wording.html
        found.send_until, found.purpose = send_until, purpose
        found.skip_if_in_another = skip_if_in_another
        found.save(update_fields=[*_CHANGED])
        record(found, "campaign.changed", actor=actor, at=now)
    return found


_CHANGED = (
    "name",
    "content",
    "segment",
    "channel",
    "subject",
    "html",
    "send_until",
    "purpose",
    "skip_if_in_another",
)
