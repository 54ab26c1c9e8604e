"""Shapes of segments, of what their rules may ask for, and of previews."""

from typing import Any

from rest_framework import serializers

from campaigns.models import Segment
from campaigns.segments import Field, Operator
from crm.api.shapes.people import CustomerRef, StaffRef


class SegmentShape(serializers.ModelSerializer[Segment]):
    """A saved rule over customers, or a static list of them."""

    rule = serializers.DictField(read_only=True)
    created_by = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = Segment
        fields = (
            "id", "name", "rule", "is_static", "shared", "created_by", "created_at", "changed_at",
        )  # fmt: skip
        read_only_fields = fields


class SegmentPreviewShape(serializers.Serializer[dict[str, Any]]):
    """Whom a rule describes, whom a campaign would reach at this moment, and whom not and why."""

    customers = serializers.IntegerField()
    is_exact = serializers.BooleanField()
    sample = CustomerRef(many=True, allow_null=True, help_text="Some of them that you see.")
    reachable = serializers.IntegerField(source="audience.reachable", allow_null=True)
    batches = serializers.IntegerField(source="audience.batches", allow_null=True)
    senders = serializers.IntegerField(source="audience.senders", allow_null=True)
    skipped = serializers.DictField(
        child=serializers.IntegerField(),
        source="audience.skipped",
        allow_null=True,
        help_text="By reason.",
    )
    over_quota = serializers.IntegerField(source="audience.over_quota", allow_null=True)
    later = serializers.IntegerField(source="audience.later", allow_null=True)
    missing = serializers.ListField(
        child=serializers.ChoiceField(choices=["sample", "audience"]),
        help_text=(
            "What took too long and is null: the sample, or the audience, which is all from"
            " reachable to later."
        ),
    )


class OperatorShape(serializers.Serializer[Operator]):
    """One way to ask."""

    name = serializers.CharField()
    kind = serializers.CharField(help_text="What the value looks like.")
    choices = serializers.SerializerMethodField(help_text="The words to choose from, if any.")

    def get_choices(self, operator: Operator) -> list[str]:
        """Return the words."""
        return [word for word, _label in operator.choices]


class FieldShape(serializers.Serializer[Field]):
    """One thing that is known of customers."""

    name = serializers.CharField()
    operators = OperatorShape(many=True)
