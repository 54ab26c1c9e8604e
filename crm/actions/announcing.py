"""Handovers are told of as soon as they are over; the sweeper finds those that end by themselves."""

from datetime import datetime

from django.db import transaction

from campaigns.actions.announcements import announce_handover
from campaigns.models import Campaign
from contacts.actions.handovers import finish_handover
from contacts.doorbell import ring
from contacts.models import Handover, Staff
from crm import tasks
from crm.actions.scheduling import ring_if_due


def finish(handover: Handover, *, actor: Staff | None, now: datetime) -> None:
    """Close a handover, as ``finish_handover`` does, and have its customers told."""
    with transaction.atomic():
        finish_handover(handover, actor=actor, now=now)
        if handover.customer_message:
            ring(tasks.announce_handover, handover.pk)


def announce_due(handover_id: int, *, now: datetime) -> Campaign | None:
    """Announce a handover, as ``announce_handover`` does; by day it is planned at once."""
    with transaction.atomic():
        campaign = announce_handover(handover_id, now=now)
        if campaign:
            ring_if_due(campaign, now)
    return campaign
