"""Times in requests: a moment, or what a clock shows in some zone."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from campaigns.calendar import WallTime
from campaigns.models import Campaign
from crm.api.base import StrictInput
from crm.api.inputs import YEARS, MomentField

LOCAL = "%Y-%m-%dT%H:%M"
LONGEST = 19
"""Characters: seconds may be told, and do not count."""


class LocalTimeField(serializers.CharField):
    """A time on a clock, without a zone: ``2026-12-01T10:00``."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the naive time; raises ``ValidationError``."""
        text = super().to_internal_value(data)
        try:
            shown = text[:16] if len(text) <= LONGEST else ""
            told = datetime.strptime(shown, LOCAL)  # noqa: DTZ007 -- the zone comes beside it
        except ValueError as error:
            raise ValidationError(_("Write a local time like 2026-12-01T10:00.")) from error
        if told.year not in YEARS:
            raise ValidationError(_("This time is out of range."))
        return told


class TimeInput(StrictInput):
    """When: a moment (`send_at`), or what a clock shows (`local_time`) in a `zone`."""

    send_at = MomentField(required=False)
    local_time = LocalTimeField(required=False)
    zone = serializers.CharField(required=False, max_length=64)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of both, and the zone with the clock."""
        if ("local_time" in attrs) != ("zone" in attrs):
            raise ValidationError({"zone": [_("A local time needs its zone.")]})
        if "local_time" in attrs and "send_at" in attrs:
            raise ValidationError({"send_at": [_("Give either send_at or local_time.")]})
        return attrs


def wall_of(data: dict[str, Any]) -> WallTime | None:
    """Return the clock's time, if one was given."""
    return WallTime(data["local_time"], data["zone"]) if "local_time" in data else None


def shown(campaign: Campaign, wall: WallTime | None) -> Campaign:
    """Return the campaign with what the clock will show, if never the time that was asked for."""
    campaign.moved_to = wall.moved_to if wall else None  # type: ignore[attr-defined]  # shown once
    return campaign
