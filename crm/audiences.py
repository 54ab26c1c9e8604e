"""Whom a marketer may reach: a rule over customers, or stores, within the marketer's own scope."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from campaigns.enums import CampaignState, SeriesState
from campaigns.models import Campaign, Post, Segment, Series
from campaigns.queries import AudiencePreview, Period, audience_preview, preview_announcement
from campaigns.segments import MOST_VALUES, check_rule
from campaigns.splitting import split_of
from contacts.enums import Role, Scope, StaffState
from contacts.errors import RuleBroken
from contacts.models import Staff, Store
from contacts.saying import gettext as _
from crm.access import Viewer, stores_of, viewer_for


def narrowed(rule: Any, viewer: Viewer) -> dict[str, Any]:
    """Return the rule with a condition that keeps it within the person's scope as a marketer.

    Whoever sees the whole company gets the rule as it is, and so does a rule that was narrowed
    before. Raises ``RuleBroken`` if the rule cannot be run, or nothing of it lies in scope.
    """
    check_rule(rule)
    conditions = _top(rule)
    stores = viewer.stores_for(Role.MARKETER)
    if stores is None:
        return {"all": conditions}
    if stores:
        condition = _within(conditions, "store", stores)
    elif _has_own_scope(viewer):
        condition = _within(conditions, "owner", {viewer.staff.pk})
    else:
        raise RuleBroken(_("Your role reaches your store, and you stand in none yet."))
    return {"all": conditions if condition in conditions else [*conditions, condition]}


def is_within_reach(rule: Any, viewer: Viewer) -> bool:
    """Whether the rule describes nobody outside the person's scope. Raises as ``narrowed``."""
    within: list[dict[str, Any]] = narrowed(rule, viewer)["all"]
    return within == _top(rule)


def check_reach(campaign: Campaign, viewer: Viewer) -> None:
    """Raise ``RuleBroken`` if the campaign would reach beyond the person's scope of today.

    Whom a handover announces was decided with the handover.
    """
    if campaign.segment is None or is_within_reach(campaign.segment.rule, viewer):
        return
    raise RuleBroken(_("This campaign reaches beyond your scope. Draft a new one."))


def check_segment_reach(segment: Segment, viewer: Viewer) -> None:
    """Raise ``RuleBroken`` if the segment reaches beyond the person's scope of today."""
    if not is_within_reach(segment.rule, viewer):
        raise RuleBroken(_("This segment reaches beyond your scope. Choose another."))


def why_not_to_all(segment: Segment, staff: Staff | None) -> str:
    """Say why this person may not send to everybody in the segment any more; empty if they may.

    They have to be at work, as a marketer who reaches all of it. Nobody may not.
    """
    if staff is None:
        return _("Nobody answers for it any more.")
    who = {"name": staff.name}
    if staff.state not in {StaffState.ACTIVE, StaffState.LEAVING}:
        return _("%(name)s, who answers for it, is not at work any more.") % who
    viewer = viewer_for(staff)
    if not viewer.has(Role.MARKETER, Role.ADMINISTRATOR):
        return _("%(name)s, who answers for it, is no marketer any more.") % who
    if viewer.stores_for(Role.MARKETER) is None or _is_all_in_reach(segment, viewer):
        return ""
    return _("%(name)s, who answers for it, may no longer reach everybody in its segment.") % who


def _is_all_in_reach(segment: Segment, viewer: Viewer) -> bool:
    try:
        return is_within_reach(segment.rule, viewer)
    except RuleBroken:  # nothing of it lies in scope
        return False


def check_change_of_rule(segment: Segment, rule: Any, viewer: Viewer) -> None:
    """Raise ``RuleBroken`` if campaigns or series go to the segment, and it or the rule reaches
    beyond the person's scope.

    Their reach was judged when they were scheduled; a rule that came later would widen it.
    """
    ahead = Campaign.objects.filter(segment=segment, planned_at=None)
    again = Series.objects.filter(segment=segment).exclude(state=SeriesState.ENDED)
    if not ahead.exclude(state=CampaignState.CANCELLED).exists() and not again.exists():
        return
    if not (is_within_reach(segment.rule, viewer) and is_within_reach(rule, viewer)):
        raise RuleBroken(
            _(
                "A campaign or series goes to this segment: you can change it only within your scope."
            )
        )


def audience_of(campaign: Campaign, viewer: Viewer) -> AudiencePreview:
    """Count whom the campaign would reach if it were planned now. Raises ``RuleBroken``.

    Of quiet hours count those at its time, if one is set.
    """
    if campaign.handover:
        return preview_announcement(campaign.handover)
    return audience_preview(
        narrowed(campaign.segment and campaign.segment.rule, viewer),
        channel=campaign.channel,
        purpose=campaign.purpose,
        skip_if_in_another=campaign.skip_if_in_another,
        split=split_of(campaign),
        period=Period(campaign.send_at, campaign.send_until),
    )


def stores_to_post_to(viewer: Viewer, chosen: Sequence[Store]) -> list[Store]:
    """Return the stores that a post means: those chosen, or all in reach; none is the company.

    Raises ``RuleBroken`` for a store outside the person's scope as a marketer.
    """
    reach = viewer.stores_for(Role.MARKETER)
    if reach is None:
        return list(chosen)
    if not reach:
        raise RuleBroken(_("Posts go out by store, and your role reaches none."))
    if outside := next((store.name for store in chosen if store.pk not in reach), None):
        raise RuleBroken(_("The store “%(store)s” lies outside your scope.") % {"store": outside})
    return list(chosen or stores_of(viewer, Role.MARKETER).filter(pk__in=reach))


def check_post_reach(post: Post, viewer: Viewer) -> None:
    """Raise ``RuleBroken`` if the post would reach beyond the person's scope of today."""
    reach = viewer.stores_for(Role.MARKETER)
    stores = set(post.stores.values_list("pk", flat=True))
    if reach is not None and (not stores or not stores <= reach):
        raise RuleBroken(_("This post reaches beyond your scope. Choose its stores anew."))


def free_segment_name(name: str, *, now: datetime) -> str:
    """Return the name, with the moment added if there is a segment of that name already."""
    if not Segment.objects.filter(name__iexact=name).exists():
        return name
    return f"{name[:90]} {timezone.localtime(now):%Y-%m-%d %H:%M:%S.%f}"


def _top(rule: Any) -> list[dict[str, Any]]:
    """Return what all has to hold: the members of the outermost group, or the rule itself."""
    if not rule:
        return []
    members: list[dict[str, Any]] = rule.get("all", [rule])
    return list(members)


def _has_own_scope(viewer: Viewer) -> bool:
    roles = {Role.MARKETER, Role.ADMINISTRATOR} & viewer.scopes.keys()
    return any(viewer.scopes[role] == Scope.OWN for role in roles)


def _within(
    conditions: Iterable[dict[str, Any]], field: str, reach: Iterable[int]
) -> dict[str, Any]:
    """Return the condition that leaves of ``reach`` what the conditions ask for."""
    left = set(reach)
    for condition in conditions:
        if condition.get("field") == field and condition.get("op") == "in":
            left &= set(condition["value"])
    if not left:
        raise RuleBroken(_("All that this asks for lies outside your scope."))
    if len(left) > MOST_VALUES:
        raise RuleBroken(
            _("You reach more than %(n)s stores. Choose up to %(n)s of them.") % {"n": MOST_VALUES}
        )
    return {"field": field, "op": "in", "value": sorted(left)}
