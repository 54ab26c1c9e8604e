"""Series: campaigns that are made again and again, by the calendar or by what customers do."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from campaigns.enums import RunState, SeriesKind, SeriesState
from campaigns.models.campaigns import MOST_CONVERSION_DAYS, USUAL_CONVERSION_DAYS, Campaign
from campaigns.models.contents import Content
from campaigns.models.experiments import MOST_CONTROL
from campaigns.models.segments import Segment
from contacts.enums import Purpose
from contacts.models import Staff

LONGEST_SENDING = 720
"""Hours, a month: after them nothing of a run is news any more."""


class Series(models.Model):
    """A message that goes out at ``at_time`` of ``zone``'s clock, on each day that ``rule`` names.

    Every run makes an ordinary campaign. A *repeat* reaches its whole segment; a *birthday* or an
    *after purchase* series looks every day for those of its segment whose day it is. What a
    ``rule`` may say is told by ``campaigns.calendar``. ``until`` is the last day.

    The options are passed on to each run's campaign: what has not gone out ``send_for_hours`` after
    the run began is missed, and a control group of ``control_share`` per cent gets nothing.
    """

    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="series")
    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="series")
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="series", null=True, blank=True
    )

    name = models.CharField(max_length=80)
    channel = models.CharField(max_length=12)
    purpose = models.CharField(max_length=12, choices=Purpose.choices, default=Purpose.CAMPAIGN)
    subject = models.CharField(max_length=200, blank=True)
    html = models.TextField(blank=True)
    kind = models.CharField(max_length=16, choices=SeriesKind.choices)
    rule = models.JSONField(default=dict)
    zone = models.CharField(max_length=64)
    at_time = models.TimeField()
    starts_on = models.DateField()
    until = models.DateField(null=True, blank=True)

    skip_if_in_another = models.BooleanField(default=False, db_default=False)
    track_clicks = models.BooleanField(default=True, db_default=True)
    track_opens = models.BooleanField(default=True, db_default=True)
    conversion_days = models.PositiveSmallIntegerField(
        default=USUAL_CONVERSION_DAYS, db_default=USUAL_CONVERSION_DAYS
    )
    send_for_hours = models.PositiveSmallIntegerField(null=True, blank=True)
    control_share = models.PositiveSmallIntegerField(default=0, db_default=0)

    state = models.CharField(max_length=8, choices=SeriesState.choices, default=SeriesState.ACTIVE)
    state_at = models.DateTimeField()
    next_run_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "series"
        indexes = [
            # The sweeper: series whose next run is due.
            models.Index(fields=["next_run_at"], condition=Q(state="active"), name="series_due"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=SeriesKind.values), name="series_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(purpose__in=Purpose.values), name="series_purpose_known"
            ),
            models.CheckConstraint(
                condition=Q(state="active", next_run_at__isnull=False)
                | Q(state__in=["paused", "ended"], next_run_at=None),
                name="series_active_has_next_run",
            ),
            models.CheckConstraint(
                condition=Q(conversion_days__lte=MOST_CONVERSION_DAYS),
                name="series_conversion_within_90_days",
            ),
            models.CheckConstraint(
                condition=Q(send_for_hours=None)
                | Q(send_for_hours__gte=1, send_for_hours__lte=LONGEST_SENDING),
                name="series_sends_for_a_month_at_most",
            ),
            models.CheckConstraint(
                condition=Q(control_share__lte=MOST_CONTROL), name="series_control_at_most_half"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SeriesRun(models.Model):
    """One moment at which a series was due, and what came of it; never twice for one moment."""

    series = models.ForeignKey(
        Series, on_delete=models.PROTECT, related_name="runs", db_index=False
    )
    campaign = models.OneToOneField(
        Campaign, on_delete=models.PROTECT, related_name="run", null=True, blank=True
    )

    run_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RunState.choices)
    why = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "run_at"], name="series_run_once"),
            models.CheckConstraint(
                condition=Q(state="started", campaign__isnull=False)
                | Q(state__in=["missed", "refused"], campaign=None),
                name="series_run_started_has_campaign",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.series_id} at {self.run_at}"
