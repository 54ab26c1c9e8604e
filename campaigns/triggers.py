"""Whose day it is: what a run of a series adds to the rule of its segment."""

from calendar import isleap
from datetime import date, datetime, time, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.calendar import WallTime, local_day
from campaigns.enums import DeliveryState, RunState, SeriesKind
from campaigns.models import Campaign, Delivery, Series, SeriesRun
from contacts.models import Customer

ONE_YEAR = timedelta(days=330)
"""A birthday comes once in so many days, also after the date has been corrected."""

LOOK_BACK = timedelta(days=3)
"""Purchases whose day was missed are caught up with so far."""

BOUGHT = ("paid", "shipped", "done")
"""States of an order in which the customer has bought."""


def whose_day_it_is(customers: QuerySet[Customer], campaign: Campaign) -> QuerySet[Customer]:
    """Return those of the customers whom this campaign of a series is for.

    Of a campaign that belongs to no series, or to one that just repeats, they are all.
    """
    if campaign._state.adding:
        return customers
    run = SeriesRun.objects.filter(campaign=campaign).select_related("series").first()
    if run is None or run.series.kind == SeriesKind.REPEAT:
        return customers
    if run.series.kind == SeriesKind.BIRTHDAY:
        return _birthdays(customers, run)
    return _buyers(customers, run)


def _birthdays(customers: QuerySet[Customer], run: SeriesRun) -> QuerySet[Customer]:
    day = local_day(run.series, run.run_at) + timedelta(run.series.rule.get("days_before", 0))
    born = Q(birthday__month=day.month, birthday__day=day.day)
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        born |= Q(birthday__month=2, birthday__day=29)
    return customers.filter(born, ~Exists(_told_since(run, ONE_YEAR)))


def _buyers(customers: QuerySet[Customer], run: SeriesRun) -> QuerySet[Customer]:
    series = run.series
    day = local_day(series, run.run_at) - timedelta(series.rule["days"])
    begin, end = _midnight(series, day), _midnight(series, day + timedelta(days=1))
    last = (
        SeriesRun.objects.filter(series=series, state=RunState.STARTED, run_at__lt=run.run_at)
        .order_by("-run_at")
        .first()
    )
    if last is not None:
        covered = local_day(series, last.run_at) - timedelta(series.rule["days"] - 1)
        begin = max(_midnight(series, covered), begin - LOOK_BACK)
    found = customers.filter(
        pk__in=Customer.objects.filter(
            orders__ordered_at__gte=begin, orders__ordered_at__lt=end, orders__state__in=BOUGHT
        ).values("pk")
    )
    pause = timedelta(series.rule.get("pause_days", 0))
    return found.filter(~Exists(_told_since(run, pause))) if pause else found


def _told_since(run: SeriesRun, span: timedelta) -> QuerySet[Delivery]:
    earlier = SeriesRun.objects.filter(
        series=run.series, run_at__gt=run.run_at - span, run_at__lt=run.run_at
    ).exclude(campaign=None)
    return Delivery.objects.filter(
        customer=OuterRef("pk"), campaign__in=earlier.values("campaign")
    ).exclude(state__in=[DeliveryState.SKIPPED, DeliveryState.CANCELLED])


def _midnight(series: Series, day: date) -> datetime:
    return WallTime(datetime.combine(day, time()), series.zone).moment
