"""Campaigns to everybody, planned as people plan them."""

from typing import Any

from django.utils import timezone

from campaigns.actions.campaigns import create_campaign, plan_campaign, schedule_campaign
from campaigns.models import Campaign
from tests.builders import make_content, make_segment


def planned(text: str, *, channel: str, **more: Any) -> Campaign:
    """A campaign with these words to all customers, about to be sent."""
    now = timezone.now()
    campaign = create_campaign(
        name="Spring",
        content=make_content(text),
        segment=make_segment(),
        channel=channel,
        actor=None,
        now=now,
        **more,
    )
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign
