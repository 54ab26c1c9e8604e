"""Who removes or exports unusually many customers.

Compared are the last seven days of everybody at work. Somebody's figure is unusual if it is at
least ``FLOOR``, more than the median of all plus three times their median absolute deviation, and
more than twice what the same person did in an average week of the four before. Medians, so that
the one who does it does not move the yardstick.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.db import connection, transaction
from django.utils import timezone

from contacts.actions.notices import notify
from contacts.enums import NoticeKind
from contacts.managers import managers_by_store
from contacts.models import Staff

WINDOW = timedelta(days=7)
WEEKS_BEFORE = 4
DEVIATIONS = 3
FLOOR = {"removals": 5, "exports": 500}
"""Fewer are never unusual: customers removed, rows exported."""

_REMOVALS = """
SELECT staff.id, count(loss.id) FILTER (WHERE loss.at >= %(since)s), count(loss.id)
FROM contacts_staff AS staff
LEFT JOIN contacts_loss AS loss
    ON loss.staff_id = staff.id AND loss.kind = 'by_staff'
   AND loss.at >= %(before)s AND loss.at <= %(now)s
WHERE staff.state <> 'departed' GROUP BY staff.id
"""
_EXPORTS = """
SELECT staff.id,
       coalesce(sum((entry.data ->> 'rows')::bigint) FILTER (WHERE entry.at >= %(since)s), 0),
       coalesce(sum((entry.data ->> 'rows')::bigint), 0)
FROM contacts_staff AS staff
LEFT JOIN contacts_historyentry AS entry
    ON entry.subject_kind = 'staff' AND entry.subject_id = staff.id
   AND entry.action LIKE '%%.exported' AND entry.at >= %(before)s AND entry.at <= %(now)s
WHERE staff.state <> 'departed' GROUP BY staff.id
"""
_COUNTED = {"removals": _REMOVALS, "exports": _EXPORTS}


@dataclass(frozen=True, slots=True)
class Unusual:
    """One person's figure of the last week, beside what is usual for all."""

    staff: Staff
    what: str
    number: int
    usual: int


def unusual(*, now: datetime) -> list[Unusual]:
    """Return what is unusual in the whole company at this moment: three queries."""
    found = [(what, *row) for what in _COUNTED for row in _outliers(what, now)]
    people = Staff.objects.select_related("store").in_bulk([staff for _, staff, *_ in found])
    return [
        Unusual(people[staff], what, number, usual)
        for what, staff, number, usual in found
        if staff in people
    ]


def _outliers(what: str, now: datetime) -> Iterable[tuple[int, int, int]]:
    """Staff id, figure, and what is usual."""
    since = now - WINDOW
    values = {"now": now, "since": since, "before": since - WEEKS_BEFORE * WINDOW}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED[what], values)
        rows = [(staff, int(week), int(total)) for staff, week, total in cursor.fetchall()]
    usual, limit = yardstick([week for _, week, _ in rows])
    for staff, week, total in sorted(rows, key=lambda row: -row[1]):
        before = (total - week) / WEEKS_BEFORE
        if week >= FLOOR[what] and week > limit and week > 2 * before:
            yield staff, week, round(usual)


def yardstick(figures: list[int]) -> tuple[float, float]:
    """Return what is usual among these figures, and beyond what a figure is far from it."""
    if not figures:
        return 0, 0
    middle = median(figures)
    return middle, middle + DEVIATIONS * median(abs(figure - middle) for figure in figures)


def tell_of_unusual(*, now: datetime) -> int:
    """Tell the managers of everything unusual, of each person once a day; returns how much it is."""
    found = [one for one in unusual(now=now) if one.staff.store_id]
    managers: Mapping[int, list[int]] = managers_by_store(
        one.staff.store_id for one in found if one.staff.store_id
    )
    for one in found:
        with transaction.atomic():
            notify(
                set(managers[one.staff.store_id or 0]) - {one.staff.pk},
                NoticeKind.UNUSUAL,
                key=f"unusual:{one.what}:{one.staff.pk}:{timezone.localdate(now):%Y-%m-%d}",
                now=now,
                about=one.staff,
                data={"what": one.what, "customers": one.number},
            )
    return len(found)
