"""Freezing an audience: who gets a campaign, from whom, in which batch, and who does not and why.

One statement does it all, whatever the number of customers.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from campaigns.channels import abilities_of
from campaigns.enums import DeliveryReason
from campaigns.models import Campaign
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.segments import customers_in
from connectors.base import Abilities
from contacts.enums import Channel, ItemState, StaffState
from contacts.models import Customer, Handover, HandoverItem, Staff

_PLACEHOLDER = re.compile(r"%[%s]")

_AUDIENCE = """
audience AS (
    SELECT DISTINCT ON (customer.id)
           customer.id AS customer_id, {address} AS address, {sender} AS staff_id,
           CASE WHEN customer.opted_out_at IS NOT NULL THEN 'opted_out'
                WHEN {address} IS NULL THEN 'no_address'
                {no_sender}
                ELSE '' END AS reason
    FROM ({segment}) AS chosen
    JOIN contacts_customer AS customer ON customer.id = chosen.id
    {joins}
    ORDER BY customer.id{preferences}
)"""

_ADDRESS_JOIN = """
    LEFT JOIN contacts_identity AS identity
        ON identity.customer_id = customer.id AND identity.kind = ANY(%(kinds)s)"""
_ADDRESS_PREFERENCE = ", array_position(%(kinds)s, identity.kind::text), identity.id"

_SENDER_JOIN = """
    LEFT JOIN (
        SELECT follow.customer_id, follow.staff_id, follow.began_at
        FROM contacts_follow AS follow
        JOIN contacts_staff AS staff ON staff.id = follow.staff_id
        WHERE follow.ended_at IS NULL AND follow.channel = 'wecom'
          AND staff.state IN ('active', 'leaving') AND staff.wecom_userid IS NOT NULL
    ) AS sender ON sender.customer_id = customer.id"""
_SENDER_PREFERENCE = ", (sender.staff_id = customer.owner_id) DESC NULLS LAST, sender.began_at DESC"

_NUMBERED = """
numbered AS (
    SELECT customer_id, address, staff_id, coalesce(staff_id, 0) AS pile,
           row_number() OVER (PARTITION BY staff_id ORDER BY customer_id) - 1 AS place
    FROM audience WHERE reason = ''
), cut AS (
    SELECT staff_id, pile, place / %(limit)s AS chunk, count(*) AS size,
           row_number() OVER (ORDER BY staff_id, place / %(limit)s) AS seq
    FROM numbered GROUP BY staff_id, pile, place / %(limit)s
)"""

_FREEZE = """
WITH {audience}, {numbered}, batches AS (
    INSERT INTO campaigns_batch
        (campaign_id, sender_id, seq, size, reference, error, reminders, state, attempts, looks)
    SELECT %(campaign)s, staff_id, seq, size, '', '', 0, 'waiting', 0, 0 FROM cut ORDER BY seq
    RETURNING id, seq
)
INSERT INTO campaigns_delivery
    (campaign_id, customer_id, batch_id, slot, address, state, reason)
SELECT %(campaign)s, customer_id, batches.id, place %% %(limit)s, address, 'queued', ''
FROM numbered
JOIN cut ON cut.pile = numbered.pile AND cut.chunk = numbered.place / %(limit)s
JOIN batches ON batches.seq = cut.seq
UNION ALL
SELECT %(campaign)s, customer_id, NULL, NULL, coalesce(address, ''), 'skipped', reason
FROM audience WHERE reason <> ''
"""

_FIGURES = """
WITH {audience}, {numbered}
SELECT 'reason:' || reason, count(*) FROM audience GROUP BY reason
UNION ALL SELECT 'batches', count(*) FROM cut
UNION ALL SELECT 'senders', count(DISTINCT staff_id) FROM cut
"""

_Values = dict[str, Any]


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
    audience, values = _audience_sql(_chosen_by(campaign, now), abilities_of(campaign.channel))
    sql = _FREEZE.format(audience=audience, numbered=_NUMBERED)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10min'")  # a million rows take their time
        cursor.execute(sql, {**values, "campaign": campaign.pk})
        return int(cursor.rowcount)


def preview_audience(rule: object, *, channel: str = "wecom") -> AudiencePreview:
    """Count whom a campaign to this rule would reach and whom not. Raises ``RuleBroken``."""
    return _preview(customers_in(rule, now=timezone.now()), channel)


def preview_announcement(handover: Handover) -> AudiencePreview:
    """Count whom the announcement of a handover would reach and whom not."""
    return _preview(to_be_told(handover), Channel.WECOM)


def _preview(customers: QuerySet[Customer], channel: str) -> AudiencePreview:
    audience, values = _audience_sql(customers, abilities_of(channel))
    sql = _FIGURES.format(audience=audience, numbered=_NUMBERED)
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


def _chosen_by(campaign: Campaign, now: datetime) -> QuerySet[Customer]:
    if campaign.handover:
        return to_be_told(campaign.handover)
    return customers_in(campaign.segment.rule if campaign.segment else None, now=now)


def _audience_sql(customers: QuerySet[Customer], abilities: Abilities) -> tuple[str, _Values]:
    """Return the CTE of an audience with its parameters, which are all named."""
    segment, values = _named(customers.order_by().values("id"))
    values |= {"limit": BATCH_LIMIT, "kinds": list(abilities.address_kinds)}
    by_sender = abilities.one_sender_per_call and not abilities.direct
    addressed = bool(abilities.address_kinds)
    return _AUDIENCE.format(
        segment=segment,
        address="identity.value" if addressed else "customer.id::text",
        sender="sender.staff_id" if by_sender else "NULL::bigint",
        no_sender="WHEN sender.staff_id IS NULL THEN 'no_sender'" if by_sender else "",
        joins=(_SENDER_JOIN if by_sender else "") + (_ADDRESS_JOIN if addressed else ""),
        preferences=(_SENDER_PREFERENCE if by_sender else "")
        + (_ADDRESS_PREFERENCE if addressed else ""),
    ), values


def _named(customers: QuerySet[Any, Any]) -> tuple[str, _Values]:
    """Return the SQL of a query with its parameters under names, so that others can join them."""
    sql, positional = customers.query.sql_with_params()
    values = {f"segment_{place}": value for place, value in enumerate(positional)}
    names = iter(values)
    named = _PLACEHOLDER.sub(
        lambda found: "%%" if found[0] == "%%" else f"%({next(names)})s", str(sql)
    )
    return named, values
