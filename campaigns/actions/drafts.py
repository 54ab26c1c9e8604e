"""Keeping what is typed about a campaign or a series until it has become one."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from campaigns.actions.rewriting import base_of
from campaigns.models import Campaign, CampaignDraft, Series, SeriesDraft
from campaigns.models.drafts import Draft
from contacts.errors import MovedOn, broken_constraint
from contacts.models import Staff

Kind = TypeVar("Kind", bound=Draft)
Typed = Mapping[str, Sequence[str]]

ONCE = frozenset({"campaign_draft_once", "series_draft_once"})


def draft_of(staff: Staff, campaign: Campaign | None) -> CampaignDraft | None:
    """Return what the person has typed about this campaign, or about a new one."""
    return CampaignDraft.objects.filter(staff=staff, campaign=campaign).first()


def series_draft_of(staff: Staff, series: Series | None) -> SeriesDraft | None:
    """Return what the person has typed about this series, or about a new one."""
    return SeriesDraft.objects.filter(staff=staff, series=series).first()


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

    def begun() -> CampaignDraft:
        base = base_of(campaign) if campaign else {}
        return CampaignDraft(staff=staff, campaign=campaign, base=base)

    own = CampaignDraft.objects.filter(staff=staff, campaign=campaign)
    return _keep(own, begun, typed, seen=seen, window=window, now=now)


def keep_series_draft(
    staff: Staff,
    series: Series | None,
    typed: Typed,
    *,
    seen: int,
    window: str,
    now: datetime,
) -> SeriesDraft:
    """Keep what was typed about a series, as ``keep_draft`` does about a campaign."""

    def begun() -> SeriesDraft:
        return SeriesDraft(staff=staff, series=series)

    own = SeriesDraft.objects.filter(staff=staff, series=series)
    return _keep(own, begun, typed, seen=seen, window=window, now=now)


def _keep(
    own: QuerySet[Kind],
    begun: Callable[[], Kind],
    typed: Typed,
    *,
    seen: int,
    window: str,
    now: datetime,
) -> Kind:
    values = {name: list(found) for name, found in typed.items()}
    with transaction.atomic():
        draft = own.select_for_update().first()
        if draft and all(draft.fields.get(name) == found for name, found in values.items()):
            return draft  # the save of a page that is being left may come after the next was opened
        elsewhere = MovedOn(
            _("This draft was changed in another window. Nothing was overwritten, here or there.")
        )
        if draft is None:
            if seen:
                raise elsewhere
            return _begin(begun(), values, elsewhere, window=window, now=now)
        if draft.version != seen and draft.window != window:
            raise elsewhere
        draft.fields |= values
        draft.window, draft.saved_at = window, now
        draft.version += 1
        draft.save(update_fields=["fields", "window", "saved_at", "version"])
    return draft


def _begin(
    draft: Kind, values: dict[str, list[str]], elsewhere: MovedOn, *, window: str, now: datetime
) -> Kind:
    """Keep the first inputs; raises ``elsewhere`` if another window was faster."""
    draft.fields, draft.window, draft.saved_at = values, window, now
    try:
        with transaction.atomic():
            draft.save(force_insert=True)
    except IntegrityError as error:
        if broken_constraint(error) not in ONCE:
            raise
        raise elsewhere from error
    return draft


def follow_campaign(draft: CampaignDraft, campaign: Campaign) -> None:
    """Keep what was typed as the draft of this campaign, which has just been written from it."""
    CampaignDraft.objects.filter(pk=draft.pk).update(
        campaign=campaign, base=base_of(campaign), version=F("version") + 1
    )


def drop_draft(staff: Staff, campaign: Campaign | None) -> None:
    """Throw away what was typed about a campaign."""
    CampaignDraft.objects.filter(staff=staff, campaign=campaign).delete()


def drop_series_draft(staff: Staff, series: Series | None) -> None:
    """Throw away what was typed about a series."""
    SeriesDraft.objects.filter(staff=staff, series=series).delete()
