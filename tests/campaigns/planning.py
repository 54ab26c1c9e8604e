"""Campaigns to everybody, planned as people plan them, or frozen by themselves."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from campaigns.actions.campaigns import create_campaign, plan_campaign, schedule_campaign
from campaigns.actions.letters import Turn
from campaigns.audience import freeze_audience
from campaigns.channels import direct_connector
from campaigns.enums import CampaignState
from campaigns.models import Campaign, Delivery
from connectors.base import Answer, Letter, Outcome
from tests.builders import make_campaign, make_content, make_segment


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


def frozen(channel: str, *, now: datetime | None = None, **fields: Any) -> Campaign:
    """A campaign to all customers whose audience is frozen, and nothing else done."""
    now = now or timezone.now()
    campaign = make_campaign("Spring", channel=channel, **fields)
    with transaction.atomic():
        freeze_audience(campaign, now=now)
    rows = Delivery.objects.filter(campaign=campaign)
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.PLANNED,
        planned_at=now,
        recipients=rows.exclude(batch=None).count(),
        skipped=rows.filter(batch=None).count(),
    )
    campaign.refresh_from_db()
    return campaign


def fates(campaign: Campaign) -> list[tuple[str, str]]:
    """What has become of each recipient and why, in the order of the customers."""
    rows = Delivery.objects.filter(campaign=campaign).order_by("customer_id")
    return list(rows.values_list("state", "reason"))


class Hand:
    """A worker that sends letters one by one, so that a test can act between two of them."""

    def __init__(self, campaign: Campaign) -> None:
        self.turn = Turn(campaign, direct_connector(campaign.channel), end=float("inf"))
        self.letters = self.turn._letters()

    def take(self) -> Letter:
        """Draw the next letter; it is on its way until the channel answers."""
        letter = next(self.letters)
        assert letter is not None
        return letter

    def hear(self, letter: Letter, outcome: Outcome, **more: Any) -> None:
        """Write down what the channel answers."""
        self.turn._hear(Answer(letter.key, outcome, **more))
        self.turn._write()

    def go_on(self) -> None:
        """Send all that is left, and let go of the batch."""
        for letter in filter(None, self.letters):
            self.turn._hear(Answer(letter.key, Outcome.TAKEN))
        self.turn._write()
        self.turn._give_back()

    def wait(self) -> None:
        """Let so much time pass that the worker asks anew who may get it."""
        self.turn._looked_at = 0.0
