"""Changing a campaign before it is planned, and making another one like it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from campaigns.actions.approvals import UNAPPROVED
from campaigns.actions.moves import move
from campaigns.actions.wordings import Wording, check_words
from campaigns.enums import CampaignState
from campaigns.html import clean_html
from campaigns.models import Campaign, Experiment, Variant
from campaigns.segments import check_rule
from contacts.actions.history import record
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff

LONGEST_NAME = 120
CHANGEABLE = frozenset(
    {
        "name",
        "content",
        "segment",
        "subject",
        "html",
        "send_until",
        "purpose",
        "skip_if_in_another",
        "track_clicks",
        "track_opens",
        "conversion_days",
    }
)
_COPIED = (
    "content",
    "segment",
    "channel",
    "purpose",
    "skip_if_in_another",
    "subject",
    "html",
    "track_clicks",
    "track_opens",
    "conversion_days",
)


def change_campaign(
    campaign: Campaign, changes: Mapping[str, Any], *, actor: Staff | None, now: datetime
) -> None:
    """Change what is said, to whom or how; what was scheduled or approved is a draft again.

    Raises ``RuleBroken`` if it cannot be sent like this, ``MovedOn`` once it is planned.
    """
    if set(changes) - CHANGEABLE:
        raise RuleBroken(_("This cannot be changed."))
    if campaign.segment_id is None:
        raise RuleBroken(_("An announcement says what its handover says."))
    with open_for_change(campaign, "campaign.changed", actor=actor, now=now):
        for field, value in changes.items():
            setattr(campaign, field, clean_html(value) if field == "html" else value)
        _check(campaign, now=now)
        campaign.name = campaign.name.strip()[:LONGEST_NAME]
        campaign.save(update_fields=[*changes])


@contextmanager
def open_for_change(
    campaign: Campaign, action: str, *, actor: Staff | None, now: datetime
) -> Iterator[None]:
    """Hold a campaign that is not planned yet, as a draft, while something of it changes.

    Raises ``MovedOn`` once it is planned or cancelled.
    """
    with transaction.atomic():
        locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
        if locked.planned_at is not None or locked.closed_at is not None:
            raise MovedOn(_("This campaign is no draft any more."))
        if locked.state != CampaignState.DRAFT:
            move(locked, CampaignState.DRAFT, actor=actor, now=now, send_at=None, **UNAPPROVED)
        campaign.refresh_from_db()
        yield
        record(campaign, action, actor=actor, at=now)


def clone_campaign(campaign: Campaign, *, actor: Staff | None, now: datetime) -> Campaign:
    """Draft a campaign with the same words, segment and split; whatever became of the first.

    Raises ``RuleBroken`` for announcements, which belong to their handover.
    """
    if campaign.segment_id is None:
        raise RuleBroken(_("An announcement belongs to its handover. Draft a campaign instead."))
    name = _("%(name)s (copy)") % {"name": campaign.name[: LONGEST_NAME - 10]}
    with transaction.atomic():
        copy = Campaign.objects.create(
            **{field: getattr(campaign, field) for field in _COPIED},
            name=name[:LONGEST_NAME],
            created_by=actor,
            state_at=now,
            created_at=now,
        )
        _copy_split(campaign, copy)
        record(copy, "campaign.created", actor=actor, at=now, data={"like": campaign.pk})
    return copy


def _copy_split(campaign: Campaign, copy: Campaign) -> None:
    experiment = Experiment.objects.filter(campaign=campaign).first()
    if experiment is None:
        return
    Experiment.objects.create(
        campaign=copy,
        control_share=experiment.control_share,
        test_share=experiment.test_share,
        winner_rule=experiment.winner_rule,
        winner_after_hours=experiment.winner_after_hours,
    )
    words = ("number", "share", "subject", "text", "html")
    Variant.objects.bulk_create(
        Variant(campaign=copy, **values) for values in campaign.variants.values(*words)
    )


def _check(campaign: Campaign, *, now: datetime) -> None:
    if not campaign.name.strip():
        raise RuleBroken(_("Give the campaign a name."))
    if campaign.content is not None:
        wording = Wording(subject=campaign.subject, html=campaign.html)
        check_words(campaign.content, campaign.channel, wording)
    if campaign.segment is not None:
        check_rule(campaign.segment.rule)
    if campaign.send_until and campaign.send_until <= now:
        raise RuleBroken(_("The time until which it may be sent has passed."))
