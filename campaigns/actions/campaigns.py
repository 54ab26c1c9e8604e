"""The life of a campaign, from draft to done: every arrow of ``CAMPAIGN_MOVES``."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from campaigns.actions.approvals import UNAPPROVED, ask_for_approval, give_back_campaign
from campaigns.actions.moves import move as _move
from campaigns.actions.moves import move_at_any_moment
from campaigns.actions.parts import remind
from campaigns.actions.stopping import stop_waiting
from campaigns.actions.wordings import Wording, check_sendable
from campaigns.approval import approvers, outgrown, recipients_to_ask_about
from campaigns.audience import freeze_audience
from campaigns.calendar import WallTime
from campaigns.channels import connector_for
from campaigns.enums import (
    BatchState,
    CampaignState,
    DeliveryReason,
    DeliveryState,
)
from campaigns.experiments import check_winner_is_told
from campaigns.models import Batch, Campaign, Content, Delivery, Experiment, Segment, Variant
from campaigns.queries import states_of
from campaigns.tasks import check_campaign, send_batches
from campaigns.tracking.links import register_links
from campaigns.tracking.tallies import begin_counting
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.enums import Purpose
from contacts.errors import MovedOn, RuleBroken
from contacts.fresh_statistics import know_fresh_tables
from contacts.models import Staff
from contacts.saying import gettext as _

LATEST_START = timedelta(days=366)
PUMPS = 3
"""How many workers are woken for one campaign; each sends batch after batch."""

YOUNGEST_TO_ASK = timedelta(seconds=60)
"""Results asked for right after sending are refused (WeCom errcode 41063)."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is counted of those who got a campaign."""

    track_clicks: bool = True
    track_opens: bool = True
    conversion_days: int = 7


def create_campaign(
    *,
    name: str,
    content: Content,
    segment: Segment,
    actor: Staff | None,
    now: datetime,
    channel: str = "wecom",
    wording: Wording | None = None,
    send_until: datetime | None = None,
    purpose: str = Purpose.CAMPAIGN,
    skip_if_in_another: bool = False,
    tracking: Tracking | None = None,
) -> Campaign:
    """Draft a campaign; ``tracking`` says what is counted, where that is not the usual.

    Raises ``RuleBroken`` if its words or its segment cannot be sent.
    """
    wording = wording or Wording()
    if not name.strip():
        raise RuleBroken(_("Give the campaign a name."))
    check_sendable(content, segment, channel, wording)
    if send_until and send_until <= now:
        raise RuleBroken(_("The time until which it may be sent has passed."))
    with transaction.atomic():
        campaign = Campaign.objects.create(
            name=name.strip()[:120],
            content=content,
            segment=segment,
            channel=channel,
            subject=wording.subject.strip(),
            html=wording.html,
            send_until=send_until,
            purpose=purpose,
            skip_if_in_another=skip_if_in_another,
            **asdict(tracking or Tracking()),
            created_by=actor,
            state_at=now,
            created_at=now,
        )
        record(campaign, "campaign.created", actor=actor, at=now)
    return campaign


def schedule_campaign(
    campaign: Campaign,
    *,
    send_at: datetime,
    actor: Staff | None,
    now: datetime,
    wall: WallTime | None = None,
) -> None:
    """Let the campaign go out at ``send_at``; a time that has passed means at once.

    It waits for the approval of somebody else first if it has so many recipients that the company
    asks for that. ``wall`` is kept with the campaign: the clock from which the time was read.
    """
    if send_at > now + LATEST_START:
        raise RuleBroken(_("Choose a time within the next year."))
    if campaign.state != CampaignState.DRAFT:
        raise MovedOn(_("This campaign is no draft any more."))
    check_winner_is_told(campaign)
    times: dict[str, Any] = {"send_at": max(send_at, now), "scheduled_by": actor}
    times |= _on_the_wall(wall)
    to_ask_about = recipients_to_ask_about(campaign, send_at=times["send_at"])
    if to_ask_about is not None:
        ask_for_approval(campaign, to_ask_about, actor=actor, now=now, **times)
        return
    _move(campaign, CampaignState.SCHEDULED, actor=actor, now=now, **times)


def schedule_by_the_clock(
    campaign: Campaign, wall: WallTime, *, actor: Staff | None, now: datetime
) -> None:
    """Let the campaign go out when a clock in some time zone shows a time that is still to come."""
    if wall.moment <= now:
        raise RuleBroken(_("This time has passed. Choose a later one, or send now."))
    schedule_campaign(campaign, send_at=wall.moment, wall=wall, actor=actor, now=now)


def reschedule_campaign(
    campaign: Campaign,
    *,
    send_at: datetime,
    actor: Staff | None,
    now: datetime,
    wall: WallTime | None = None,
) -> None:
    """Move a campaign that is scheduled or waits for approval to another time; approval holds."""
    if send_at > now + LATEST_START:
        raise RuleBroken(_("Choose a time within the next year."))
    if send_at <= now:
        raise RuleBroken(_("This time has passed. Choose a later one, or send now."))
    with transaction.atomic():
        moved = Campaign.objects.filter(
            pk=campaign.pk,
            state__in=[CampaignState.SCHEDULED, CampaignState.REVIEW],
            send_at=campaign.send_at,
        ).update(send_at=send_at, **_on_the_wall(wall))
        if not moved:
            raise MovedOn(_("Someone else has just changed this campaign."))
        record(campaign, "campaign.rescheduled", actor=actor, at=now)
    campaign.refresh_from_db()


def unschedule_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> None:
    """Make a scheduled campaign, or one that waits for approval, a draft again."""
    if campaign.planned_at is not None:
        raise MovedOn(_("This campaign is no draft any more."))
    _move(campaign, CampaignState.DRAFT, actor=actor, now=now, send_at=None, **UNAPPROVED)


def _on_the_wall(wall: WallTime | None) -> dict[str, str]:
    if wall is None:
        return {"local_time": "", "zone": ""}
    return {"local_time": wall.local.isoformat(timespec="seconds"), "zone": wall.zone}


def _anybody(_campaign: Campaign) -> None:
    """Whoever scheduled the campaign, it may go out."""


def plan_campaign(
    campaign_id: int, *, now: datetime, check: Callable[[Campaign], None] = _anybody
) -> bool:
    """Freeze the audience of a scheduled campaign whose time has come, and start sending.

    Returns whether this worker was the one to plan it. The words are copied onto the campaign:
    later edits of the content do not reach it. ``check`` raises ``RuleBroken`` if whoever
    scheduled it may not have it go out any more: then it is a draft again, and those who may
    schedule it are told. So it is if its segment cannot be run any more; its maker is told.
    """
    try:
        planned = _plan(campaign_id, now=now, check=check)
    except MovedOn:  # somebody paused, cancelled or took it back meanwhile: nothing is left of it
        return False
    if planned:
        advance_campaign(campaign_id, now=now)
    return planned


_PLANNING = 0x6C71
"""First half of the keys of the advisory locks under which campaigns are planned."""


def _plan(campaign_id: int, *, now: datetime, check: Callable[[Campaign], None]) -> bool:
    """Plan under a lock that keeps away other planners only, not those who press a button."""
    know_fresh_tables()
    with transaction.atomic():
        with connection.cursor() as cursor:
            key = [_PLANNING, campaign_id % 2**31]
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", key)
            (is_ours,) = cursor.fetchone()
        campaign = (
            Campaign.objects.select_related(
                "content", "segment", "handover", "created_by", "scheduled_by"
            )
            .filter(pk=campaign_id, state=CampaignState.SCHEDULED, send_at__lte=now)
            .first()
        )
        if not is_ours or campaign is None:
            return False
        try:
            check(campaign)
        except RuleBroken as error:
            _hold_unmoved(campaign)
            give_back_campaign(campaign, error, also=approvers(), now=now)
            return True
        try:
            total, skipped = _freeze(campaign, now=now)
        except RuleBroken as error:
            _hold_unmoved(campaign)
            give_back_campaign(campaign, error, now=now)
            return True
        except _NotApproved as error:
            _hold_unmoved(campaign)
            ask_for_approval(campaign, error.recipients, actor=None, now=now, why=error.why)
            return True
        _hold_unmoved(campaign)
        _move(
            campaign,
            CampaignState.PLANNED,
            actor=None,
            now=now,
            planned_at=now,
            recipients=total - skipped,
            skipped=skipped,
            text=campaign.words,
            attachments=campaign.content.attachments if campaign.content else [],
        )
        variants = _begin_experiment(campaign, now=now)
        register_links(
            campaign,
            texts=[campaign.text, *(variant.text for variant in variants)],
            htmls=[campaign.html, *(variant.html for variant in variants)],
        )
        begin_counting(campaign, now=now)
        for _pump in range(PUMPS):
            ring(send_batches, campaign.pk)
    return True


def _hold_unmoved(campaign: Campaign) -> None:
    """Raise ``MovedOn`` if the campaign was taken back while it was planned, even if only briefly."""
    unmoved = Campaign.objects.filter(
        pk=campaign.pk, state=campaign.state, state_at=campaign.state_at
    )
    if not unmoved.select_for_update(no_key=True).exists():
        raise MovedOn(_("Someone else has just changed this campaign."))


class _NotApproved(Exception):
    """So many recipients, or these words, are not what was approved."""

    def __init__(self, recipients: int, why: str) -> None:
        super().__init__(why)
        self.recipients = recipients
        self.why = why


def _freeze(campaign: Campaign, *, now: datetime) -> tuple[int, int]:
    """Freeze the audience; return how many that are and how many of them get nothing.

    Nothing is left of it if that needs an approval which the campaign does not have.
    """
    with transaction.atomic():
        total = freeze_audience(campaign, now=now)
        skipped = Delivery.objects.filter(campaign=campaign, state=DeliveryState.SKIPPED).count()
        if why := outgrown(campaign, total - skipped):
            raise _NotApproved(total - skipped, why)
    return total, skipped


def _begin_experiment(campaign: Campaign, *, now: datetime) -> list[Variant]:
    """Say when the best wording is to be found, if some wait for it; return the wordings."""
    experiment = Experiment.objects.filter(campaign=campaign).first()
    if experiment and experiment.winner_after_hours:
        held = Batch.objects.filter(campaign=campaign, state=BatchState.HELD)
        if held.exists():
            decide_at = now + timedelta(hours=experiment.winner_after_hours)
            Experiment.objects.filter(pk=experiment.pk).update(decide_at=decide_at)
    return list(campaign.variants.order_by("number"))


def pause_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> None:
    """Make no new call for this campaign from now on; one that is scheduled does not begin."""
    move_at_any_moment(campaign, CampaignState.PAUSED, actor=actor, now=now)


def resume_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> None:
    """Go on where the campaign was paused; one whose time has passed meanwhile begins at once."""
    if campaign.state != CampaignState.PAUSED:
        raise MovedOn(_("This campaign is not paused."))
    if campaign.planned_at is None:
        _move(campaign, CampaignState.SCHEDULED, actor=actor, now=now)
        return
    _move(campaign, CampaignState.SENDING, actor=actor, now=now)
    for _pump in range(PUMPS):
        ring(send_batches, campaign.pk)
    advance_campaign(campaign.pk, now=now)


def cancel_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> None:
    """Send nothing more, and withdraw what staff have not confirmed yet.

    What is in a call at this moment is still written down when the call returns, and withdrawn
    then. Who got the message before it was withdrawn stays *sent*: the results say so.
    """
    with transaction.atomic():
        move_at_any_moment(campaign, CampaignState.CANCELLED, actor=actor, now=now, closed_at=now)
        batches = Batch.objects.filter(campaign=campaign)
        stop_waiting(batches, DeliveryReason.NONE, now=now)
        batches.filter(state=BatchState.HANDED).update(next_attempt_at=now)
        ring(check_campaign, campaign.pk)


def remind_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> int:
    """Ask every sender who has not confirmed once more; returns how many batches that was.

    A batch is reminded at most three times in 24 hours (WeCom docs, ``remind_groupmsg_send``);
    those that have had theirs are left out. Raises ``RuleBroken`` if none is left to remind.
    """
    connector = connector_for(campaign.channel)
    waiting = Batch.objects.filter(
        campaign=campaign, state=BatchState.HANDED, confirmed_at=None
    ).order_by("pk")
    reminded = sum(remind(batch, connector, now=now) for batch in waiting)
    if not reminded:
        raise RuleBroken(_("Everybody has confirmed or was reminded three times in 24 hours."))
    record(campaign, "campaign.reminded", actor=actor, at=now, data={"batches": reminded})
    return reminded


def refresh_campaign(campaign: Campaign, *, now: datetime) -> None:
    """Have the channel asked now what has become of the campaign's batches.

    Batches that it got less than a minute ago are left out: it would refuse to answer.
    """
    Batch.objects.filter(
        campaign=campaign, state=BatchState.HANDED, handed_at__lte=now - YOUNGEST_TO_ASK
    ).update(next_attempt_at=now)
    ring(check_campaign, campaign.pk)


def advance_campaign(campaign_id: int, *, now: datetime) -> None:
    """Move the campaign on when its batches allow: sending → waiting for staff → done.

    Safe to call at any time and by anybody; each arrow is guarded.
    """
    states = set(
        Batch.objects.filter(campaign=campaign_id).values_list("state", flat=True).distinct()
    )
    campaign = Campaign.objects.get(pk=campaign_id)
    open_states = {BatchState.HELD, BatchState.WAITING, BatchState.SENDING}
    asked_states = {BatchState.HANDED, BatchState.UNCLEAR}
    if states & open_states:
        return
    if campaign.state not in {CampaignState.PLANNED, CampaignState.SENDING, CampaignState.WAITING}:
        return
    try:
        if campaign.state == CampaignState.PLANNED and states:
            _move(campaign, CampaignState.SENDING, actor=None, now=now)
        if states & asked_states:
            if campaign.state == CampaignState.SENDING:
                _move(campaign, CampaignState.WAITING, actor=None, now=now)
        else:
            said = {"states": {state.value: n for state, n in states_of(campaign).items()}}
            _move(campaign, CampaignState.DONE, actor=None, now=now, said=said, closed_at=now)
    except MovedOn:
        return  # another worker has just walked the same arrow


def begin_sending(campaign_id: int, *, now: datetime) -> None:
    """Mark a campaign as sending: its first batch has been claimed, or one waits once more."""
    idle = (CampaignState.PLANNED, CampaignState.WAITING)
    Campaign.objects.filter(pk=campaign_id, state__in=idle).update(
        state=CampaignState.SENDING, state_at=now
    )
