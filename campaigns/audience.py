"""Freezing an audience: who gets a campaign, from whom, in which batch, and who does not and why.

One statement does it all, whatever the number of customers.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from campaigns.enums import DeliveryReason
from campaigns.models import Campaign
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.segments import customers_in
from contacts.enums import Channel, ItemState, StaffState
from contacts.models import Customer, Handover, HandoverItem, Staff

_AUDIENCE = """
audience AS (
    SELECT customer.id AS customer_id, identity.value AS address, sender.staff_id,
           CASE WHEN customer.opted_out_at IS NOT NULL THEN 'opted_out'
                WHEN identity.value IS NULL THEN 'no_address'
                WHEN sender.staff_id IS NULL THEN 'no_sender'
                ELSE '' END AS reason
    FROM ({segment}) AS chosen
    JOIN contacts_customer AS customer ON customer.id = chosen.id
    LEFT JOIN LATERAL (
        SELECT value FROM contacts_identity
        WHERE contacts_identity.customer_id = customer.id AND kind = 'wecom:external_userid'
        ORDER BY contacts_identity.id LIMIT 1
    ) AS identity ON true
    LEFT JOIN LATERAL (
        SELECT follow.staff_id
        FROM contacts_follow AS follow
        JOIN contacts_staff AS staff ON staff.id = follow.staff_id
        WHERE follow.customer_id = customer.id AND follow.ended_at IS NULL
          AND follow.channel = 'wecom'
          AND staff.state IN ('active', 'leaving') AND staff.wecom_userid IS NOT NULL
        ORDER BY (follow.staff_id = customer.owner_id) DESC NULLS LAST, follow.began_at DESC
        LIMIT 1
    ) AS sender ON true
)"""

_NUMBERED = """
numbered AS (
    SELECT customer_id, address, staff_id,
           row_number() OVER (PARTITION BY staff_id ORDER BY customer_id) - 1 AS place
    FROM audience WHERE reason = ''
), cut AS (
    SELECT staff_id, place / {limit} AS chunk, count(*) AS size,
           row_number() OVER (ORDER BY staff_id, place / {limit}) AS seq
    FROM numbered GROUP BY staff_id, place / {limit}
)"""

_FREEZE = """
WITH {audience}, {numbered}, batches AS (
    INSERT INTO campaigns_batch
        (campaign_id, sender_id, seq, size, reference, error, reminders, state, attempts, looks)
    SELECT %s, staff_id, seq, size, '', '', 0, 'waiting', 0, 0 FROM cut ORDER BY seq
    RETURNING id, seq
)
INSERT INTO campaigns_delivery
    (campaign_id, customer_id, batch_id, slot, address, state, reason)
SELECT %s, customer_id, batches.id, place %% {limit}, address, 'queued', ''
FROM numbered
JOIN cut ON cut.staff_id = numbered.staff_id AND cut.chunk = numbered.place / {limit}
JOIN batches ON batches.seq = cut.seq
UNION ALL
SELECT %s, customer_id, NULL, NULL, coalesce(address, ''), 'skipped', reason
FROM audience WHERE reason <> ''
"""

_FIGURES = """
WITH {audience}, {numbered}
SELECT 'reason:' || reason, count(*) FROM audience GROUP BY reason
UNION ALL SELECT 'batches', count(*) FROM cut
UNION ALL SELECT 'senders', count(DISTINCT staff_id) FROM cut
"""


@dataclass(frozen=True, slots=True)
class AudiencePreview:
    """What planning would do at this moment: exact figures, nothing written.

    ``fewest_batches`` is what the recipients would need without regard to senders; there are
    more ``batches`` where the channel takes one sender per call.
    """

    reachable: int
    batches: int
    senders: int
    skipped: dict[DeliveryReason, int] = field(default_factory=dict)

    @property
    def fewest_batches(self) -> int:
        """Batches needed if any batch could have any recipients."""
        return -(-self.reachable // BATCH_LIMIT)


def freeze_audience(campaign: Campaign, *, now: datetime) -> int:
    """Write a delivery for every customer of the audience, and the batches; return how many.

    Call it in the transaction that marks the campaign as planned.
    """
    segment, values = _audience_sql(campaign, now)
    sql = _FREEZE.format(
        audience=_AUDIENCE.format(segment=segment),
        numbered=_NUMBERED.format(limit=BATCH_LIMIT),
        limit=BATCH_LIMIT,
    )
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")  # a million rows take their time
        cursor.execute(sql, [*values, campaign.pk, campaign.pk, campaign.pk])
        return int(cursor.rowcount)


def preview_audience(rule: object) -> AudiencePreview:
    """Count whom a campaign to this rule would reach and whom not. Raises ``RuleBroken``."""
    return _preview(*_segment_sql(rule, timezone.now()))


def preview_announcement(handover: Handover) -> AudiencePreview:
    """Count whom the announcement of a handover would reach and whom not."""
    return _preview(*_ids_sql(to_be_told(handover)))


def _preview(segment: str, values: tuple[Any, ...]) -> AudiencePreview:
    sql = _FIGURES.format(
        audience=_AUDIENCE.format(segment=segment), numbered=_NUMBERED.format(limit=BATCH_LIMIT)
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        figures = dict(cursor.fetchall())
    reasons = {key.removeprefix("reason:"): n for key, n in figures.items() if ":" in key}
    return AudiencePreview(
        reachable=reasons.pop("", 0),
        batches=figures["batches"],
        senders=figures["senders"],
        skipped={DeliveryReason(reason): n for reason, n in sorted(reasons.items())},
    )


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


def _audience_sql(campaign: Campaign, now: datetime) -> tuple[str, tuple[Any, ...]]:
    if campaign.handover:
        return _ids_sql(to_be_told(campaign.handover))
    return _segment_sql(campaign.segment.rule if campaign.segment else None, now)


def _segment_sql(rule: object, now: datetime) -> tuple[str, tuple[Any, ...]]:
    return _ids_sql(customers_in(rule, now=now))


def _ids_sql(customers: QuerySet[Customer]) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL of the customers' ids, with its parameters kept apart."""
    sql, values = customers.order_by().values("id").query.sql_with_params()
    return str(sql), tuple(values)
