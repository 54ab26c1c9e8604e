"""Freezing an audience: who gets a campaign, from whom, in which batch, and who does not and why.

One statement does it all (``audience_sql``), whatever the number of customers.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from campaigns.audience_sql import FIGURES, FREEZE, audience_sql
from campaigns.enums import DeliveryReason
from campaigns.models import Campaign
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.segments import customers_in
from campaigns.splitting import NOT_SPLIT, Split, split_of
from campaigns.triggers import whose_day_it_is
from contacts.enums import Channel, ItemState, Purpose, StaffState
from contacts.fresh_statistics import know_fresh_tables
from contacts.models import Customer, Handover, HandoverItem, Staff

_COSTS = (
    # A million recipients are sorted in memory; one campaign is planned at a time, mostly.
    "SET LOCAL work_mem = '128MB'",
    # Who has had enough is looked up one by one, not by reading what everybody has had.
    "SET LOCAL random_page_cost = 1.1",
)


@dataclass(frozen=True, slots=True)
class Period:
    """From when on a campaign is sent, at once if that has passed, and until when it may be."""

    begin: datetime | None = None
    end: datetime | None = None


ANY_TIME = Period()


@dataclass(frozen=True, slots=True)
class AudiencePreview:
    """What planning would do at this moment: exact figures, nothing written.

    ``fewest_batches`` is what the recipients would need without regard to senders; there are
    more ``batches`` where the channel takes one sender per call. Of the ``reachable``, WeCom
    would refuse those ``over_quota``, and ``later`` are those whose quiet hours end first.
    """

    reachable: int
    batches: int
    senders: int
    skipped: dict[DeliveryReason, int] = field(default_factory=dict)
    over_quota: int = 0
    later: int = 0

    @property
    def fewest_batches(self) -> int:
        """Batches needed if any batch could have any recipients."""
        return -(-self.reachable // BATCH_LIMIT)


def freeze_audience(campaign: Campaign, *, now: datetime) -> int:
    """Write a delivery for every customer of the audience, and the batches; return how many.

    Call it in the transaction that marks the campaign as planned.
    """
    parts, values = audience_sql(campaign, _chosen_by(campaign, now), split_of(campaign), now=now)
    sql = FREEZE.format(**parts)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")  # a million rows take their time
        _set_costs(cursor)
        cursor.execute("SET LOCAL enable_mergejoin = off")  # it would sort the million once more
        cursor.execute(sql, {**values, "campaign": campaign.pk})
        return int(cursor.rowcount)


def preview_audience(
    rule: object,
    *,
    channel: str = Channel.WECOM,
    purpose: str = Purpose.CAMPAIGN,
    skip_if_in_another: bool = False,
    split: Split = NOT_SPLIT,
    period: Period = ANY_TIME,
) -> AudiencePreview:
    """Count whom a campaign to this rule would reach and whom not. Raises ``RuleBroken``."""
    campaign = Campaign(
        channel=channel,
        purpose=purpose,
        skip_if_in_another=skip_if_in_another,
        send_at=period.begin,
        send_until=period.end,
    )
    return _preview(campaign, lambda now: customers_in(rule, now=now), split)


def preview_campaign(campaign: Campaign, *, send_at: datetime | None = None) -> AudiencePreview:
    """Count whom this campaign would reach if it were planned now. Raises ``RuleBroken``.

    Quiet hours count by the clocks of ``send_at``, else of the time that it is scheduled for.
    """
    then = copy(campaign)
    then.send_at = send_at or campaign.send_at
    return _preview(then, lambda now: _chosen_by(campaign, now), split_of(campaign))


def preview_announcement(handover: Handover) -> AudiencePreview:
    """Count whom the announcement of a handover would reach and whom not."""
    campaign = Campaign(channel=Channel.WECOM, purpose=Purpose.SERVICE)
    return _preview(campaign, lambda _now: to_be_told(handover))


def _preview(
    campaign: Campaign,
    chosen: Callable[[datetime], QuerySet[Customer]],
    split: Split = NOT_SPLIT,
) -> AudiencePreview:
    now = timezone.now()
    parts, values = audience_sql(campaign, chosen(now), split, now=now)
    know_fresh_tables()
    with transaction.atomic(), connection.cursor() as cursor:
        _set_costs(cursor)
        cursor.execute(FIGURES.format(**parts), values)
        figures = {key: int(n or 0) for key, n in cursor.fetchall()}
    reasons = {key.removeprefix("reason:"): n for key, n in figures.items() if ":" in key}
    return AudiencePreview(
        reachable=reasons.pop("", 0),
        batches=figures["batches"],
        senders=figures["senders"],
        skipped={DeliveryReason(reason): n for reason, n in sorted(reasons.items())},
        over_quota=figures["over_quota"],
        later=figures["later"],
    )


def _set_costs(cursor: CursorWrapper) -> None:
    for statement in _COSTS:
        cursor.execute(statement)


def to_be_told(handover: Handover) -> QuerySet[Customer]:
    """Return whom a handover's new owners may tell of it in the channel.

    Customers who have accepted, are still with that owner and connected with them, and did not
    read the words with the request itself, as those of colleagues at work do.
    """
    owner = Staff.objects.filter(
        pk=OuterRef("to_staff"),
        state__in=[StaffState.ACTIVE, StaffState.LEAVING],
        wecom_userid__isnull=False,
        follows__customer=OuterRef("customer"),
        follows__channel=Channel.WECOM,
        follows__ended_at=None,
    )
    accepted = HandoverItem.objects.filter(
        Exists(owner),
        handover=handover,
        state=ItemState.ACCEPTED,
        undone_at=None,
        customer__owner=F("to_staff"),
    ).exclude(request__as_leaver=False)
    return Customer.objects.active().filter(pk__in=accepted.values("customer"))


def _chosen_by(campaign: Campaign, now: datetime) -> QuerySet[Customer]:
    if campaign.handover:
        return to_be_told(campaign.handover)
    found = customers_in(campaign.segment.rule if campaign.segment else None, now=now)
    return whose_day_it_is(found, campaign)
