"""What is heard of a delivery moves its state up and never down, in whatever order it is heard.

sent → delivered → failed (came back) → read → replied: each may be left out. A letter that was
opened did arrive, whatever came back; one that came back counts as failed, whatever was told
before. Of one that was given up because nobody knew, by itself or by a person, whatever is heard
counts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.actions.campaigns import advance_campaign
from campaigns.enums import DeliveryReason, DeliveryState

Pair = tuple[int, int, datetime]
"""A campaign, a customer, and when it happened."""

_UNDER_WAY = ("handed", "sent", "unclear")
_GIVEN_UP = ("unknown", "written_off")
_CAME_BACK = ("bounced", "undelivered")
_FROM = {
    DeliveryState.DELIVERED: (_UNDER_WAY, _GIVEN_UP),
    DeliveryState.FAILED: ((*_UNDER_WAY, "delivered"), ("undelivered", *_GIVEN_UP)),
    DeliveryState.READ: ((*_UNDER_WAY, "delivered"), (*_CAME_BACK, *_GIVEN_UP)),
    DeliveryState.REPLIED: ((*_UNDER_WAY, "delivered", "read"), (*_CAME_BACK, *_GIVEN_UP)),
}
"""The states that each may follow, and the reasons of failures that it may follow."""

_MOVE = """
UPDATE campaigns_delivery AS delivery
SET state = %(to)s, reason = %(reason)s, sent_at = coalesce(delivery.sent_at, told.at)
FROM (
    SELECT campaign_id, customer_id, min(at) AS at
    FROM unnest(%(campaigns)s::bigint[], %(customers)s::bigint[], %(times)s::timestamptz[])
        AS raw (campaign_id, customer_id, at)
    GROUP BY 1, 2
) AS told
WHERE delivery.campaign_id = told.campaign_id AND delivery.customer_id = told.customer_id
  AND (delivery.state = ANY(%(states)s)
       OR (delivery.state = 'failed' AND delivery.reason = ANY(%(failures)s)))
  AND (delivery.state, delivery.reason) <> (%(to)s, %(reason)s)
RETURNING delivery.batch_id
"""

_CLEAR = """
UPDATE campaigns_batch AS batch SET state = 'done', done_at = %(now)s, next_attempt_at = NULL
WHERE batch.id = ANY(%(batches)s) AND batch.state = 'unclear'
  AND NOT EXISTS (
      SELECT FROM campaigns_delivery
      WHERE batch_id = batch.id AND state IN ('unclear', 'queued')
  )
RETURNING batch.campaign_id
"""


def move_up(
    to: DeliveryState,
    pairs: Sequence[Pair],
    *,
    now: datetime,
    reason: DeliveryReason = DeliveryReason.NONE,
) -> int:
    """Move these deliveries up to a state; those that are further stay. Return how many moved.

    A batch that was unclear and has nothing unclear left is done.
    """
    if not pairs:
        return 0
    states, failures = _FROM[to]
    values: dict[str, Any] = {
        "to": to.value,
        "reason": reason.value,
        "campaigns": [pair[0] for pair in pairs],
        "customers": [pair[1] for pair in pairs],
        "times": [pair[2] for pair in pairs],
        "states": list(states),
        "failures": list(failures),
    }
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, values)
        batches = [row[0] for row in cursor.fetchall()]
        cursor.execute(_CLEAR, {"batches": list(set(batches)), "now": now})
        cleared = {row[0] for row in cursor.fetchall()}
    for campaign_id in sorted(cleared):
        advance_campaign(campaign_id, now=now)
    return len(batches)
