"""Series run as long as whoever answers for them may reach their customers; who resumes one does."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.series import resume_series, run_series
from campaigns.models import Series, SeriesRun
from contacts.enums import Role, StaffState
from contacts.errors import RuleBroken
from crm.access import Viewer, viewer_for
from crm.audiences import check_segment_reach, is_within_reach


def run_series_due(series_id: int, *, now: datetime) -> SeriesRun | None:
    """Make the campaign of a series whose time has come; returns the run, if there was one.

    Roles and stores change. If whoever answers for the series may not send to its customers any
    more, it is paused, and those who may are told.
    """
    return run_series(series_id, now=now, check=_check_maker)


def resume(series: Series, viewer: Viewer, *, now: datetime) -> None:
    """Go on with a series within one's own scope.

    Where its maker may not have it run any more, whoever resumes it answers for it from now on.
    Raises ``RuleBroken`` if its segment reaches beyond the scope, ``MovedOn`` if it is not paused.
    """
    check_segment_reach(series.segment, viewer)
    with transaction.atomic():
        resume_series(series, actor=viewer.staff, now=now)
        if not _maker_may_send(series):
            Series.objects.filter(pk=series.pk).update(created_by=viewer.staff)


def _check_maker(series: Series) -> None:
    if not _maker_may_send(series):
        raise RuleBroken(
            _(
                "Whoever answers for this series may no longer reach all its customers. Somebody who may has to resume it."
            )
        )


def _maker_may_send(series: Series) -> bool:
    """Whether whoever made the series is at work, as a marketer who reaches its whole segment."""
    maker = series.created_by
    if maker is None or maker.state not in {StaffState.ACTIVE, StaffState.LEAVING}:
        return False
    viewer = viewer_for(maker)
    if not viewer.has(Role.MARKETER, Role.ADMINISTRATOR):
        return False
    if viewer.stores_for(Role.MARKETER) is None:
        return True
    try:
        return is_within_reach(series.segment.rule, viewer)
    except RuleBroken:  # nothing of it lies in scope
        return False
