"""Sending batch after batch, for a while: what one worker does when the doorbell rings."""

from datetime import timedelta

from django.utils import timezone

from campaigns.actions.batches import claim_batch, send_batch
from campaigns.actions.campaigns import advance_campaign
from campaigns.actions.letters import pump_letters
from campaigns.actions.missed import end_missed
from campaigns.channels import is_direct
from campaigns.models import Campaign

TURN = timedelta(seconds=30)
"""A turn stays far below the broker's visibility timeout; the doorbell rings again for more."""


def pump_campaign(campaign_id: int) -> bool:
    """Send waiting batches until none is left or the turn is over; returns whether some are left.

    Every batch gets the time of its own claim: leases run on the clock, not on the turn.
    """
    campaign = Campaign.objects.get(pk=campaign_id)
    end_missed(campaign_id, now=timezone.now())
    if is_direct(campaign.channel):
        return pump_letters(campaign)
    end = timezone.now() + TURN
    while (now := timezone.now()) < end:
        batch = claim_batch(campaign_id, now=now)
        if batch is None:
            advance_campaign(campaign_id, now=now)
            return False
        send_batch(batch, now=now)
    return True
