"""The end of the time in which a campaign may be sent."""

from datetime import datetime

from django.db import transaction

from campaigns.actions.campaigns import advance_campaign
from campaigns.actions.stopping import stop_waiting
from campaigns.enums import CampaignState, DeliveryReason
from campaigns.models import Batch, Campaign

LIVE = [CampaignState.PLANNED, CampaignState.SENDING, CampaignState.WAITING, CampaignState.PAUSED]


def end_missed(campaign_id: int, *, now: datetime) -> bool:
    """Mark what has not gone out by ``send_until`` as missed; returns whether there was any.

    What is in a call is written down when the call returns, and the rest of its batch then.
    """
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().filter(
            pk=campaign_id, send_until__lte=now, state__in=LIVE
        )
        if not campaign.exists():
            return False
        missed = stop_waiting(
            Batch.objects.filter(campaign=campaign_id), DeliveryReason.MISSED, now=now
        )
    advance_campaign(campaign_id, now=now)
    return bool(missed)
