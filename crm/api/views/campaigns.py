"""Campaigns: the list, one of them, its audience and its progress."""

from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.campaigns import (
    Tracking,
    create_campaign,
)
from campaigns.actions.changes import change_campaign
from campaigns.actions.contents import create_content
from campaigns.actions.segments import create_segment
from campaigns.actions.wordings import Wording
from campaigns.channels import LABELS
from campaigns.enums import CampaignState
from campaigns.models import Campaign, Content, Segment
from campaigns.models.campaigns import MOST_CONVERSION_DAYS, USUAL_CONVERSION_DAYS
from campaigns.queries import AudiencePreview
from contacts.enums import Purpose, Role
from crm.access import campaign_for, campaigns_of, require, segments_of
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.inputs import MomentField
from crm.api.shapes.messages import (
    CampaignProgressShape,
    CampaignShape,
    PreviewShape,
)
from crm.api.views.messages import MESSAGE_LENGTH, AttachmentsField
from crm.api.views.segments import RuleField
from crm.audiences import (
    audience_of,
    check_segment_reach,
    free_segment_name,
    is_within_reach,
    narrowed,
)
from crm.campaign_watch import Watched, watch

HTML_LENGTH = 100_000
WRITTEN = frozenset({"text", "attachments"})
"""What is written in place of naming a content."""


class CampaignFilters(django_filters.FilterSet):
    """How campaigns can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=CampaignState.choices)
    segment = IdFilter()
    channel = django_filters.ChoiceFilter(choices=[*LABELS.items()])
    created_by = IdFilter()
    search = django_filters.CharFilter(
        field_name="name", lookup_expr="icontains", max_length=80, label="Part of the name."
    )
    send_from = django_filters.IsoDateTimeFilter(
        field_name="send_at", lookup_expr="gte", label="Goes out at this moment or later."
    )
    send_before = django_filters.IsoDateTimeFilter(
        field_name="send_at", lookup_expr="lt", label="Goes out before this moment."
    )


class Campaigns(Listing, Verb):
    """List the campaigns you see."""

    resource = "campaigns"
    shape = CampaignShape
    filterset_class = CampaignFilters
    success = 201

    class Input(StrictInput):
        """What is said, to whom (`segment` or `rule`), through what.

        Give either `content`, or `text` and `attachments` or one of them; attachments are written
        as those of contents.
        """

        example: ClassVar = {
            "name": "Spring",
            "text": "Our spring coats are here. Yours, {guide}",
            "segment": 2,
        }

        name = serializers.CharField(max_length=120)
        content = IdField(required=False)
        text = serializers.CharField(max_length=MESSAGE_LENGTH, required=False)
        attachments = AttachmentsField(required=False)
        segment = IdField(required=False)
        rule = RuleField(required=False)
        channel = serializers.ChoiceField(choices=[*LABELS], default="wecom")
        purpose = serializers.ChoiceField(choices=Purpose.choices, default="campaign")
        skip_if_in_another = serializers.BooleanField(default=False)
        subject = serializers.CharField(max_length=200, default="", allow_blank=True)
        html = serializers.CharField(max_length=HTML_LENGTH, default="", allow_blank=True)
        send_until = MomentField(required=False)
        track_clicks = serializers.BooleanField(default=True)
        track_opens = serializers.BooleanField(default=True)
        conversion_days = serializers.IntegerField(
            min_value=0, max_value=MOST_CONVERSION_DAYS, default=USUAL_CONVERSION_DAYS
        )

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """One of each pair."""
            if ("content" in attrs) == bool(attrs.keys() & WRITTEN):
                raise ValidationError({"content": [_("Give either content or text.")]})
            if ("segment" in attrs) == ("rule" in attrs):
                raise ValidationError({"segment": [_("Give either segment or rule.")]})
            return attrs

    def rows(self) -> QuerySet[Campaign]:
        """Return the campaigns the person sees."""
        return campaigns_of(self.viewer).select_related("created_by", "content")

    def act(self, data: dict[str, Any]) -> Campaign:
        """Draft a campaign.

        A `text` with its `attachments`, or a `rule`, is kept as a content or segment of the
        campaign's name. It never reaches beyond your own scope: of a wider segment a narrowed copy
        is used.
        """
        require(self.viewer, Role.MARKETER)
        return create_campaign(
            name=data["name"],
            content=self._content(data),
            segment=self._segment(data),
            channel=data["channel"],
            purpose=data["purpose"],
            skip_if_in_another=data["skip_if_in_another"],
            wording=Wording(subject=data["subject"], html=data["html"]),
            send_until=data.get("send_until"),
            tracking=Tracking(
                track_clicks=data["track_clicks"],
                track_opens=data["track_opens"],
                conversion_days=data["conversion_days"],
            ),
            actor=self.actor,
            now=self.now,
        )

    def _content(self, data: dict[str, Any]) -> Content:
        if "content" in data:
            return pick(Content.objects.all(), [data["content"]], "content")[0]
        return create_content(
            name=data["name"],
            text=data.get("text", ""),
            attachments=data.get("attachments", []),
            actor=self.actor,
            now=self.now,
        )

    def _segment(self, data: dict[str, Any]) -> Segment:
        if "segment" in data:
            kept = pick(segments_of(self.viewer), [data["segment"]], "segment")[0]
            if is_within_reach(kept.rule, self.viewer):
                return kept
            rule = narrowed(kept.rule, self.viewer)
        else:
            rule = narrowed(data["rule"], self.viewer)
        name = free_segment_name(data["name"], now=self.now)
        return create_segment(name=name, rule=rule, actor=self.actor, now=self.now)


class CampaignChange(StrictInput):
    """What is to be different: of the message either `content`, or its `text` or `attachments`."""

    example: ClassVar = {"name": "Spring, again"}

    name = serializers.CharField(max_length=120, required=False)
    content = IdField(required=False)
    text = serializers.CharField(max_length=MESSAGE_LENGTH, allow_blank=True, required=False)
    attachments = AttachmentsField(required=False)
    segment = IdField(required=False)
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)
    skip_if_in_another = serializers.BooleanField(required=False)
    subject = serializers.CharField(max_length=200, required=False, allow_blank=True)
    html = serializers.CharField(max_length=HTML_LENGTH, required=False, allow_blank=True)
    send_until = MomentField(required=False, allow_null=True)
    track_clicks = serializers.BooleanField(required=False)
    track_opens = serializers.BooleanField(required=False)
    conversion_days = serializers.IntegerField(
        min_value=0, max_value=MOST_CONVERSION_DAYS, required=False
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Not both."""
        if "content" in attrs and attrs.keys() & WRITTEN:
            raise ValidationError({"content": [_("Give either content or text.")]})
        return attrs


class CampaignPage(Reading):
    """Read one campaign."""

    resource = "campaigns"
    shape = CampaignShape

    Change = CampaignChange

    def row(self, pk: int) -> Campaign:
        """Return the campaign."""
        return campaign_for(self.viewer, pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Change a campaign that is not planned yet; scheduled or approved, it is a draft again."""
        require(self.viewer, Role.MARKETER)
        campaign = self.row(pk)
        checked = self.Change(data=request.data)
        checked.is_valid(raise_exception=True)
        data = dict(checked.validated_data)
        if "content" in data:
            data["content"] = pick(Content.objects.all(), [data["content"]], "content")[0]
        if "segment" in data:
            data["segment"] = pick(segments_of(self.viewer), [data["segment"]], "segment")[0]
            check_segment_reach(data["segment"], self.viewer)
        with transaction.atomic():
            if data.keys() & WRITTEN:
                data["content"] = self._written(campaign, data)
            change_campaign(campaign, data, actor=self.actor, now=self.now)
        return Response(self.show(self.row(pk)))

    def _written(self, campaign: Campaign, data: dict[str, Any]) -> Content | None:
        """Return the message with the words and attachments that are given; the rest stays."""
        kept = campaign.content
        text, attachments = data.pop("text", None), data.pop("attachments", None)
        if kept is None:
            return None  # an announcement, which is refused
        return create_content(
            name=data.get("name", campaign.name),
            text=kept.text if text is None else text,
            attachments=kept.attachments if attachments is None else attachments,
            actor=self.actor,
            now=self.now,
        )


class Audience(Reading):
    """Count whom a campaign would reach if it were planned now."""

    resource = "campaigns"
    shape = PreviewShape

    def row(self, pk: int) -> AudiencePreview:
        """Return exact figures, and nothing is written."""
        require(self.viewer, Role.MARKETER)
        return audience_of(campaign_for(self.viewer, pk), self.viewer)


class Progress(Reading):
    """Read where the recipients of a campaign stand, how fast it goes, and what went wrong.

    The figures always add up. As long for a million recipients as for a thousand: of the batches
    it holds the first 50; all of them are in the pages of `/batches?campaign={id}`, which takes
    `state` too.
    """

    resource = "campaigns"
    shape = CampaignProgressShape

    def row(self, pk: int) -> Watched:
        """Return the figures."""
        return watch(campaign_for(self.viewer, pk), now=self.now)


class CampaignVerb(CampaignPage, Verb):
    """Something that is done to a campaign."""

    http_method_names = ["post"]

    def campaign(self, pk: int) -> Campaign:
        """Return the campaign, to those who may change it."""
        require(self.viewer, Role.MARKETER)
        return campaign_for(self.viewer, pk)
