"""Times on a clock, and the time zone in which the clock hangs."""

from collections import defaultdict
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

LOCAL_TIME = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_NO_PLACES = frozenset({"Factory", "localtime"})
_ELSEWHERE = "Etc"
"""Where zones are listed that have no continent."""

YEARS = range(2000, 2200)
"""At the edges of the calendar time zones do not exist."""


class WallClockField(forms.DateTimeField):
    """A date and a time as a clock shows them, in no zone yet."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_TIME[0])
        super().__init__(input_formats=LOCAL_TIME, widget=widget, **options)

    def to_python(self, value: Any) -> datetime | None:
        """Return the naive time; raises ``ValidationError``."""
        with timezone.override(UTC):  # a clock without summer time takes every time as typed
            told = super().to_python(value)
        return told and told.replace(tzinfo=None)

    def validate(self, value: Any) -> None:
        """Refuse what lies beyond the calendar."""
        super().validate(value)
        check_year(value)


class DayField(forms.DateField):
    """A day, chosen from the calendar of the browser."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(input_formats=["%Y-%m-%d"], widget=widget, **options)

    def validate(self, value: Any) -> None:
        """Refuse what lies beyond the calendar."""
        super().validate(value)
        check_year(value)


class ZoneField(forms.ChoiceField):
    """A time zone by its IANA name; empty for that of the company."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label=_("Time zone"),
            choices=zone_choices,
            required=False,
            initial=timezone.get_current_timezone_name,
            **options,
        )

    def clean(self, value: Any) -> str:
        """Return the name; raises ``ValidationError``."""
        name: str = super().clean(value)
        return name or timezone.get_current_timezone_name()


def check_year(day: date | None) -> None:
    """Raise ``ValidationError`` for a day, or a time, out of the sane centuries."""
    if day is not None and day.year not in YEARS:
        raise ValidationError(gettext("This time is out of range."))


def zone_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all time zones by continent, that of the company first."""
    here = timezone.get_current_timezone_name()
    return [(gettext("Here"), [(here, here)]), *_others(here)]


@cache
def _others(here: str) -> list[tuple[str, list[tuple[str, str]]]]:
    groups = defaultdict(list)
    for name in sorted(available_timezones() - {here, *_NO_PLACES}):
        continent, slash, _place = name.partition("/")
        groups[continent if slash else _ELSEWHERE].append((name, name.replace("_", " ")))
    groups[_ELSEWHERE] = groups.pop(_ELSEWHERE)  # behind the continents
    return [*groups.items()]
