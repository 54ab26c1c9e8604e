"""What is done to a campaign on its way: schedule, pause, try out, remind, settle what is unclear."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from campaigns.actions.campaigns import (
    cancel_campaign,
    pause_campaign,
    refresh_campaign,
    remind_campaign,
)
from campaigns.actions.trial_sends import send_trial
from campaigns.actions.unclear import check_unclear, send_again, write_off
from campaigns.attachments import check_for_channel
from campaigns.channels import abilities_of
from campaigns.models import Campaign, Variant
from campaigns.models.experiments import LETTERS
from campaigns.previews import Preview, preview_for, words_of
from contacts.enums import Role
from crm.access import campaign_for, require
from crm.actions.scheduling import resume, schedule
from crm.api.base import IdField, StrictInput, Verb
from crm.api.clocks import TimeInput, shown, wall_of
from crm.api.shapes.lifecycle import ScheduledShape
from crm.api.shapes.messages import (
    MessagePreviewShape,
    RemindedShape,
)
from crm.api.views.campaigns import CampaignVerb
from crm.api.views.messages import customer_named


class Schedule(CampaignVerb):
    """Schedule a campaign."""

    shape = ScheduledShape

    class Input(TimeInput):
        """When: a moment, or what a clock shows in a zone; without either, at once."""

        example: ClassVar = {"local_time": "2026-12-01T10:00", "zone": "Asia/Shanghai"}

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Let a draft go out at a time; a moment that has passed means at once.

        With more recipients than the company allows one person alone it waits for approval.
        """
        campaign, wall = self.campaign(pk), wall_of(data)
        send_at = data.get("send_at", self.now)
        schedule(campaign, self.viewer, send_at=send_at, wall=wall, now=self.now)
        return shown(self.row(pk), wall)


class Pause(CampaignVerb):
    """Pause a campaign."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Make no new call to the channel for this campaign from now on."""
        pause_campaign(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Resume(CampaignVerb):
    """Resume a campaign."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Go on where a campaign was paused."""
        resume(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Cancel(CampaignVerb):
    """Cancel a campaign."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Send nothing more, and withdraw what staff have not confirmed yet."""
        cancel_campaign(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class TestSend(Verb):
    """Send a campaign to yourself."""

    resource = "campaigns"
    shape = MessagePreviewShape
    calls_outside = True

    class Input(StrictInput):
        """As which customer gets it, and in which wording; without, nobody's and the first."""

        example: ClassVar = {"variant": "a"}

        customer = IdField(required=False)
        variant = serializers.ChoiceField(
            choices=[letter.lower() for letter in LETTERS], required=False
        )

    def act(self, data: dict[str, Any], pk: int) -> Preview:
        """Send it to your own address in the channel, at most twenty an hour; nobody is counted.

        Of a campaign that is planned it is the words that it goes out with.
        """
        require(self.viewer, Role.MARKETER)
        campaign = campaign_for(self.viewer, pk)
        words = words_of(campaign, self._variant(campaign, data))
        abilities = abilities_of(campaign.channel)
        check_for_channel(words.attachments, abilities)
        preview = preview_for(
            customer_named(self.viewer, data), words, personal=abilities.personal_text, is_test=True
        )
        send_trial(preview, channel=campaign.channel, to=self.actor, now=self.now)
        return preview

    def _variant(self, campaign: Campaign, data: dict[str, Any]) -> Variant | None:
        if "variant" not in data:
            return campaign.variants.order_by("number").first()
        number = LETTERS.lower().index(data["variant"])
        variant: Variant | None = campaign.variants.filter(number=number).first()
        if variant is None:
            raise ValidationError({"variant": [_("This campaign has no such wording.")]})
        return variant


class Remind(CampaignVerb):
    """Remind senders."""

    shape = RemindedShape
    calls_outside = True

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Ask every sender who has not confirmed once more; at most three times in 24 hours."""
        reminded = remind_campaign(self.campaign(pk), actor=self.actor, now=self.now)
        campaign = self.row(pk)
        campaign.reminded = reminded  # type: ignore[attr-defined]  # shown once, stored nowhere
        return campaign


class Refresh(CampaignVerb):
    """Ask the channel."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Have the channel asked now what has become of a campaign's batches."""
        refresh_campaign(self.campaign(pk), now=self.now)
        return self.row(pk)


class Check(CampaignVerb):
    """Ask about what is unclear."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Have the channel asked now about what is unclear, where it can be asked."""
        check_unclear(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class SendAgain(CampaignVerb):
    """Send again what is unclear."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Send once more what is unclear, at the risk of reaching people twice."""
        send_again(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class WriteOff(CampaignVerb):
    """Write off what is unclear."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Give up what is unclear: it counts as failed."""
        write_off(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)
