"""Campaigns by the day on which they go out: a month or a week."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from campaigns.models import Campaign
from contacts.enums import Role
from crm.access import Viewer, campaigns_of, viewer_as

WEEK = 7
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
MOST = 500
"""Campaigns of one view; the page says when there are more."""


@dataclass(slots=True)
class Day:
    """One day of the calendar with what goes out on it, the earliest first."""

    date: date
    is_today: bool
    is_outside: bool
    campaigns: list[Campaign] = field(default_factory=list)


@login_required
@require_GET
def campaign_calendar(request: HttpRequest) -> HttpResponse:
    """Show the month, or the week, around a day."""
    viewer = viewer_as(request, Role.MARKETER)
    today = timezone.localdate()
    middle = _day(request.GET.get("day"), today)
    by_week = request.GET.get("by") == "week"
    first, after = _week(middle) if by_week else _month(middle)
    days = [
        Day(day, day == today, not by_week and day.month != middle.month)
        for day in _days(first, after)
    ]
    has_more = _fill(days, viewer)
    context = {
        "weeks": [days[start : start + WEEK] for start in range(0, len(days), WEEK)],
        "days": [day for day in days if day.campaigns or day.is_today],
        "middle": middle,
        "by_week": by_week,
        "first": first,
        "last": after - timedelta(days=1),
        "earlier": first - timedelta(days=1)
        if by_week
        else middle.replace(day=1) - timedelta(days=1),
        "later": after if by_week else _next_month(middle),
        "today": today,
        "zone": timezone.get_current_timezone_name(),
        "has_more": has_more,
        "most": MOST,
    }
    return render(request, "crm/campaign_calendar.html", context)


def _day(text: str | None, today: date) -> date:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return today
    return day if EARLIEST <= day < LATEST else today


def _week(day: date) -> tuple[date, date]:
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=WEEK)


def _month(day: date) -> tuple[date, date]:
    """Return whole weeks that hold the month."""
    first, _ = _week(day.replace(day=1))
    _, after = _week(_next_month(day) - timedelta(days=1))
    return first, after


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _days(first: date, after: date) -> Iterator[date]:
    for number in range((after - first).days):
        yield first + timedelta(days=number)


def _fill(days: list[Day], viewer: Viewer) -> bool:
    """Put campaigns on their local days, in one query; returns whether some were left out."""
    zone = timezone.get_current_timezone()
    start = datetime.combine(days[0].date, time.min, zone)
    end = datetime.combine(days[-1].date + timedelta(days=1), time.min, zone)
    found = campaigns_of(viewer).filter(send_at__gte=start, send_at__lt=end)
    rows = list(found.order_by("send_at", "pk")[: MOST + 1])
    on = {day.date: day for day in days}
    for campaign in rows[:MOST]:
        if campaign.send_at:
            on[timezone.localdate(campaign.send_at)].campaigns.append(campaign)
    return len(rows) > MOST
