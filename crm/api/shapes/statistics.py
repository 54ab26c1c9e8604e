"""Shapes of the figures of campaigns."""

from typing import Any

from rest_framework import serializers

from campaigns.tracking.queries import Funnel, FunnelOf, Hour, LinkFigures


class FunnelShape(serializers.Serializer[Funnel]):
    """How many recipients got how far; machines stand apart, in the two last.

    What the channel does not tell is null.
    """

    recipients = serializers.IntegerField()
    sent = serializers.IntegerField()
    delivered = serializers.IntegerField(allow_null=True)
    read = serializers.IntegerField(allow_null=True)
    clicked = serializers.IntegerField(allow_null=True)
    replied = serializers.IntegerField(allow_null=True)
    opted_out = serializers.IntegerField(allow_null=True)
    converted = serializers.IntegerField(help_text="Recipients who bought something afterwards.")
    amount = serializers.DecimalField(max_digits=16, decimal_places=2)
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField()
    opened_by_bots = serializers.IntegerField()
    clicked_by_bots = serializers.IntegerField()


class FunnelOfShape(serializers.Serializer[FunnelOf]):
    """The funnel of one batch, guide or store."""

    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    funnel = FunnelShape()


class HourShape(serializers.Serializer[Hour]):
    """How many recipients did something for the first time in the hour that begins `at`."""

    at = serializers.DateTimeField()
    opened = serializers.IntegerField()
    clicked = serializers.IntegerField()
    replied = serializers.IntegerField()
    opted_out = serializers.IntegerField()
    converted = serializers.IntegerField()


class StatisticsShape(serializers.Serializer[Any]):
    """The funnel of a campaign, and what happened hour by hour."""

    counted_at = serializers.DateTimeField(
        allow_null=True, help_text="Of when the figures are; null if they are still to be counted."
    )
    funnel = FunnelShape()
    hours = HourShape(many=True)


class LinkShape(serializers.Serializer[LinkFigures]):
    """How often a link was followed."""

    seq = serializers.IntegerField()
    url = serializers.CharField()
    people = serializers.IntegerField()
    clicks = serializers.IntegerField()
    bots = serializers.IntegerField()


class LinksShape(serializers.Serializer[Any]):
    """The links of a campaign, in their order."""

    results = LinkShape(many=True)
