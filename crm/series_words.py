"""When a series runs, in words."""

from typing import Any

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns.calendar import LAST_DAY
from campaigns.enums import SeriesKind
from campaigns.models import Series


def when_words(series: Series) -> str:
    """Say on which days a series runs and at what time: “every week on Monday at 10:00”."""
    days = {
        SeriesKind.REPEAT: _repeat,
        SeriesKind.BIRTHDAY: _birthday,
        SeriesKind.AFTER_PURCHASE: _after_purchase,
    }[SeriesKind(series.kind)](series.rule)
    return _("%(days)s at %(time)s") % {"days": days, "time": f"{series.at_time:%H:%M}"}


def _repeat(rule: dict[str, Any]) -> str:
    every = rule.get("every", 1)
    if rule["freq"] == "daily":
        return _("every %(n)s days") % {"n": every} if every > 1 else _("every day")
    if rule["freq"] == "weekly":
        names = pgettext("between words", ", ").join(str(WEEKDAYS[day]) for day in rule["weekdays"])
        words = _("every %(n)s weeks on %(days)s") if every > 1 else _("every week on %(days)s")
        return words % {"n": every, "days": names}
    if rule["day"] == LAST_DAY:
        words = _("every %(n)s months on the last day")
        return words % {"n": every} if every > 1 else _("every month on its last day")
    words = _("every %(n)s months on day %(day)s") if every > 1 else _("every month on day %(day)s")
    return words % {"n": every, "day": rule["day"]}


def _birthday(rule: dict[str, Any]) -> str:
    days = rule.get("days_before", 0)
    if not days:
        return _("on the birthday")
    words = ngettext("%(n)s day before the birthday", "%(n)s days before the birthday", days)
    return words % {"n": days}


def _after_purchase(rule: dict[str, Any]) -> str:
    words = ngettext("%(n)s day after a purchase", "%(n)s days after a purchase", rule["days"])
    return words % {"n": rule["days"]}
