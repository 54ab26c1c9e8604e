"""Segments: rules over customers, previewed, saved and frozen; and static lists."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.segments import (
    archive_segment,
    change_members,
    change_segment,
    create_list,
    create_segment,
    freeze_segment,
)
from campaigns.channels import LABELS
from campaigns.models import Segment
from campaigns.queries import Period, audience_preview
from campaigns.segments import FIELDS, count_customers, customers_in, within_patience
from contacts.enums import Purpose, Role
from contacts.models import Customer
from crm.access import customers_of, described_to, require, segment_for, segments_of
from crm.api.base import ApiView, IdsField, Listing, Reading, StrictInput, Verb
from crm.api.clocks import TimeInput, wall_of
from crm.api.inputs import MomentField
from crm.api.shapes.people import CustomerShape
from crm.api.shapes.segments import FieldShape, SegmentPreviewShape, SegmentShape
from crm.audiences import check_change_of_rule, narrowed

MOST_MEMBERS = 10_000
SAMPLE = 10
AUDIENCE_PATIENCE_MS = 10_000


class RuleField(serializers.JSONField):
    """A condition, or a group of rules; the action checks the rest."""


RULE = {"all": [{"field": "tag", "op": "any", "value": [3]}]}


class Segments(Listing, Verb):
    """List the segments at hand."""

    resource = "segments"
    shape = SegmentShape
    success = 201

    class Input(StrictInput):
        """A name, and either the rule or, for a static list, its customers."""

        example: ClassVar = {"name": "Regulars", "rule": RULE}

        name = serializers.CharField(max_length=120)
        rule = RuleField(required=False)
        customers = IdsField(required=False, max_length=MOST_MEMBERS)
        shared = serializers.BooleanField(default=True)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """One of the pair."""
            if ("rule" in attrs) == ("customers" in attrs):
                raise ValidationError({"rule": [_("Give either rule or customers.")]})
            return attrs

    def rows(self) -> QuerySet[Segment]:
        """Return the segments at hand, to those who use them."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return segments_of(self.viewer).select_related("created_by")

    def act(self, data: dict[str, Any]) -> Segment:
        """Save a segment: a rule over customers, or a static list of them.

        `GET segments/fields` says what a rule may ask for. Rules are grouped by `all`, `any` and
        `not`, five deep at most.
        """
        require(self.viewer, Role.MARKETER)
        given: dict[str, Any] = {"actor": self.actor, "now": self.now, "shared": data["shared"]}
        if "rule" in data:
            return create_segment(name=data["name"], rule=data["rule"], **given)
        seen = customers_of(self.viewer, Role.MARKETER).filter(pk__in=data["customers"])
        customers = list(seen.values_list("pk", flat=True))
        return create_list(name=data["name"], customers=customers, **given)


class SegmentChange(StrictInput):
    """What is to change."""

    name = serializers.CharField(max_length=120, required=False)
    rule = RuleField(required=False)
    shared = serializers.BooleanField(required=False)


class SegmentPage(Reading):
    """Read one segment."""

    resource = "segments"
    shape = SegmentShape
    http_method_names = ["get", "patch", "head", "options"]

    Change = SegmentChange

    def row(self, pk: int) -> Segment:
        """Return the segment."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return segment_for(self.viewer, pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Change a segment: campaigns that are planned keep the audience they have."""
        require(self.viewer, Role.MARKETER)
        segment = self.row(pk)
        checked = self.Change(data=request.data)
        checked.is_valid(raise_exception=True)
        if "rule" in checked.validated_data and not segment.is_static:
            check_change_of_rule(segment, checked.validated_data["rule"], self.viewer)
        change_segment(segment, actor=self.actor, now=self.now, **checked.validated_data)
        return Response(self.show(self.row(pk)))


class Preview(Verb):
    """Preview an audience."""

    resource = "segments"
    shape = SegmentPreviewShape

    class Input(TimeInput):
        """The rule, the channel, and when: from `send_at`, or `local_time` in a `zone`, at the
        earliest now, until `send_until`.
        """

        example: ClassVar = {"rule": RULE}

        rule = RuleField()
        channel = serializers.ChoiceField(choices=[*LABELS], default="wecom")
        purpose = serializers.ChoiceField(choices=Purpose.choices, default="campaign")
        skip_if_in_another = serializers.BooleanField(default=False)
        send_until = MomentField(required=False)

    def act(self, data: dict[str, Any]) -> dict[str, Any]:
        """Count whom a rule describes and a campaign of yours would reach now, and whom not and why.

        Of quiet hours count those at the time that is given: `later` are reached when theirs end,
        and whoever's outlast `send_until` is left out. `customers` is an estimate where counting
        takes too long: `is_exact` says so. The sample or the audience is null where it takes too
        long, and `missing` names it.
        """
        require(self.viewer, Role.MARKETER)
        rule, period = narrowed(data.pop("rule"), self.viewer), self._period(data)
        found = customers_in(rule, now=self.now)
        count = count_customers(found)
        people = described_to(self.viewer, rule).order_by("-pk")[:SAMPLE]
        parts = {
            "sample": within_patience(lambda: list(people)),
            "audience": within_patience(
                lambda: audience_preview(rule, period=period, **data),
                milliseconds=AUDIENCE_PATIENCE_MS,
            ),
        }
        missing = [name for name, part in parts.items() if part is None]
        return {
            "customers": count.customers,
            "is_exact": count.is_exact,
            "missing": missing,
            **parts,
        }

    def _period(self, data: dict[str, Any]) -> Period:
        """Return the times, taken out of the data. Raises ``ValidationError``."""
        wall = wall_of(data)
        begin, end = wall.moment if wall else data.get("send_at"), data.get("send_until")
        for name in ("send_at", "local_time", "zone", "send_until"):
            data.pop(name, None)
        if end and end <= max(begin or self.now, self.now):
            raise ValidationError({"send_until": [_("Sending ends after it begins.")]})
        return Period(begin, end)


class Fields(ApiView):
    """List what rules may ask for."""

    resource = "segments"
    shape = FieldShape

    def get(self, request: Request) -> Response:
        """List every field with its operators, and what kind of value each takes."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return Response({"results": self.show(list(FIELDS.values()), many=True)})


class SegmentCustomers(Listing):
    """List the customers of a segment that you see."""

    resource = "segments"
    shape = CustomerShape

    def rows(self) -> QuerySet[Customer]:
        """Return the customers."""
        require(self.viewer, Role.MARKETER)
        segment = segment_for(self.viewer, self.kwargs["pk"])
        described = customers_in(segment.rule, now=timezone.now()).order_by().values("pk")
        return customers_of(self.viewer, Role.MARKETER).filter(pk__in=described)


class ArchiveSegment(SegmentPage, Verb):
    """Archive a segment."""

    http_method_names = ["post"]

    def act(self, data: dict[str, Any], pk: int) -> Segment:
        """Take a segment out of the lists; what uses it goes on."""
        require(self.viewer, Role.MARKETER)
        segment = self.row(pk)
        archive_segment(segment, actor=self.actor, now=self.now)
        return segment


class FreezeSegment(SegmentPage, Verb):
    """Freeze a segment."""

    http_method_names = ["post"]
    success = 201

    class Input(StrictInput):
        """The new list's name."""

        example: ClassVar = {"name": "Regulars of spring"}

        name = serializers.CharField(max_length=120)

    def act(self, data: dict[str, Any], pk: int) -> Segment:
        """Keep whom a segment describes now as a static list, as far as you see them."""
        require(self.viewer, Role.MARKETER)
        segment = self.row(pk)
        rule = narrowed(segment.rule, self.viewer)
        return freeze_segment(segment, name=data["name"], rule=rule, actor=self.actor, now=self.now)


class SegmentMembers(SegmentPage, Verb):
    """Change a static list."""

    http_method_names = ["post"]

    class Input(StrictInput):
        """Whom to put on the list, and whom to take off."""

        example: ClassVar = {"add": [12], "remove": [13]}

        add = IdsField(default=list, max_length=MOST_MEMBERS)
        remove = IdsField(default=list, max_length=MOST_MEMBERS)

    def act(self, data: dict[str, Any], pk: int) -> Segment:
        """Put customers that you see on a static list, and take some off."""
        require(self.viewer, Role.MARKETER)
        segment = self.row(pk)
        seen = customers_of(self.viewer, Role.MARKETER)
        change_members(
            segment,
            add=seen.filter(pk__in=data["add"]).values_list("pk", flat=True),
            remove=data["remove"],
            actor=self.actor,
            now=self.now,
        )
        return self.row(pk)
