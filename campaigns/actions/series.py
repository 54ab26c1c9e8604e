"""Series: making them, and making a campaign of each when its time has come."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from campaigns.actions.approvals import why_told
from campaigns.actions.campaigns import Tracking, create_campaign, schedule_campaign
from campaigns.actions.experiments import Trial, set_experiment
from campaigns.actions.wordings import Wording, check_sendable
from campaigns.approval import approvers
from campaigns.calendar import check_series_rule, local_day, next_run, zone_named
from campaigns.enums import RunState, SeriesState
from campaigns.models import Series, SeriesRun
from campaigns.models.campaigns import MOST_CONVERSION_DAYS
from campaigns.models.experiments import MOST_CONTROL
from campaigns.models.series import LONGEST_SENDING
from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.enums import NoticeKind, Purpose, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff
from contacts.saying import gettext as _
from contacts.saying import kept_text

LATEST = timedelta(hours=6)
"""A run that is later than this does not start any more; it is written down as missed."""

YEARS = range(2000, 2200)
"""Days in which a series may run; at the edges of the calendar time zones do not exist."""

MOST_MISSED = 400
LONGEST_WHY = 300
CHANGEABLE = frozenset(
    {
        "name", "content", "segment", "channel", "purpose", "subject", "html", "kind", "rule",
        "zone", "at_time", "starts_on", "until", "skip_if_in_another", "track_clicks",
        "track_opens", "conversion_days", "send_for_hours", "control_share",
    }
)  # fmt: skip
_TOLD = sorted(CHANGEABLE)


def create_series(values: Mapping[str, Any], *, actor: Staff | None, now: datetime) -> Series:
    """Make a series, active from its first day on. Raises ``RuleBroken`` if it cannot run."""
    series = Series(**values, created_by=actor, state_at=now, created_at=now)
    _check(series)
    series.next_run_at = _next_run(series, now)
    with transaction.atomic():
        series.save()
        record(series, "series.created", actor=actor, at=now)
    return series


def base_of(series: Series) -> str:
    """Return what tells whether somebody else has changed a series meanwhile."""
    told = [str(getattr(series, f"{field}_id", getattr(series, field))) for field in _TOLD]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()


def change_series(
    series: Series,
    changes: Mapping[str, Any],
    *,
    actor: Staff | None,
    now: datetime,
    base: str = "",
) -> None:
    """Change a series from its next run on; campaigns that it has made stay as they are.

    Raises ``MovedOn`` if it has ended, or is not the one that ``base`` tells of; ``RuleBroken`` if
    it could not run like this.
    """
    if set(changes) - CHANGEABLE:
        raise RuleBroken(_("This cannot be changed."))
    with transaction.atomic():
        locked = Series.objects.select_for_update(no_key=True).get(pk=series.pk)
        if locked.state == SeriesState.ENDED:
            raise MovedOn(_("This series has ended."))
        if base and base != base_of(locked):
            raise MovedOn(
                _("Somebody else has changed this series since you began. Start from theirs.")
            )
        for field, value in changes.items():
            setattr(locked, field, value)
        _check(locked)
        if locked.state == SeriesState.ACTIVE:
            locked.next_run_at = _next_run(locked, now)
        locked.save()
        record(locked, "series.changed", actor=actor, at=now)
    series.refresh_from_db()


def pause_series(series: Series, *, actor: Staff | None, now: datetime) -> None:
    """Make no campaign of it until it is resumed; those that it has made go on."""
    _move(series, SeriesState.ACTIVE, SeriesState.PAUSED, actor=actor, now=now, next_run_at=None)


def resume_series(series: Series, *, actor: Staff | None, now: datetime) -> None:
    """Go on with the next run; what fell into the pause is not made up for."""
    _check(series)
    at = _next_run(series, now)
    _move(series, SeriesState.PAUSED, SeriesState.ACTIVE, actor=actor, now=now, next_run_at=at)


def end_series(series: Series, *, actor: Staff | None, now: datetime) -> None:
    """Make no campaign of it any more, for good."""
    if series.state == SeriesState.ENDED:
        raise MovedOn(_("This series has ended."))
    came_from = SeriesState(series.state)
    _move(series, came_from, SeriesState.ENDED, actor=actor, now=now, next_run_at=None)


def pause_series_of(staff: Staff, successor: Staff | None, *, now: datetime) -> None:
    """Let nothing go out because somebody who has left had planned it: a colleague looks first."""
    theirs = Series.objects.filter(created_by=staff).exclude(state=SeriesState.ENDED)
    for series in theirs.filter(state=SeriesState.ACTIVE).order_by("pk"):
        pause_series(series, actor=None, now=now)
    theirs.update(created_by=successor)


def _anybody(_series: Series) -> None:
    """Whoever answers for the series, it may run."""


def run_series(
    series_id: int, *, now: datetime, check: Callable[[Series], None] = _anybody
) -> SeriesRun | None:
    """Make the campaign of a series whose time has come; returns the run, if there was one.

    ``check`` raises ``RuleBroken`` if whoever answers for the series may not have it run any more:
    then it is paused, and those who can resume it are told. Of several that are due, as after a
    night without a server, only the newest starts, and only if it is not too late; the others are
    written down as missed. Called twice it runs once.
    """
    with transaction.atomic():
        series = (
            Series.objects.select_for_update(of=("self",), no_key=True)
            .select_related("content", "segment", "created_by")
            .filter(pk=series_id, state=SeriesState.ACTIVE, next_run_at__lte=now)
            .first()
        )
        if series is None or series.next_run_at is None:
            return None
        try:
            check(series)
        except RuleBroken as error:
            return _pause_unfit(series, series.next_run_at, error, now=now)
        due, upcoming = _due(series, now)
        newest = due.pop()
        SeriesRun.objects.bulk_create(
            SeriesRun(series=series, run_at=at, state=RunState.MISSED, created_at=now)
            for at in due[-MOST_MISSED:]
        )
        if now - newest > LATEST:
            run = SeriesRun.objects.create(
                series=series, run_at=newest, state=RunState.MISSED, created_at=now
            )
        else:
            run = _start(series, newest, now=now)
        over = upcoming is None
        Series.objects.filter(pk=series.pk).update(
            next_run_at=upcoming,
            **({"state": SeriesState.ENDED, "state_at": now} if over else {}),
        )
        if over:
            record(series, "series.ended", actor=None, at=now)
    return run


def _due(series: Series, now: datetime) -> tuple[list[datetime], datetime | None]:
    """Return the moments that have come, oldest first, and the first that has not."""
    due: list[datetime] = []
    at = series.next_run_at
    while at is not None and at <= now:
        due.append(at)
        at = next_run(series, after=at)
    return due, at


def _start(series: Series, run_at: datetime, *, now: datetime) -> SeriesRun:
    try:
        with transaction.atomic():
            campaign = create_campaign(
                name=f"{series.name} {local_day(series, run_at):%Y-%m-%d}",
                content=series.content,
                segment=series.segment,
                channel=series.channel,
                purpose=series.purpose,
                wording=Wording(subject=series.subject, html=series.html),
                send_until=_end_of_sending(series, now),
                skip_if_in_another=series.skip_if_in_another,
                tracking=Tracking(series.track_clicks, series.track_opens, series.conversion_days),
                actor=series.created_by,
                now=now,
            )
            if series.control_share:
                trial = Trial(control_share=series.control_share)
                set_experiment(campaign, trial, actor=series.created_by, now=now)
            run = SeriesRun.objects.create(
                series=series,
                campaign=campaign,
                run_at=run_at,
                state=RunState.STARTED,
                created_at=now,
            )
            schedule_campaign(campaign, send_at=now, actor=series.created_by, now=now)
            data = {"campaign": campaign.pk}
            record(series, "series.run", actor=None, at=now, data=data)
    except RuleBroken as error:
        makers = [series.created_by_id] if series.created_by_id else []
        return _refuse(series, run_at, error, tell=makers, now=now)
    return run


def _end_of_sending(series: Series, now: datetime) -> datetime | None:
    return now + timedelta(hours=series.send_for_hours) if series.send_for_hours else None


def _pause_unfit(series: Series, run_at: datetime, why: RuleBroken, *, now: datetime) -> SeriesRun:
    pause_series(series, actor=None, now=now)
    who = [*approvers().values_list("pk", flat=True)]
    if series.created_by and series.created_by.state != StaffState.DEPARTED:
        who.append(series.created_by.pk)
    return _refuse(series, run_at, why, what="series_paused", tell=who, now=now)


def _refuse(
    series: Series,
    run_at: datetime,
    why: RuleBroken,
    *,
    tell: Iterable[int],
    now: datetime,
    what: str = "series",
) -> SeriesRun:
    record(series, "series.not_run", actor=None, at=now, data=why_told(why))
    notify(
        tell,
        NoticeKind.CAMPAIGN,
        key=f"series-{series.pk}-{run_at:%Y%m%d%H%M}",
        now=now,
        data={"what": what, "series": series.pk, "name": series.name},
    )
    return SeriesRun.objects.create(
        series=series,
        run_at=run_at,
        state=RunState.REFUSED,
        why=kept_text(why, longest=LONGEST_WHY),
        created_at=now,
    )


def _move(
    series: Series,
    came_from: SeriesState,
    to: SeriesState,
    *,
    actor: Staff | None,
    now: datetime,
    next_run_at: datetime | None,
) -> None:
    with transaction.atomic():
        moved = Series.objects.filter(pk=series.pk, state=came_from).update(
            state=to, state_at=now, next_run_at=next_run_at
        )
        if not moved:
            raise MovedOn(_("Someone else has just changed this series."))
        action = {
            SeriesState.ACTIVE: "series.resumed",
            SeriesState.PAUSED: "series.paused",
            SeriesState.ENDED: "series.ended",
        }[to]
        record(series, action, actor=actor, at=now)
    series.refresh_from_db()


def _next_run(series: Series, now: datetime) -> datetime:
    at = next_run(series, after=now)
    if at is None:
        raise RuleBroken(_("This series would never run. Choose later days."))
    return at


def _check(series: Series) -> None:
    if not series.name.strip():
        raise RuleBroken(_("Give the series a name."))
    if series.purpose not in Purpose.values:
        raise RuleBroken(_("There is no purpose “%(name)s”.") % {"name": series.purpose})
    zone_named(series.zone)
    check_series_rule(series.kind, series.rule)
    if any(day.year not in YEARS for day in (series.starts_on, series.until) if day):
        raise RuleBroken(_("This day is out of range."))
    if series.until and series.until < series.starts_on:
        raise RuleBroken(_("A series ends after it begins."))
    if not 0 <= series.conversion_days <= MOST_CONVERSION_DAYS:
        raise RuleBroken(
            _("Count orders within at most %(most)s days.") % {"most": MOST_CONVERSION_DAYS}
        )
    if series.send_for_hours is not None and not 1 <= series.send_for_hours <= LONGEST_SENDING:
        raise RuleBroken(
            _("A run is sent within 1 to %(most)s hours, or however long it takes.")
            % {"most": LONGEST_SENDING}
        )
    if not 0 <= series.control_share <= MOST_CONTROL:
        raise RuleBroken(_("A control group takes at most half of the recipients."))
    wording = Wording(subject=series.subject, html=series.html)
    check_sendable(series.content, series.segment, series.channel, wording)
