"""The one function that walks the arrows of ``CAMPAIGN_MOVES``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.enums import CAMPAIGN_MOVES, CampaignState
from campaigns.models import Campaign
from contacts.actions.history import record
from contacts.errors import MovedOn
from contacts.models import Staff
from contacts.saying import gettext as _

TRIES = 3


def move(
    campaign: Campaign,
    to: CampaignState,
    *,
    actor: Staff | None,
    now: datetime,
    said: Mapping[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move the campaign along one arrow of ``CAMPAIGN_MOVES``, and say so in its history.

    The update repeats the old state in its WHERE clause, so of two people who press a button
    at the same moment exactly one wins and the other gets ``MovedOn``.
    """
    came_from = CampaignState(campaign.state)
    if to not in CAMPAIGN_MOVES[came_from]:
        raise MovedOn(
            _("A campaign that is %(state)s cannot become %(to)s.")
            % {"state": came_from.label, "to": to.label}
        )
    with transaction.atomic():
        moved = Campaign.objects.filter(
            pk=campaign.pk, state=came_from, planned_at=campaign.planned_at
        ).update(state=to, state_at=now, **changes)
        if not moved:
            raise MovedOn(_("Someone else has just changed this campaign."))
        record(campaign, f"campaign.{to.value}", actor=actor, at=now, data=said)
    campaign.refresh_from_db()


def move_at_any_moment(
    campaign: Campaign, to: CampaignState, *, actor: Staff | None, now: datetime, **changes: Any
) -> None:
    """Do the same also when a worker has moved the campaign on since the person looked.

    Who pauses or cancels means it whether the campaign is just being planned or sends already.
    Raises ``MovedOn`` if it has come to where this cannot be done, as when somebody else did it.
    """
    for attempt in range(1, TRIES + 1):
        try:
            move(campaign, to, actor=actor, now=now, **changes)
        except MovedOn:
            came_from = campaign.state
            campaign.refresh_from_db()
            if attempt == TRIES or campaign.state == came_from:
                raise
        else:
            return
