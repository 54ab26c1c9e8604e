"""The recipients of batches in the delivery engine's hands, as one statement reads them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from campaigns.enums import DeliveryState
from campaigns.models.campaigns import BATCH_LIMIT

# Planners know nothing yet of fresh deliveries, and take thousands of them for one. So nested loops
# are off, and whatever is joined is first cut down to those whom it is about: `of_mine`.
_RECIPIENTS = """
SET LOCAL enable_nestloop = off;
WITH mine AS MATERIALIZED (
    SELECT batch_id, slot, customer_id, address, state FROM campaigns_delivery
    WHERE batch_id = ANY(%(batches)s) AND state = ANY(%(states)s)
    ORDER BY batch_id, slot
    LIMIT %(most)s  -- no limit but a hint
){tables}
SELECT {once} mine.batch_id, mine.slot, mine.customer_id, mine.address, customer.name,
       coalesce(staff.name, ''), store.name, mine.state, {reason}, {coupon_code}
FROM mine
JOIN contacts_customer AS customer ON customer.id = mine.customer_id AND customer.id {of_mine}
JOIN contacts_store AS store ON store.id = customer.store_id
LEFT JOIN contacts_staff AS staff ON staff.id = customer.owner_id
{joins}{coupon_join}
ORDER BY mine.batch_id, mine.slot{preference}
"""


OF_MINE = "= ANY(ARRAY(SELECT customer_id FROM mine))"
"""Narrows down by an index what is joined to ``mine``: one search for all of them."""

# What was valid when the batch was claimed: whoever asks a provider afterwards whether it has these
# words writes the same ones, also if the customer has redeemed the coupon by then.
_COUPON_JOIN = """
JOIN campaigns_batch AS claimed ON claimed.id = mine.batch_id
LEFT JOIN LATERAL (
    SELECT held.code FROM contacts_coupon AS held
    WHERE held.customer_id IN (
        SELECT mine.customer_id
        UNION ALL SELECT id FROM contacts_customer WHERE merged_into_id = mine.customer_id
    )
      AND held.issued_at <= coalesce(claimed.claimed_at, now())
      AND held.expires_at > coalesce(claimed.claimed_at, now())
      AND (held.redeemed_at IS NULL OR held.redeemed_at > claimed.claimed_at)
    ORDER BY held.issued_at DESC, held.id DESC LIMIT 1
) AS coupon ON true"""


class Recipient(NamedTuple):
    """Whom a message is for; with a ``reason``, whoever may not get it any more."""

    batch_id: int
    slot: int
    customer_id: int
    address: str
    customer: str
    guide: str
    store: str
    state: str
    reason: str = ""
    coupon_code: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What tells in SQL who of ``mine`` may not get it: an expression, and what it looks at.

    ``joins`` may find several rows for one recipient; the first by ``preference`` counts.
    """

    reason: str = "''"
    tables: str = ""
    joins: str = ""
    preference: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def recipients_in(
    batches: Collection[int],
    *states: DeliveryState,
    judgement: Judgement | None = None,
    coupons: bool = False,
) -> list[Recipient]:
    """Read the recipients of these batches that are in one of these states, batch by batch.

    Codes of ``coupons`` are read only for words that name them.
    """
    judgement = judgement or Judgement()
    sql = _RECIPIENTS.format(
        of_mine=OF_MINE,
        reason=judgement.reason,
        tables=judgement.tables,
        joins=judgement.joins,
        coupon_code="coalesce(coupon.code, '')" if coupons else "''",
        coupon_join=_COUPON_JOIN if coupons else "",
        once="DISTINCT ON (mine.batch_id, mine.slot)" if judgement.preference else "",
        preference=judgement.preference,
    )
    values = judgement.values | {
        "batches": list(batches),
        "states": [state.value for state in states],
        "most": len(batches) * BATCH_LIMIT,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        cursor.nextset()
        return list(map(Recipient._make, cursor.fetchall()))
