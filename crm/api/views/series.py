"""Series of campaigns."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.series import (
    change_series,
    create_series,
    end_series,
    pause_series,
)
from campaigns.channels import LABELS
from campaigns.enums import SeriesKind, SeriesState
from campaigns.models import Content, Segment, Series, SeriesRun
from campaigns.models.campaigns import MOST_CONVERSION_DAYS, USUAL_CONVERSION_DAYS
from campaigns.models.experiments import MOST_CONTROL
from campaigns.models.series import LONGEST_SENDING
from contacts.enums import Purpose, Role
from crm.access import require, series_for, series_of
from crm.actions.series import resume
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.shapes.lifecycle import SeriesRunShape, SeriesShape
from crm.api.views.campaigns import HTML_LENGTH
from crm.api.views.segments import RuleField
from crm.audiences import check_segment_reach


class SeriesFilters(django_filters.FilterSet):
    """How series can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=SeriesState.choices)
    kind = django_filters.ChoiceFilter(choices=SeriesKind.choices)


class SeriesList(Listing, Verb):
    """List the series you see."""

    resource = "series"
    shape = SeriesShape
    filterset_class = SeriesFilters
    success = 201

    class Input(StrictInput):
        """What is said (`content`), to whom (`segment`), and on which days (`kind` and `rule`).

        `repeat`: `{"freq": "daily"}`, `{"freq": "weekly", "weekdays": [0, 3]}` (0 is Monday),
        `{"freq": "monthly", "day": 15}` (-1 is the last); `every` other week or month: 2.
        `birthday`: `{"days_before": 0}`. `after_purchase`: `{"days": 7, "pause_days": 30}`.
        The other options are passed on to the campaign of each run: what has not gone out
        `send_for_hours` after it began is missed, `control_share` per cent get nothing.
        """

        example: ClassVar = {
            "name": "Mondays",
            "content": 1,
            "segment": 2,
            "kind": "repeat",
            "rule": {"freq": "weekly", "weekdays": [0]},
            "zone": "Asia/Shanghai",
            "at_time": "10:00",
            "starts_on": "2026-12-01",
        }

        name = serializers.CharField(max_length=80)
        content = IdField()
        segment = IdField()
        channel = serializers.ChoiceField(choices=[*LABELS], default="wecom")
        purpose = serializers.ChoiceField(choices=Purpose.choices, default=Purpose.CAMPAIGN)
        subject = serializers.CharField(max_length=200, default="", allow_blank=True)
        html = serializers.CharField(max_length=HTML_LENGTH, default="", allow_blank=True)
        kind = serializers.ChoiceField(choices=SeriesKind.choices)
        rule = RuleField(default=dict)
        zone = serializers.CharField(max_length=64)
        at_time = serializers.TimeField()
        starts_on = serializers.DateField()
        until = serializers.DateField(required=False, allow_null=True)
        skip_if_in_another = serializers.BooleanField(default=False)
        track_clicks = serializers.BooleanField(default=True)
        track_opens = serializers.BooleanField(default=True)
        conversion_days = serializers.IntegerField(
            min_value=0, max_value=MOST_CONVERSION_DAYS, default=USUAL_CONVERSION_DAYS
        )
        send_for_hours = serializers.IntegerField(
            min_value=1, max_value=LONGEST_SENDING, required=False, allow_null=True
        )
        control_share = serializers.IntegerField(min_value=0, max_value=MOST_CONTROL, default=0)

    def rows(self) -> QuerySet[Series]:
        """Return the series the person sees."""
        return series_of(self.viewer).select_related("created_by")

    def act(self, data: dict[str, Any]) -> Series:
        """Begin a series. Its segment must lie within your own scope."""
        require(self.viewer, Role.MARKETER)
        data["content"] = pick(Content.objects.all(), [data["content"]], "content")[0]
        data["segment"] = pick(Segment.objects.all(), [data["segment"]], "segment")[0]
        check_segment_reach(data["segment"], self.viewer)
        return create_series(data, actor=self.actor, now=self.now)


class SeriesChange(StrictInput):
    """What is to be different from the next run on."""

    example: ClassVar = {"at_time": "11:00"}

    name = serializers.CharField(max_length=80, required=False)
    content = IdField(required=False)
    segment = IdField(required=False)
    purpose = serializers.ChoiceField(choices=Purpose.choices, required=False)
    subject = serializers.CharField(max_length=200, required=False, allow_blank=True)
    html = serializers.CharField(max_length=HTML_LENGTH, required=False, allow_blank=True)
    rule = RuleField(required=False)
    zone = serializers.CharField(max_length=64, required=False)
    at_time = serializers.TimeField(required=False)
    starts_on = serializers.DateField(required=False)
    until = serializers.DateField(required=False, allow_null=True)
    skip_if_in_another = serializers.BooleanField(required=False)
    track_clicks = serializers.BooleanField(required=False)
    track_opens = serializers.BooleanField(required=False)
    conversion_days = serializers.IntegerField(
        min_value=0, max_value=MOST_CONVERSION_DAYS, required=False
    )
    send_for_hours = serializers.IntegerField(
        min_value=1, max_value=LONGEST_SENDING, required=False, allow_null=True
    )
    control_share = serializers.IntegerField(min_value=0, max_value=MOST_CONTROL, required=False)


class SeriesPage(Reading):
    """Read one series."""

    resource = "series"
    shape = SeriesShape

    Change = SeriesChange

    def row(self, pk: int) -> Series:
        """Return the series."""
        return series_for(self.viewer, pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Change a series from its next run on."""
        require(self.viewer, Role.MARKETER)
        series = self.row(pk)
        checked = self.Change(data=request.data)
        checked.is_valid(raise_exception=True)
        data = dict(checked.validated_data)
        if "content" in data:
            data["content"] = pick(Content.objects.all(), [data["content"]], "content")[0]
        if "segment" in data:
            data["segment"] = pick(Segment.objects.all(), [data["segment"]], "segment")[0]
        check_segment_reach(data.get("segment", series.segment), self.viewer)
        change_series(series, data, actor=self.actor, now=self.now)
        return Response(self.show(self.row(pk)))


class SeriesRuns(Listing):
    """List the runs of a series."""

    resource = "series"
    shape = SeriesRunShape

    def rows(self) -> QuerySet[SeriesRun]:
        """Return the runs, of a series that the person sees."""
        return SeriesRun.objects.filter(series=series_for(self.viewer, self.kwargs["pk"]))


class SeriesVerb(SeriesPage, Verb):
    """Something that is done to a series."""

    http_method_names = ["post"]

    def series(self, pk: int) -> Series:
        """Return the series, to those who may change it."""
        require(self.viewer, Role.MARKETER)
        return series_for(self.viewer, pk)


class PauseSeries(SeriesVerb):
    """Pause a series."""

    def act(self, data: dict[str, Any], pk: int) -> Series:
        """Make no campaign of it until it is resumed; those that it has made go on."""
        pause_series(self.series(pk), actor=self.actor, now=self.now)
        return self.row(pk)


class ResumeSeries(SeriesVerb):
    """Resume a series."""

    def act(self, data: dict[str, Any], pk: int) -> Series:
        """Go on with the next run; what fell into the pause is not made up for."""
        resume(self.series(pk), self.viewer, now=self.now)
        return self.row(pk)


class EndSeries(SeriesVerb):
    """End a series."""

    def act(self, data: dict[str, Any], pk: int) -> Series:
        """Make no campaign of it any more, for good."""
        end_series(self.series(pk), actor=self.actor, now=self.now)
        return self.row(pk)
