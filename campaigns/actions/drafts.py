"""Keeping what is typed into the campaign editor until it has become a campaign."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from campaigns.actions.rewriting import base_of
from campaigns.models import Campaign, CampaignDraft
from contacts.errors import MovedOn, broken_constraint
from contacts.models import Staff

Typed = Mapping[str, Sequence[str]]


def draft_of(staff: Staff, campaign: Campaign | None) -> CampaignDraft | None:
    """Return what the person has typed about this campaign, or about a new one."""
    return CampaignDraft.objects.filter(staff=staff, campaign=campaign).first()


def keep_draft(
    staff: Staff,
    campaign: Campaign | None,
    typed: Typed,
    *,
    seen: int,
    window: str,
    now: datetime,
) -> CampaignDraft:
    """Keep these inputs beside those kept before.

    ``seen`` is the version that the person had before their eyes, 0 for none; a window may always
    save over what it saved itself. Raises ``MovedOn``, and keeps nothing, if another window has
    saved since.
    """
    values = {name: list(found) for name, found in typed.items()}
    with transaction.atomic():
        own = CampaignDraft.objects.select_for_update().filter(staff=staff, campaign=campaign)
        draft = own.first()
        if draft and all(draft.fields.get(name) == found for name, found in values.items()):
            return draft  # the save of a page that is being left may come after the next was opened
        if draft is None or (draft.version != seen and draft.window != window):
            return _begin(staff, campaign, values, seen=seen, window=window, now=now)
        draft.fields |= values
        draft.window, draft.saved_at = window, now
        draft.version += 1
        draft.save(update_fields=["fields", "window", "saved_at", "version"])
    return draft


def _begin(
    staff: Staff,
    campaign: Campaign | None,
    values: dict[str, list[str]],
    *,
    seen: int,
    window: str,
    now: datetime,
) -> CampaignDraft:
    elsewhere = MovedOn(
        _("This draft was changed in another window. Nothing was overwritten, here or there.")
    )
    if seen:
        raise elsewhere
    try:
        with transaction.atomic():
            return CampaignDraft.objects.create(
                staff=staff,
                campaign=campaign,
                fields=values,
                base=base_of(campaign) if campaign else {},
                window=window,
                saved_at=now,
            )
    except IntegrityError as error:
        if broken_constraint(error) != "campaign_draft_once":
            raise
        raise elsewhere from error


def follow_campaign(draft: CampaignDraft, campaign: Campaign) -> None:
    """Keep what was typed as the draft of this campaign, which has just been written from it."""
    CampaignDraft.objects.filter(pk=draft.pk).update(
        campaign=campaign, base=base_of(campaign), version=F("version") + 1
    )


def drop_draft(staff: Staff, campaign: Campaign | None) -> None:
    """Throw away what was typed."""
    CampaignDraft.objects.filter(staff=staff, campaign=campaign).delete()
