"""Four eyes: asking for approval, giving it, sending back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.moves import move
from campaigns.approval import approvers, digest_of, may_approve
from campaigns.enums import CampaignState
from campaigns.models import Campaign
from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.enums import NoticeKind, StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff
from contacts.saying import english, kept

UNAPPROVED: dict[str, Any] = {
    "approved_by": None,
    "approved_at": None,
    "asked_recipients": None,
    "asked_digest": "",
}
"""What a campaign that is a draft again has to forget."""

LONGEST_REASON = 300


def ask_for_approval(
    campaign: Campaign,
    recipients: int,
    *,
    actor: Staff | None,
    now: datetime,
    why: str = "asked",
    **changes: Any,
) -> None:
    """Let the campaign wait until somebody else approves so many recipients, and tell them.

    ``why`` is *asked* at scheduling; when planning finds that it is not what was approved, it is
    *grown* or *changed*.
    """
    with transaction.atomic():
        move(
            campaign,
            CampaignState.REVIEW,
            actor=actor,
            now=now,
            said={"recipients": recipients, "why": why},
            **UNAPPROVED | {"asked_recipients": recipients, "asked_digest": digest_of(campaign)},
            **changes,
        )
        own = {campaign.created_by_id, campaign.scheduled_by_id}
        who = approvers().exclude(pk__in=[pk for pk in own if pk])
        _tell(campaign, list(who.values_list("pk", flat=True)), "approval", now=now, n=recipients)


def approve_campaign(campaign: Campaign, *, actor: Staff, now: datetime) -> None:
    """Let a campaign that waits for approval go out at its time, or at once if that has passed.

    Raises ``RuleBroken`` for whoever made or scheduled it, and for people who may not approve.
    """
    _check_approver(campaign, actor)
    with transaction.atomic():
        send_at = max(campaign.send_at or now, now)
        _answer(
            campaign,
            CampaignState.SCHEDULED,
            actor=actor,
            now=now,
            send_at=send_at,
            approved_by=actor,
            approved_at=now,
        )
        record(
            campaign,
            "campaign.approved",
            actor=actor,
            at=now,
            data={"recipients": campaign.asked_recipients},
        )


def send_back_campaign(campaign: Campaign, *, reason: str, actor: Staff, now: datetime) -> None:
    """Make a campaign that waits for approval a draft again, and tell its maker why."""
    _check_approver(campaign, actor)
    why = reason.strip()[:LONGEST_REASON]
    if not why:
        raise RuleBroken(_("Say why, so that it can be mended."))
    with transaction.atomic():
        scheduled_by = campaign.scheduled_by_id
        _answer(campaign, CampaignState.DRAFT, actor=actor, now=now, send_at=None, **UNAPPROVED)
        record(campaign, "campaign.sent_back", actor=actor, at=now, data={"why": why})
        people = [pk for pk in (campaign.created_by_id, scheduled_by) if pk]
        _tell(campaign, people, "sent_back", now=now)


def give_back_campaign(
    campaign: Campaign, why: RuleBroken, *, now: datetime, also: Iterable[Staff] = ()
) -> None:
    """Make a campaign that may not be planned a draft again, and say why.

    Whoever made or scheduled it is told, unless they have departed; ``also`` are others who can
    put it right.
    """
    who = {person.pk for person in also}
    for person in (campaign.created_by, campaign.scheduled_by):
        if person and person.state != StaffState.DEPARTED:
            who.add(person.pk)
    with transaction.atomic():
        move(campaign, CampaignState.DRAFT, actor=None, now=now, send_at=None, **UNAPPROVED)
        record(campaign, "campaign.not_planned", actor=None, at=now, data=why_told(why))
        _tell(campaign, sorted(who), "held_back", now=now)


def why_told(why: RuleBroken) -> dict[str, Any]:
    """Return what history says of a refusal: in English, and so that any language can be read."""
    sentence = kept(why)
    return {"why": english(sentence), "said": sentence}


def tell_maker(campaign: Campaign, what: str, *, now: datetime) -> None:
    """Tell whoever made a campaign that it needs them."""
    _tell(campaign, [campaign.created_by_id] if campaign.created_by_id else [], what, now=now)


def _check_approver(campaign: Campaign, actor: Staff) -> None:
    if actor.pk in {campaign.created_by_id, campaign.scheduled_by_id}:
        raise RuleBroken(_("Somebody else has to decide about what you made or scheduled."))
    if not may_approve(campaign, actor):
        raise RuleBroken(_("Marketers and administrators of the whole company approve campaigns."))


def _answer(campaign: Campaign, to: CampaignState, **changes: Any) -> None:
    """Only from review: a draft is scheduled otherwise."""
    if campaign.state != CampaignState.REVIEW:
        raise MovedOn(_("This campaign does not wait for approval."))
    asked = campaign.asked_recipients, campaign.asked_digest
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if (locked.asked_recipients, locked.asked_digest) != asked:
            raise MovedOn(_("Someone else has just changed this campaign."))
        move(campaign, to, **changes)


def _tell(campaign: Campaign, people: list[int], what: str, *, now: datetime, n: int = 0) -> None:
    notify(
        people,
        NoticeKind.CAMPAIGN,
        key=f"campaign-{what}-{campaign.pk}-{now:%Y%m%d%H%M%S%f}",
        now=now,
        data={"what": what, "campaign": campaign.pk, "name": campaign.name, "n": n},
    )
