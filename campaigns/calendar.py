"""Wall clocks: what a local time means in a time zone, and on which days a series runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule

from campaigns.enums import SeriesKind
from campaigns.models import Series
from contacts.errors import RuleBroken
from contacts.saying import gettext as _

MOST_DAYS = 365
MOST_EVERY = 90
LAST_DAY = -1
LONGEST_MONTH = 31
SHORTEST_MONTH = 28
_FREQUENCIES = {"daily": DAILY, "weekly": WEEKLY, "monthly": MONTHLY}


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time on a clock, with the zone in which the clock hangs.

    A time that the clocks skip in spring counts as much later as they are put forward; of one
    that comes twice in autumn the first counts.
    """

    local: datetime
    zone: str

    @property
    def moment(self) -> datetime:
        """The moment that it means. Raises ``RuleBroken`` if there is no such zone."""
        aware = self.local.replace(tzinfo=zone_named(self.zone), fold=0)
        return aware.astimezone(UTC)

    @property
    def moved_to(self) -> datetime | None:
        """What the clock shows instead, if it never shows this time; else ``None``."""
        shown = self.moment.astimezone(zone_named(self.zone)).replace(tzinfo=None)
        return shown if shown != self.local else None


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name. Raises ``RuleBroken`` if there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as error:  # ZoneInfoNotFoundError is a KeyError, see below
        raise RuleBroken(_("There is no time zone “%(name)s”.") % {"name": name}) from error
    except KeyError as error:
        raise RuleBroken(_("There is no time zone “%(name)s”.") % {"name": name}) from error


def check_series_rule(kind: str, rule: Mapping[str, Any]) -> None:
    """Raise ``RuleBroken``, saying what to change, if a series cannot run by this rule.

    *repeat*: ``{"freq": "daily"|"weekly"|"monthly", "every": 1}``, with ``weekdays`` (0 is Monday)
    when weekly and ``day`` (1 to 31, -1 is the last) when monthly; a day that a month does not
    have is its last. *birthday*: ``{"days_before": 0}``. *after_purchase*: ``{"days": 7,
    "pause_days": 30}``: nobody gets another one within the pause.
    """
    wanted: dict[str, frozenset[str]] = {
        SeriesKind.REPEAT: frozenset({"freq", "every", "weekdays", "day"}),
        SeriesKind.BIRTHDAY: frozenset({"days_before"}),
        SeriesKind.AFTER_PURCHASE: frozenset({"days", "pause_days"}),
    }
    if kind not in wanted or not isinstance(rule, Mapping) or set(rule) - wanted[kind]:
        raise RuleBroken(_("A series of this kind does not take this rule."))
    if kind == SeriesKind.REPEAT:
        _check_repeat(rule)
    elif kind == SeriesKind.BIRTHDAY:
        _check_number(rule.get("days_before", 0), 0, 60)
    else:
        _check_number(rule.get("days"), 1, MOST_DAYS)
        _check_number(rule.get("pause_days", 0), 0, MOST_DAYS)


def next_run(series: Series, *, after: datetime) -> datetime | None:
    """Return the first moment after ``after`` at which the series runs; ``None`` if it is over."""
    zone = zone_named(series.zone)
    days = _days_of(series)
    local = after.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    while (found := days.after(local)) is not None:
        moment = WallTime(found, series.zone).moment
        if moment > after:
            return moment
        local = found
    return None


def local_day(series: Series, moment: datetime) -> date:
    """Return the day of a moment on the clock of the series."""
    return moment.astimezone(zone_named(series.zone)).date()


def _days_of(series: Series) -> rrule:
    options: dict[str, Any] = {
        "freq": DAILY,
        "dtstart": datetime.combine(series.starts_on, series.at_time),
        "until": datetime.combine(series.until, time.max) if series.until else None,
    }
    if series.kind == SeriesKind.REPEAT:
        options["freq"] = _FREQUENCIES[series.rule["freq"]]
        options["interval"] = series.rule.get("every", 1)
        if options["freq"] == WEEKLY:
            options["byweekday"] = series.rule["weekdays"]
        elif options["freq"] == MONTHLY:
            options |= _day_of_month(series.rule["day"])
    return rrule(**options)


def _day_of_month(day: int) -> dict[str, Any]:
    if day <= SHORTEST_MONTH:  # the last one, -1, as well
        return {"bymonthday": day}
    return {"bymonthday": list(range(SHORTEST_MONTH, day + 1)), "bysetpos": -1}


def _check_repeat(rule: Mapping[str, Any]) -> None:
    freq = rule.get("freq")
    if not isinstance(freq, str) or freq not in _FREQUENCIES:
        raise RuleBroken(_("Repeat daily, weekly or monthly."))
    _check_number(rule.get("every", 1), 1, MOST_EVERY)
    weekdays = rule.get("weekdays")
    if (weekdays is not None) != (freq == "weekly") or (
        freq == "weekly" and not _are_weekdays(weekdays)
    ):
        raise RuleBroken(_("Name the weekdays of a weekly series, and of no other."))
    if ("day" in rule) != (freq == "monthly"):
        raise RuleBroken(_("Name the day of a monthly series, and of no other."))
    if freq == "monthly" and rule["day"] != LAST_DAY:
        _check_number(rule["day"], 1, LONGEST_MONTH)


def _are_weekdays(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(type(day) is int and day in range(7) for day in value)
    )


def _check_number(value: object, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise RuleBroken(
            _("A number of this rule lies between %(least)s and %(most)s.")
            % {"least": least, "most": most}
        )
