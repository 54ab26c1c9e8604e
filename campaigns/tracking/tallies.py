"""Counting what became of a campaign: at once for most, now and then for very large ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from campaigns.models import Campaign, EngagementTally, TallyRound

COUNTED_AT_ONCE = 10_000
"""Campaigns up to so many recipients are counted while somebody waits."""

SOONEST = timedelta(minutes=1)
LATEST = timedelta(hours=6)
AFTERWARDS = timedelta(days=30)
"""Clicks and orders that come later than this after the last day for orders are counted no more."""


class Dimension(StrEnum):
    """By what recipients are counted."""

    ALL = "all"
    BATCH = "batch"
    GUIDE = "guide"
    STORE = "store"
    VARIANT = "variant"
    HOUR = "hour"


_COLUMNS = {
    Dimension.ALL: "NULL::bigint",
    Dimension.BATCH: "batch_id",
    Dimension.GUIDE: "guide_id",
    Dimension.STORE: "store_id",
    Dimension.VARIANT: "variant",
    Dimension.HOUR: "hour",
}

_ROWS = """
WITH recipients AS MATERIALIZED (
    SELECT delivery.customer_id, delivery.state, delivery.batch_id,
           delivery.variant::bigint AS variant,
           coalesce(batch.sender_id, customer.owner_id) AS guide_id,
           coalesce(sender.store_id, customer.store_id) AS store_id
    FROM campaigns_delivery AS delivery
    JOIN contacts_customer AS customer ON customer.id = delivery.customer_id
    LEFT JOIN campaigns_batch AS batch ON batch.id = delivery.batch_id
    LEFT JOIN contacts_staff AS sender ON sender.id = batch.sender_id
    WHERE delivery.campaign_id = %(campaign)s
), facts AS (
    SELECT 'state:' || state AS what, 0 AS link, batch_id, guide_id, store_id, variant,
           NULL::bigint AS hour, 1 AS times, 0 AS amount
    FROM recipients
    UNION ALL
    SELECT CASE WHEN count > 0 THEN 'people:' ELSE 'bots:' END || kind, link,
           batch_id, guide_id, store_id, variant,
           floor(extract(epoch FROM coalesce(first_at, last_at)) / 3600)::bigint,
           CASE WHEN count > 0 THEN count ELSE bots END, coalesce(amount, 0)
    FROM campaigns_engagement AS engagement
    JOIN recipients USING (customer_id)
    WHERE engagement.campaign_id = %(campaign)s
)"""

_COUNT = """
SELECT '{dimension}', {column}, what, link, count(*), sum(times), sum(amount)
FROM facts GROUP BY 2, 3, 4
"""

_STORE = """
INSERT INTO campaigns_engagementtally
    (campaign_id, dimension, key, what, link, n, times, amount)
SELECT %(campaign)s, counted.*
FROM ({counts}) AS counted (dimension, key, what, link, n, times, amount)
"""


@dataclass(frozen=True, slots=True)
class Count:
    """So many recipients of one batch, guide, … are in a state, or did something."""

    key: int | None
    what: str
    link: int
    n: int
    times: int
    amount: Decimal


def begin_counting(campaign: Campaign, *, now: datetime) -> None:
    """Have the campaign counted from now on. Call it when it is planned."""
    TallyRound.objects.update_or_create(campaign=campaign, defaults={"next_at": now + SOONEST})


def campaigns_to_count(now: datetime) -> list[int]:
    """Campaigns that are due to be counted."""
    due = TallyRound.objects.filter(next_at__lte=now).order_by("next_at")
    return list(due.values_list("campaign_id", flat=True)[:20])


def claim_round(campaign_id: int, *, now: datetime) -> Campaign | None:
    """Take a campaign that is due for this worker, and say when it is due again."""
    campaign = Campaign.objects.get(pk=campaign_id)
    age = now - (campaign.planned_at or now)
    over = age > timedelta(days=campaign.conversion_days) + AFTERWARDS
    again = None if over else now + min(max(age / 20, SOONEST), LATEST)
    due = TallyRound.objects.filter(campaign=campaign_id, next_at__lte=now)
    return campaign if due.update(next_at=again) else None


def count_anew(campaign: Campaign, *, now: datetime) -> None:
    """Write down what became of a large campaign; small ones are counted when they are read."""
    if is_small(campaign):
        TallyRound.objects.filter(campaign=campaign).update(counted_at=now)
        return
    counts = " UNION ALL ".join(
        _COUNT.format(dimension=name.value, column=column) for name, column in _COLUMNS.items()
    )
    with transaction.atomic(), connection.cursor() as cursor:
        TallyRound.objects.select_for_update().get(campaign=campaign)
        cursor.execute("SET LOCAL statement_timeout = '10min'")
        EngagementTally.objects.filter(campaign=campaign).delete()
        cursor.execute(_ROWS + _STORE.format(counts=counts), {"campaign": campaign.pk})
        TallyRound.objects.filter(campaign=campaign).update(counted_at=now)


def counts_by(campaign: Campaign, dimension: Dimension) -> Iterator[Count]:
    """Return the figures of a campaign by one dimension: one query."""
    if not is_small(campaign):
        kept = EngagementTally.objects.filter(campaign=campaign, dimension=dimension.value)
        for row in kept.values_list("key", "what", "link", "n", "times", "amount"):
            yield Count(*row)
        return
    sql = _ROWS + _COUNT.format(dimension=dimension.value, column=_COLUMNS[dimension])
    values: dict[str, Any] = {"campaign": campaign.pk}
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for _dimension, *row in cursor.fetchall():
            yield Count(*row)


def is_small(campaign: Campaign) -> bool:
    """Whether the campaign is counted at once, whenever somebody looks."""
    return (campaign.recipients or 0) + (campaign.skipped or 0) <= COUNTED_AT_ONCE
