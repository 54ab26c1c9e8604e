"""Clicks and openings: written down in one statement, then looked at for machines in disguise."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.enums import EngagementKind
from campaigns.models import Delivery, TrackedLink, Variant
from campaigns.tracking.links import urls_in_html, urls_in_text
from campaigns.tracking.tokens import Token

BURST = timedelta(seconds=2)
"""Nobody reads what stands behind a link before they follow the next one this soon."""

RIGHT_AFTER = timedelta(seconds=30)
BURST_RIGHT_AFTER = timedelta(seconds=10)
"""Scanners follow links while the letter arrives, and take their time between them."""

_MANY = 3

_NOTE = """
WITH found AS (
    SELECT delivery.campaign_id, delivery.customer_id
    FROM campaigns_delivery AS delivery
    JOIN contacts_customer AS customer ON customer.id = delivery.customer_id
    WHERE delivery.campaign_id = %(campaign)s AND delivery.customer_id = %(customer)s
      AND delivery.state NOT IN ('skipped', 'cancelled', 'queued') AND customer.state <> 'erased'
), read AS (
    UPDATE campaigns_delivery AS delivery SET state = 'read', reason = ''
    FROM found
    WHERE delivery.campaign_id = %(campaign)s AND delivery.customer_id = %(customer)s
      AND %(people)s > 0
      AND (delivery.state IN ('handed', 'sent', 'delivered')
           OR (delivery.state = 'failed'
               AND delivery.reason IN ('bounced', 'undelivered', 'unknown', 'written_off')))
)
INSERT INTO campaigns_engagement AS held
    (campaign_id, customer_id, kind, link, count, bots, first_at, last_at)
SELECT campaign_id, customer_id, %(kind)s, link, %(people)s, %(bots)s,
       CASE WHEN %(people)s > 0 THEN %(now)s::timestamptz END, %(now)s
FROM found, unnest(%(links)s::int[]) AS link
ON CONFLICT (campaign_id, customer_id, kind, link) DO UPDATE
SET count = held.count + excluded.count, bots = held.bots + excluded.bots,
    first_at = coalesce(held.first_at, excluded.first_at),
    last_at = greatest(held.last_at, excluded.last_at)
RETURNING link, count = %(people)s AND %(people)s > 0
"""

_RECENT = """
SELECT engagement.link
FROM campaigns_engagement AS engagement
JOIN campaigns_delivery AS delivery USING (campaign_id, customer_id)
WHERE engagement.campaign_id = %(campaign)s AND engagement.customer_id = %(customer)s
  AND engagement.kind = 'clicked' AND engagement.link > 0 AND engagement.count > 0
  AND engagement.first_at > %(now)s::timestamptz - CASE
      WHEN delivery.sent_at > %(now)s::timestamptz - %(right_after)s::interval
      THEN %(slow)s::interval ELSE %(quick)s::interval END
"""

_COUNT_OVER = """
UPDATE campaigns_engagement AS engagement
SET bots = bots + count, count = 0, first_at = NULL
WHERE engagement.campaign_id = %(campaign)s AND engagement.customer_id = %(customer)s
  AND engagement.kind = 'clicked' AND engagement.link = ANY(%(links)s::int[])
"""

_SUM_UP = """
UPDATE campaigns_engagement AS whole
SET count = parts.count, bots = whole.bots + whole.count - parts.count, first_at = parts.first_at
FROM (
    SELECT coalesce(sum(count), 0) AS count, min(first_at) AS first_at
    FROM campaigns_engagement
    WHERE campaign_id = %(campaign)s AND customer_id = %(customer)s
      AND kind = 'clicked' AND link > 0
) AS parts
WHERE whole.campaign_id = %(campaign)s AND whole.customer_id = %(customer)s
  AND whole.kind = 'clicked' AND whole.link = 0
"""

_NOT_READ = """
UPDATE campaigns_delivery AS delivery SET state = 'delivered'
WHERE campaign_id = %(campaign)s AND customer_id = %(customer)s AND state = 'read'
  AND NOT EXISTS (
      SELECT FROM campaigns_engagement AS engagement
      WHERE engagement.campaign_id = delivery.campaign_id
        AND engagement.customer_id = delivery.customer_id AND engagement.count > 0
        AND engagement.kind IN ('opened', 'clicked')
  )
"""


def note_click(token: Token, *, by_machine: bool, now: datetime) -> None:
    """Write down that a link was followed; one statement, two for the first time.

    Only who was sent the campaign is written down. Of many links at once none was a person's:
    they are counted over to the machines, and the letter is no longer *read*.
    """
    fresh = _note(token, EngagementKind.CLICKED, [0, token.link], by_machine=by_machine, now=now)
    if token.link in fresh:
        _look_for_burst(token, now=now)


def note_opening(token: Token, *, by_machine: bool, now: datetime) -> None:
    """Write down that a letter was opened."""
    _note(token, EngagementKind.OPENED, [0], by_machine=by_machine, now=now)


def _note(
    token: Token, kind: EngagementKind, links: list[int], *, by_machine: bool, now: datetime
) -> set[int]:
    """Return the links that a person followed for the first time."""
    values: dict[str, Any] = {
        "campaign": token.campaign_id,
        "customer": token.customer_id,
        "kind": kind.value,
        "links": links,
        "people": int(not by_machine),
        "bots": int(by_machine),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, values)
        return {link for link, is_first in cursor.fetchall() if is_first}


def _look_for_burst(token: Token, *, now: datetime) -> None:
    values: dict[str, Any] = {
        "campaign": token.campaign_id,
        "customer": token.customer_id,
        "now": now,
        "right_after": RIGHT_AFTER,
        "slow": BURST_RIGHT_AFTER,
        "quick": BURST,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, values)
        values["links"] = [link for (link,) in cursor.fetchall()]
        if not _is_burst(token, len(values["links"])):
            return
        cursor.execute(_COUNT_OVER, values)
        cursor.execute(_SUM_UP, values)
        cursor.execute(_NOT_READ, values)


def _is_burst(token: Token, links: int) -> bool:
    return links >= _MANY or (links > 1 and links >= _links_in_letter(token))


def _links_in_letter(token: Token) -> int:
    """Return how many links the customer's letter has; of several wordings it has those of one."""
    links = TrackedLink.objects.filter(campaign=token.campaign_id)
    letter = Delivery.objects.filter(campaign=token.campaign_id, customer=token.customer_id)
    wording = Variant.objects.filter(
        campaign=token.campaign_id, number__in=letter.values("batch__variant")
    ).first()
    if wording is not None:
        links = links.filter(url__in=[*urls_in_text(wording.text), *urls_in_html(wording.html)])
    return links.count()
