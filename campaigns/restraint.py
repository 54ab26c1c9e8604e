"""What the company's messaging rules mean for one campaign at one moment.

Planning, previews and sending all ask here, so that they cannot disagree.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from campaigns.enums import CampaignState
from campaigns.models import Campaign, MessagingRules
from connectors.wecom.connector import WeComConnector
from contacts.enums import Purpose

UNDER_WAY = (
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.PAUSED,
)

_ZONES = """
WITH RECURSIVE zone AS (
    (SELECT time_zone FROM contacts_customer WHERE time_zone <> '' ORDER BY time_zone LIMIT 1)
    UNION ALL
    SELECT (SELECT time_zone FROM contacts_customer
            WHERE time_zone <> '' AND time_zone > zone.time_zone ORDER BY time_zone LIMIT 1)
    FROM zone WHERE zone.time_zone IS NOT NULL
)
SELECT time_zone FROM zone WHERE time_zone IS NOT NULL
"""


_LONGEST = timedelta(days=367)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` messages to one customer since a moment."""

    most: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Restraint:
    """What limits one campaign now; ``None`` and empty where nothing does.

    ``overall`` counts every channel, ``of_channel`` the campaign's own, ``quota`` what WeCom lets
    a customer receive: only what staff have confirmed, *service* as well. ``lately`` are the campaigns in whose
    deliveries those messages are found; whoever has reached a limit is in one of ``telling``, the
    smallest of them. ``rivals`` are those whose recipients are left out.
    """

    consent_required: bool = False
    overall: Limit | None = None
    of_channel: Limit | None = None
    quota: Limit | None = None
    skip_over_quota: bool = False
    lately: tuple[int, ...] = ()
    telling: tuple[int, ...] = ()
    rivals: tuple[int, ...] = ()
    quiet: tuple[time, time] | None = None

    @property
    def since(self) -> datetime | None:
        """The earliest moment that any limit looks back to."""
        limits = (self.overall, self.of_channel, self.quota)
        return min((limit.since for limit in limits if limit), default=None)

    def quiet_until(self, zone: str, now: datetime) -> datetime | None:
        """Return when the quiet hours of this time zone end, or ``None`` if it is not quiet."""
        return quiet_end(self.quiet, zone, now) if self.quiet else None


def company_rules() -> MessagingRules:
    """Return the company's rules; those of a company that has set none allow everything."""
    return MessagingRules.objects.filter(pk=1).first() or MessagingRules()


def restraint_on(
    campaign: Campaign, *, now: datetime, rules: MessagingRules | None = None
) -> Restraint:
    """Return what limits the campaign at this moment; an unsaved campaign will do."""
    rules = rules or company_rules()
    channel, purpose = campaign.channel, campaign.purpose
    rivals = _rivals(campaign) if campaign.skip_if_in_another else ()
    consent = f"{channel}:{purpose}" in rules.consent_required
    is_service = purpose == Purpose.SERVICE
    if is_service and channel != WeComConnector.kind:
        return Restraint(consent_required=consent, rivals=rivals)
    recent = _Recent(campaign, now=now)
    overall = of_channel = None
    if not is_service:
        own = rules.channel_caps.get(channel) or {}
        overall = _limit(rules.cap_messages, rules.cap_days, now)
        of_channel = _limit(own.get("messages"), own.get("days", 1), now)
    quota = receive_quota(now) if channel == WeComConnector.kind else None
    overall = recent.within_reach(overall)
    of_channel = recent.within_reach(of_channel, channel)
    quota = recent.within_reach(quota, channel)
    limits = [limit for limit in (overall, of_channel, quota) if limit]
    lately = recent.since(min(limit.since for limit in limits)) if limits else ()
    return Restraint(
        consent_required=consent,
        overall=overall,
        of_channel=of_channel,
        quota=quota,
        skip_over_quota=rules.skip_over_quota and not is_service,
        lately=lately,
        telling=recent.telling(lately, min(limit.most for limit in limits)) if limits else (),
        rivals=rivals,
        quiet=quiet_hours(rules, purpose),
    )


def quiet_hours(rules: MessagingRules, purpose: str) -> tuple[time, time] | None:
    """Return from when to when nothing of this purpose leaves, or ``None``."""
    if purpose == Purpose.SERVICE or rules.quiet_from is None or rules.quiet_to is None:
        return None
    return rules.quiet_from, rules.quiet_to


def quiet_end(quiet: tuple[time, time], zone: str, now: datetime) -> datetime | None:
    """Return when the quiet hours of this time zone end, or ``None`` if it is not quiet."""
    begin, end = quiet
    local = now.astimezone(zone_named(zone))
    clock = local.time()
    over_midnight = begin > end
    is_quiet = clock >= begin or clock < end if over_midnight else begin <= clock < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=over_midnight and clock >= begin)
    return datetime.combine(day, end, tzinfo=local.tzinfo).astimezone(now.tzinfo)


def receive_quota(now: datetime) -> Limit | None:
    """Return how many WeCom messages a customer may receive, and since when they count."""
    period, count = settings.WECOM_RECEIVE_QUOTA
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return Limit(count or 1, midnight)
    if period == "week":
        return Limit(count or 7, midnight - timedelta(days=midnight.weekday()))
    first = midnight.replace(day=1)
    next_month = (first + timedelta(days=32)).replace(day=1)
    return Limit(count or (next_month.date() - first.date()).days, first)


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone; the company's for an empty or unknown name."""
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(settings.TIME_ZONE)


def customer_zones() -> list[str]:
    """Return every time zone that a customer has; one look-up in an index for each."""
    with connection.cursor() as cursor:
        cursor.execute(_ZONES)
        return [zone for (zone,) in cursor.fetchall()]


def _limit(most: int | None, days: int, now: datetime) -> Limit | None:
    return Limit(most, now - timedelta(days=days)) if most else None


class _Recent:
    """The other campaigns that may have sent something lately; a campaign sends to nobody twice.

    Those of *service* are among them where a channel counts them for its own quota.
    """

    def __init__(self, campaign: Campaign, *, now: datetime) -> None:
        ended = Q(closed_at=None) | Q(closed_at__gte=now - _LONGEST)
        found = (
            Campaign.objects.filter(ended, planned_at__isnull=False)
            .exclude(Q(purpose=Purpose.SERVICE) & ~Q(channel=WeComConnector.kind))
            .exclude(pk=campaign.pk)
        )
        self._rows = list(
            found.order_by("pk").values_list("pk", "channel", "closed_at", "recipients")
        )

    def since(self, moment: datetime, channel: str = "") -> tuple[int, ...]:
        """Return those that may have sent something since then, through this channel if given."""
        return tuple(
            pk
            for pk, through, closed_at, _recipients in self._rows
            if (closed_at is None or closed_at >= moment) and channel in {"", through}
        )

    def telling(self, lately: Collection[int], most: int) -> tuple[int, ...]:
        """Return the smallest of these campaigns, so many that nobody is in ``most`` without them.

        Whoever is in ``most`` of them misses at most the others, and nobody is in one twice.
        """
        sizes = {pk: recipients or 0 for pk, _channel, _closed_at, recipients in self._rows}
        by_size = sorted(lately, key=sizes.__getitem__)
        return tuple(by_size[: len(by_size) - most + 1])

    def within_reach(self, limit: Limit | None, channel: str = "") -> Limit | None:
        """Return the limit, or ``None`` if fewer campaigns than that have sent anything."""
        if limit is None or len(self.since(limit.since, channel)) < limit.most:
            return None
        return limit


def _rivals(campaign: Campaign) -> tuple[int, ...]:
    """Return the campaigns under way that were planned before this one."""
    found = Campaign.objects.filter(state__in=UNDER_WAY).exclude(pk=campaign.pk)
    if campaign.planned_at:
        found = found.filter(
            Q(planned_at__lt=campaign.planned_at)
            | Q(planned_at=campaign.planned_at, pk__lt=campaign.pk)
        )
    return _ids(found)


def _ids(campaigns: Iterable[Campaign]) -> tuple[int, ...]:
    return tuple(sorted(campaign.pk for campaign in campaigns))
