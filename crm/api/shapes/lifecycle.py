"""Shapes of scheduling, tests of wordings, comparisons and series."""

from typing import Any

from rest_framework import serializers

from campaigns.comparison import ComparedCampaign
from campaigns.experiments import VariantFigures
from campaigns.models import Series, SeriesRun, Variant
from contacts.saying import read_text
from crm.api.shapes.messages import CampaignShape
from crm.api.shapes.people import StaffRef


class ScheduledShape(CampaignShape):
    """A campaign that was given a time."""

    moved_to = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        format="%Y-%m-%dT%H:%M:%S",
        default_timezone=None,
        help_text="What the clock will show, if it never shows the time asked for: clocks skip"
        " an hour in spring.",
    )

    class Meta(CampaignShape.Meta):
        fields = (*CampaignShape.Meta.fields, "moved_to")
        read_only_fields = fields


class VariantShape(serializers.ModelSerializer[Variant]):
    """One wording."""

    variant = serializers.SerializerMethodField()

    class Meta:
        model = Variant
        fields = ("variant", "share", "subject", "text", "html")
        read_only_fields = fields

    def get_variant(self, row: Variant) -> str:
        """Return its letter."""
        return row.letter.lower()


class VariantFiguresShape(serializers.Serializer[VariantFigures]):
    """How one wording did among those it was tried on."""

    variant = serializers.SerializerMethodField()
    recipients = serializers.IntegerField()
    reached = serializers.IntegerField()
    read = serializers.IntegerField()
    clicked = serializers.IntegerField()
    replied = serializers.IntegerField()
    converted = serializers.IntegerField()

    def get_variant(self, row: VariantFigures) -> str:
        """Return its letter."""
        return row.letter.lower()


class ExperimentShape(serializers.Serializer[Any]):
    """How a campaign's recipients are split, and how the wordings did."""

    control_share = serializers.IntegerField()
    test_share = serializers.IntegerField(allow_null=True)
    winner_rule = serializers.CharField()
    winner_after_hours = serializers.IntegerField(allow_null=True)
    decide_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    winner = serializers.CharField(allow_null=True)
    leader = serializers.CharField(allow_null=True, help_text="The variant ahead, if one is.")
    p_value = serializers.FloatField(
        allow_null=True, help_text="How likely the difference is by chance alone."
    )
    variants = VariantShape(many=True)
    figures = VariantFiguresShape(many=True)


class ComparedShape(serializers.Serializer[ComparedCampaign]):
    """The figures of one campaign among others; what its channel does not tell is null."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="campaign.name")
    state = serializers.CharField(source="campaign.state")
    total = serializers.IntegerField()
    reached = serializers.IntegerField()
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField()
    control = serializers.IntegerField()
    unclear = serializers.IntegerField()
    opened = serializers.IntegerField(allow_null=True)
    clicked = serializers.IntegerField(allow_null=True)
    replied = serializers.IntegerField(allow_null=True)
    opted_out = serializers.IntegerField(allow_null=True)
    converted = serializers.IntegerField()


class ComparisonShape(serializers.Serializer[Any]):
    """Campaigns side by side."""

    campaigns = ComparedShape(many=True)


class SeriesShape(serializers.ModelSerializer[Series]):
    """A message that goes out again and again; each run makes a campaign."""

    created_by = StaffRef(read_only=True, allow_null=True)
    rule = serializers.DictField(read_only=True)

    class Meta:
        model = Series
        fields = (
            "id", "name", "content", "segment", "channel", "purpose", "subject", "html", "kind",
            "rule", "zone", "at_time", "starts_on", "until", "skip_if_in_another", "track_clicks",
            "track_opens", "conversion_days", "send_for_hours", "control_share", "state", "state_at", "next_run_at",
            "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class SeriesRunShape(serializers.ModelSerializer[SeriesRun]):
    """One moment at which a series was due, and what came of it."""

    why = serializers.SerializerMethodField(
        help_text="Why it was refused, in the language of the request; else empty."
    )

    def get_why(self, run: SeriesRun) -> str:
        """Say it."""
        return read_text(run.why)

    class Meta:
        model = SeriesRun
        fields = ("id", "run_at", "state", "why", "campaign")
        read_only_fields = fields
