"""The life of a campaign beyond the everyday: approval, times, copies, tests of wordings."""

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from campaigns.actions.approvals import send_back_campaign
from campaigns.actions.campaigns import reschedule_campaign, unschedule_campaign
from campaigns.actions.changes import clone_campaign
from campaigns.actions.experiments import Trial, VariantWords, choose_winner, set_experiment
from campaigns.comparison import MOST_COMPARED, compare_campaigns
from campaigns.enums import WinnerRule
from campaigns.experiments import standing_of
from campaigns.models import Campaign, Experiment
from campaigns.models.experiments import LETTERS, MOST_VARIANTS
from contacts.enums import Role
from crm.access import campaign_for, campaigns_of, require
from crm.actions.scheduling import approve
from crm.api.base import IdsField, Reading, StrictInput, Verb, pick
from crm.api.clocks import TimeInput, shown, wall_of
from crm.api.shapes.lifecycle import ComparisonShape, ExperimentShape, ScheduledShape
from crm.api.views.campaigns import HTML_LENGTH, CampaignVerb
from crm.api.views.messages import MESSAGE_LENGTH


class Reschedule(CampaignVerb):
    """Move a campaign to another time."""

    shape = ScheduledShape

    class Input(TimeInput):
        """When."""

        example: ClassVar = {"local_time": "2026-12-01T10:00", "zone": "Asia/Shanghai"}

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Let a scheduled campaign, or one that waits for approval, go out at another time."""
        wall = wall_of(data)
        if wall is None and "send_at" not in data:
            raise ValidationError({"send_at": [_("Say when.")]})
        send_at = wall.moment if wall else data["send_at"]
        campaign = self.campaign(pk)
        reschedule_campaign(campaign, send_at=send_at, wall=wall, actor=self.actor, now=self.now)
        return shown(self.row(pk), wall)


class Unschedule(CampaignVerb):
    """Take a campaign back."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Make a campaign that is not planned yet a draft again."""
        unschedule_campaign(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Approve(CampaignVerb):
    """Approve a campaign."""

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Let a campaign that waits for approval go out; never your own."""
        approve(self.campaign(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class SendBack(CampaignVerb):
    """Send a campaign back."""

    class Input(StrictInput):
        """Why."""

        example: ClassVar = {"reason": "The link leads to last year's coats."}

        reason = serializers.CharField(max_length=300)

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Make a campaign that waits for approval a draft again, and say why."""
        send_back_campaign(self.campaign(pk), reason=data["reason"], actor=self.actor, now=self.now)
        return self.row(pk)


class Clone(CampaignVerb):
    """Copy a campaign."""

    success = 201

    def act(self, data: dict[str, Any], pk: int) -> Campaign:
        """Draft a campaign with the same words, segment and split."""
        return self.row(clone_campaign(self.campaign(pk), actor=self.actor, now=self.now).pk)


class Compare(Verb):
    """Compare campaigns."""

    resource = "campaigns"
    shape = ComparisonShape

    class Input(StrictInput):
        """Which."""

        example: ClassVar = {"ids": [1]}

        ids = IdsField(min_length=1, max_length=MOST_COMPARED)

    def act(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the figures of up to four campaigns side by side; nothing is kept."""
        require(self.viewer, Role.MARKETER)
        campaigns = pick(campaigns_of(self.viewer), data["ids"], "ids")
        return {"campaigns": compare_campaigns(campaigns)}


def experiment_of(campaign: Campaign) -> dict[str, Any]:
    """Return how the recipients are split, and how the wordings did."""
    kept = Experiment.objects.filter(campaign=campaign).first() or Experiment(campaign=campaign)
    standing = standing_of(campaign)
    return {
        "control_share": kept.control_share,
        "test_share": kept.test_share,
        "winner_rule": kept.winner_rule,
        "winner_after_hours": kept.winner_after_hours,
        "decide_at": kept.decide_at,
        "decided_at": kept.decided_at,
        "winner": None if kept.winner is None else LETTERS[kept.winner].lower(),
        "leader": standing.leader.letter.lower() if standing.leader else None,
        "p_value": standing.p_value,
        "variants": campaign.variants.order_by("number"),
        "figures": standing.variants,
    }


class ExperimentPage(Reading):
    """Read how a campaign's recipients are split, and how the wordings did."""

    resource = "campaigns"
    shape = ExperimentShape

    def row(self, pk: int) -> dict[str, Any]:
        """Return both."""
        return experiment_of(campaign_for(self.viewer, pk))


class VariantInput(StrictInput):
    """One wording, and its part of those who are split in per cent."""

    share = serializers.IntegerField(min_value=1, max_value=99)
    text = serializers.CharField(max_length=MESSAGE_LENGTH)
    subject = serializers.CharField(max_length=200, default="", allow_blank=True)
    html = serializers.CharField(max_length=HTML_LENGTH, default="", allow_blank=True)


class SplitCampaign(Verb):
    """Split a campaign's recipients."""

    resource = "campaigns"
    shape = ExperimentShape

    class Input(StrictInput):
        """Wordings to compare, how the best is found, and who gets nothing.

        Without `test_share` everybody is split among the wordings. With it so many per cent are,
        and the rest gets the winner's words. Without anything nobody is split. `winner_rule` is
        one of which the channel tells: in WeCom `conversion` or `hand`.
        """

        example: ClassVar = {
            "variants": [
                {"share": 50, "text": "Our spring coats are here."},
                {"share": 50, "text": "Spring, in blue and in green."},
            ],
            "test_share": 20,
            "winner_rule": "conversion",
            "winner_after_hours": 24,
            "control_share": 5,
        }

        variants = serializers.ListField(
            child=VariantInput(), default=list, max_length=MOST_VARIANTS
        )
        control_share = serializers.IntegerField(min_value=0, max_value=50, default=0)
        test_share = serializers.IntegerField(min_value=1, max_value=99, required=False)
        winner_rule = serializers.ChoiceField(
            choices=WinnerRule.choices, default="", allow_blank=True
        )
        winner_after_hours = serializers.IntegerField(min_value=1, max_value=720, required=False)

    def row(self, pk: int) -> dict[str, Any]:
        """Return how the recipients are split."""
        return experiment_of(campaign_for(self.viewer, pk))

    def fresh(self) -> Any:
        """Return the split as it is now, for somebody who came too late."""
        return self.show(self.row(**self.kwargs))

    def act(self, data: dict[str, Any], pk: int) -> dict[str, Any]:
        """Split the recipients of a campaign that is not planned yet; it is a draft again."""
        require(self.viewer, Role.MARKETER)
        campaign = campaign_for(self.viewer, pk)
        words = [VariantWords(**variant) for variant in data.pop("variants")]
        set_experiment(campaign, Trial(variants=words, **data), actor=self.actor, now=self.now)
        return self.row(pk)


class ChooseWinner(SplitCampaign):
    """Choose the winner."""

    class Input(StrictInput):
        """Which."""

        example: ClassVar = {"variant": "a"}

        variant = serializers.ChoiceField(choices=[letter.lower() for letter in LETTERS])

    def act(self, data: dict[str, Any], pk: int) -> dict[str, Any]:
        """Send the rest the words of one variant, now."""
        require(self.viewer, Role.MARKETER)
        number = LETTERS.lower().index(data["variant"])
        choose_winner(campaign_for(self.viewer, pk), number, actor=self.actor, now=self.now)
        return self.row(pk)
