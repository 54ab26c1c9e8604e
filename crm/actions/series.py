"""Series run as long as whoever answers for them may reach their customers; who resumes one does."""

from datetime import datetime

from django.db import transaction

from campaigns.actions.series import resume_series, run_series
from campaigns.models import Series, SeriesRun
from contacts.errors import RuleBroken
from contacts.saying import gettext as _
from crm.access import Viewer
from crm.actions.scheduling import ring_if_due
from crm.audiences import check_segment_reach, why_not_to_all


def run_series_due(series_id: int, *, now: datetime) -> SeriesRun | None:
    """Make the campaign of a series whose time has come; returns the run, if there was one.

    Roles and stores change. If whoever answers for the series may not send to its customers any
    more, it is paused, and those who may are told. What need not be approved is planned at once.
    """
    with transaction.atomic():
        run = run_series(series_id, now=now, check=_check_maker)
        if run and run.campaign:
            ring_if_due(run.campaign, now)
    return run


def resume(series: Series, viewer: Viewer, *, now: datetime) -> None:
    """Go on with a series within one's own scope.

    Where its maker may not have it run any more, whoever resumes it answers for it from now on.
    Raises ``RuleBroken`` if its segment reaches beyond the scope, ``MovedOn`` if it is not paused.
    """
    check_segment_reach(series.segment, viewer)
    with transaction.atomic():
        resume_series(series, actor=viewer.staff, now=now)
        if why_not_to_all(series.segment, series.created_by):
            Series.objects.filter(pk=series.pk).update(created_by=viewer.staff)


def _check_maker(series: Series) -> None:
    if why_not_to_all(series.segment, series.created_by):
        raise RuleBroken(
            _(
                "Whoever answers for this series may no longer reach all its customers. Somebody who may has to resume it."
            )
        )
