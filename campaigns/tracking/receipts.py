"""What channels tell afterwards: arrived, opened, came back, complained, answered."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.channels import address_kinds
from campaigns.enums import DeliveryReason, DeliveryState, EngagementKind
from campaigns.tracking.moves import Pair, move_up
from campaigns.tracking.replies import Reply, note_complaint, note_reply, note_stop
from connectors.base import Receipt, ReceiptKind
from contacts.actions.consent import mark_addresses_dead

_REFUSALS = {ReceiptKind.COMPLAINED: note_complaint, ReceiptKind.UNSUBSCRIBED: note_stop}

_KEY = re.compile(r"liuke-(\d{1,18})-(\d{1,18})(?:\.[\w-]*)?", re.ASCII)
"""A key, with or without the mark that stands behind it in a Message-ID."""

# An answer that names nothing but an address belongs to the last message that surely got there.
_FIND = """
SELECT told.place, found.campaign_id, found.customer_id, found.address, person.customer_id
FROM unnest(%(places)s::int[], %(campaigns)s::bigint[], %(customers)s::bigint[],
            %(references)s::text[], %(addresses)s::text[])
     AS told (place, campaign_id, customer_id, reference, address)
LEFT JOIN LATERAL (
    SELECT customer_id FROM contacts_identity
    WHERE kind = ANY(%(kinds)s) AND told.address <> ''
      AND value IN (told.address, lower(told.address))
    LIMIT 1
) AS person ON true
LEFT JOIN LATERAL (
    (SELECT delivery.campaign_id, delivery.customer_id, delivery.address
     FROM campaigns_delivery AS delivery
     WHERE delivery.campaign_id = told.campaign_id AND delivery.customer_id = told.customer_id)
    UNION ALL
    (SELECT delivery.campaign_id, delivery.customer_id, delivery.address
     FROM campaigns_delivery AS delivery
     JOIN campaigns_campaign AS campaign ON campaign.id = delivery.campaign_id
     WHERE told.reference <> '' AND delivery.reference = told.reference
       AND campaign.channel = %(channel)s)
    UNION ALL
    (SELECT delivery.campaign_id, delivery.customer_id, delivery.address
     FROM campaigns_delivery AS delivery
     JOIN campaigns_campaign AS campaign ON campaign.id = delivery.campaign_id
     WHERE told.reference = '' AND told.campaign_id IS NULL
       AND delivery.customer_id = person.customer_id AND campaign.channel = %(channel)s
       AND delivery.state NOT IN ('queued', 'skipped', 'cancelled')
     ORDER BY delivery.state IN ('unclear', 'failed'), delivery.campaign_id DESC LIMIT 1)
    LIMIT 1
) AS found ON true
"""

_ENGAGE = """
INSERT INTO campaigns_engagement
    (campaign_id, customer_id, kind, link, count, bots, first_at, last_at)
SELECT campaign_id, customer_id, %(kind)s, 0, 1, 0, min(at), min(at)
FROM unnest(%(campaigns)s::bigint[], %(customers)s::bigint[], %(times)s::timestamptz[])
    AS told (campaign_id, customer_id, at)
WHERE NOT EXISTS (
    SELECT FROM contacts_customer WHERE id = told.customer_id AND state = 'erased'
)
GROUP BY 1, 2
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """The message and the person that a receipt speaks of, as far as we know them."""

    campaign_id: int | None
    customer_id: int | None
    address: str
    at: datetime


def note_receipts(channel: str, receipts: Sequence[Receipt], *, now: datetime) -> None:
    """Write down what a channel tells, in any order and as often as it tells it.

    Receipts of messages and people whom we do not know are left out. Refusals and answers are
    taken up one by one, since each has somebody's words behind it; all others together.
    """
    found = _find(channel, receipts, now=now)
    by_kind: dict[ReceiptKind, list[tuple[Receipt, _Found]]] = defaultdict(list)
    for receipt, one in zip(receipts, found, strict=True):
        by_kind[receipt.kind].append((receipt, one))
    move_up(DeliveryState.DELIVERED, _pairs(by_kind[ReceiptKind.DELIVERED]), now=now)
    _note_failures(channel, by_kind, now=now)
    _note_openings(_pairs(by_kind[ReceiptKind.OPENED]), now=now)
    for kind, note in _REFUSALS.items():
        for receipt, one in by_kind[kind]:
            if one.customer_id:
                note(_reply(channel, receipt, one), source=kind.value, now=now)
    for receipt, one in by_kind[ReceiptKind.REPLIED]:
        if one.customer_id:
            note_reply(_reply(channel, receipt, one), now=now)
    move_up(DeliveryState.REPLIED, _pairs(by_kind[ReceiptKind.REPLIED]), now=now)


def _note_failures(
    channel: str, by_kind: dict[ReceiptKind, list[tuple[Receipt, _Found]]], *, now: datetime
) -> None:
    failures = {
        ReceiptKind.FAILED: DeliveryReason.UNDELIVERED,
        ReceiptKind.BOUNCED: DeliveryReason.BOUNCED,
    }
    for kind, reason in failures.items():
        move_up(DeliveryState.FAILED, _pairs(by_kind[kind]), now=now, reason=reason)
    dead = {one.address for _receipt, one in by_kind[ReceiptKind.BOUNCED] if one.address}
    if dead:
        for address_kind in address_kinds(channel):
            mark_addresses_dead(address_kind, dead, now=now)


def _note_openings(pairs: list[Pair], *, now: datetime) -> None:
    if not pairs:
        return
    values: dict[str, Any] = {"kind": EngagementKind.OPENED.value, **_columns(pairs)}
    with connection.cursor() as cursor:
        cursor.execute(_ENGAGE, values)
    move_up(DeliveryState.READ, pairs, now=now)


def _find(channel: str, receipts: Sequence[Receipt], *, now: datetime) -> list[_Found]:
    """Find all messages and people in one query."""
    keys = [_KEY.fullmatch(receipt.key) for receipt in receipts]
    values: dict[str, Any] = {
        "channel": channel,
        "kinds": list(address_kinds(channel)),
        "places": list(range(len(receipts))),
        "campaigns": [int(key[1]) if key else None for key in keys],
        "customers": [int(key[2]) if key else None for key in keys],
        "references": [receipt.reference for receipt in receipts],
        "addresses": [receipt.address for receipt in receipts],
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIND, values)
        rows = {row[0]: row[1:] for row in cursor.fetchall()}
    found = []
    for place, receipt in enumerate(receipts):
        campaign_id, recipient_id, address, person_id = rows[place]
        at = min(receipt.at or now, now)
        found.append(_Found(campaign_id, recipient_id or person_id, address or receipt.address, at))
    return found


def _pairs(told: list[tuple[Receipt, _Found]]) -> list[Pair]:
    return [
        (one.campaign_id, one.customer_id, one.at)
        for _receipt, one in told
        if one.campaign_id and one.customer_id
    ]


def _columns(pairs: list[Pair]) -> dict[str, list[Any]]:
    campaigns, customers, times = zip(*pairs, strict=True)
    return {"campaigns": list(campaigns), "customers": list(customers), "times": list(times)}


def _reply(channel: str, receipt: Receipt, one: _Found) -> Reply:
    return Reply(channel, one.customer_id or 0, one.campaign_id, receipt.text, one.at)
