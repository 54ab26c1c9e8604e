"""Contents and segments: what is said, and to whom."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from campaigns.actions.contents import create_content, create_segment
from campaigns.channels import LABELS
from campaigns.models import Content, Segment
from campaigns.queries import AudiencePreview, audience_preview
from contacts.enums import Purpose, Role
from crm.access import require
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.shapes.messages import ContentShape, PreviewShape, SegmentShape
from crm.audiences import narrowed

MESSAGE_LENGTH = 4000


class RuleField(serializers.JSONField):
    """``{"all": [{"field": "tag", "op": "any", "value": [3]}, …]}``; the action checks the rest."""


class Contents(Listing, Verb):
    """List the messages of the company."""

    resource = "contents"
    shape = ContentShape
    success = 201

    class Input(StrictInput):
        """A name to find it by, and the text, with placeholders like {guide}."""

        example: ClassVar = {
            "name": "Spring coats",
            "text": "Our spring coats are here. Yours, {guide}",
        }

        name = serializers.CharField(max_length=120)
        text = serializers.CharField(max_length=MESSAGE_LENGTH)

    def rows(self) -> QuerySet[Content]:
        """Return all messages, to those who write them."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return Content.objects.all()

    def act(self, data: dict[str, Any]) -> Content:
        """Write a message."""
        require(self.viewer, Role.MARKETER)
        return create_content(**data, actor=self.actor, now=self.now)


class ContentPage(Reading):
    """Read one message."""

    resource = "contents"
    shape = ContentShape

    def row(self, pk: int) -> Content:
        """Return the message."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return get_object_or_404(Content, pk=pk)


class Segments(Listing, Verb):
    """List the segments of the company."""

    resource = "segments"
    shape = SegmentShape
    success = 201

    class Input(StrictInput):
        """A name, and the rule."""

        example: ClassVar = {
            "name": "Regulars",
            "rule": {"all": [{"field": "tag", "op": "any", "value": [3]}]},
        }

        name = serializers.CharField(max_length=120)
        rule = RuleField()

    def rows(self) -> QuerySet[Segment]:
        """Return all segments, to those who use them."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return Segment.objects.all()

    def act(self, data: dict[str, Any]) -> Segment:
        """Save a segment: a rule over customers.

        Every condition has to hold. Fields and operators: `tag` any, all, none; `store` and
        `owner` in; `gender` is; `last_interaction` within_days, before_days.
        """
        require(self.viewer, Role.MARKETER)
        return create_segment(**data, actor=self.actor, now=self.now)


class SegmentPage(Reading):
    """Read one segment."""

    resource = "segments"
    shape = SegmentShape

    def row(self, pk: int) -> Segment:
        """Return the segment."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return get_object_or_404(Segment, pk=pk)


class Preview(Verb):
    """Preview an audience."""

    resource = "segments"
    shape = PreviewShape

    class Input(StrictInput):
        """The rule, and the channel."""

        example: ClassVar = {"rule": {"all": [{"field": "tag", "op": "any", "value": [3]}]}}

        rule = RuleField()
        channel = serializers.ChoiceField(choices=[*LABELS], default="wecom")
        purpose = serializers.ChoiceField(choices=Purpose.choices, default="campaign")
        skip_if_in_another = serializers.BooleanField(default=False)

    def act(self, data: dict[str, Any]) -> AudiencePreview:
        """Count whom a campaign of yours to this rule would reach now, and whom not and why."""
        require(self.viewer, Role.MARKETER)
        rule = narrowed(data.pop("rule"), self.viewer)
        return audience_preview(rule, **data)
