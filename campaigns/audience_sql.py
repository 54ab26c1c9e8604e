"""The statements behind ``audience``, put together from what a campaign asks and what it may.

Parts that cannot matter are left out: a join less over a million rows is seconds.
"""

import re
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Lower

from campaigns.channels import abilities_of
from campaigns.enums import DeliveryReason
from campaigns.lately import lately_sql, limit_values
from campaigns.models import Campaign
from campaigns.models.campaigns import BATCH_LIMIT
from campaigns.restraint import Restraint, customer_zones, restraint_on
from campaigns.splitting import PILES, Split
from contacts.enums import IdentityKind
from contacts.models import Customer, Identity

_PLACEHOLDER = re.compile(r"%[%s]")

_AUDIENCE = """
{lately}
audience AS {kept} (
    SELECT DISTINCT ON (customer.id)
           customer.id AS customer_id, {address} AS address, {sender} AS staff_id,
           {zone} AS zone, {over_quota} AS over_quota,
           CASE WHEN customer.opted_out_at IS NOT NULL OR consent.granted IS FALSE
                    THEN 'opted_out'
                {refusals}
                ELSE '' END AS reason
    FROM ({segment}) AS chosen
    JOIN contacts_customer AS customer ON customer.id = chosen.id
    LEFT JOIN contacts_consent AS consent
        ON consent.customer_id = customer.id
        AND consent.channel IN ('', %(channel)s) AND consent.purpose IN ('', %(purpose)s)
    {joins}
    ORDER BY customer.id, consent.at DESC NULLS LAST, consent.granted{preferences}
){doubles}"""

_ADDRESS_JOIN = """
    LEFT JOIN contacts_identity AS identity
        ON identity.customer_id = customer.id AND identity.kind = ANY(%(kinds)s)"""
_ADDRESS_PREFERENCE = (
    ", identity.dead_at NULLS FIRST, array_position(%(kinds)s, identity.kind::text), identity.id"
)

_SENDER_JOIN = """
    LEFT JOIN (
        SELECT follow.customer_id, follow.staff_id, follow.began_at
        FROM contacts_follow AS follow
        JOIN contacts_staff AS staff ON staff.id = follow.staff_id
        WHERE follow.ended_at IS NULL AND follow.channel = 'wecom'
          AND staff.state IN ('active', 'leaving') AND staff.wecom_userid IS NOT NULL
          AND staff.left_channel_at IS NULL AND staff.id NOT IN (
              SELECT staff_id FROM contacts_finding
              WHERE state = 'open' AND kind IN ('staff_gone', 'unreadable')
                AND staff_id IS NOT NULL
          )
    ) AS sender ON sender.customer_id = customer.id"""
_SENDER_PREFERENCE = ", (sender.staff_id = customer.owner_id) DESC NULLS LAST, sender.began_at DESC"

_ZONE_JOIN = """
    LEFT JOIN unnest(%(zones)s::text[], %(zone_late)s::bool[])
        WITH ORDINALITY AS zone (name, late, place) ON zone.name = customer.time_zone"""

_LATELY_JOIN = """
    LEFT JOIN lately ON lately.customer_id = customer.id"""

_RIVALS_JOIN = """
    LEFT JOIN (
        SELECT DISTINCT customer_id AS id FROM campaigns_delivery
        WHERE campaign_id = ANY(%(rivals)s) AND state IN ('queued', 'handed', 'unclear')
    ) AS rival ON rival.id = customer.id"""

_DOUBLES = """, cased AS MATERIALIZED (
    SELECT lower(value) AS value FROM contacts_identity
    WHERE kind = 'email' AND value <> lower(value)
), persons AS MATERIALIZED (
    SELECT customer_id, lower(value) AS value FROM contacts_identity
    WHERE kind = 'email' AND value <> lower(value)
    UNION
    SELECT customer_id, value FROM contacts_identity
    WHERE kind = 'email' AND system = '' AND value IN (SELECT value FROM cased)
), doubles AS MATERIALIZED (
    SELECT DISTINCT customer_id FROM (
        SELECT audience.customer_id,
               row_number() OVER (PARTITION BY persons.value ORDER BY audience.customer_id) AS turn
        FROM persons JOIN audience ON audience.customer_id = persons.customer_id
        WHERE audience.reason = ''
    ) AS lined_up
    WHERE turn > 1
)"""

_JUDGED = """
judged AS (
    SELECT audience.customer_id, address, staff_id, zone, over_quota, {reason} AS reason,
           {variant} AS variant
    FROM audience {doubles_join}
)"""

_NUMBERED = """
numbered AS MATERIALIZED (
    SELECT customer_id, address, staff_id, zone, variant, reason, pile,
           ({place})::int - 1 AS place
    FROM (
        SELECT *, CASE WHEN reason = '' THEN {pile} ELSE -1 END AS pile
        FROM judged
    ) AS piled
), cut AS (
    SELECT pile, place / %(limit)s AS chunk, min(staff_id) AS staff_id, min(zone) AS zone,
           min(variant) AS variant,
           count(*) AS size,
           row_number() OVER (ORDER BY pile, place / %(limit)s) AS seq
    FROM numbered WHERE pile >= 0 GROUP BY pile, place / %(limit)s
)"""
_PLACE_IN_PILE = "row_number() OVER (PARTITION BY pile ORDER BY customer_id)"
_PLACE_OF_ALL = (
    "count(*) FILTER (WHERE reason = '') OVER (ORDER BY customer_id ROWS UNBOUNDED PRECEDING)"
)

FREEZE = """
WITH {audience}, {judged}, {numbered}, batches AS (
    INSERT INTO campaigns_batch
        (campaign_id, sender_id, seq, size, time_zone, next_attempt_at, reference, error,
         reminders, state, attempts, looks, variant)
    SELECT %(campaign)s, staff_id, seq, size, (%(zones)s::text[])[zone],
           (%(zone_starts)s::timestamptz[])[zone], '', '', 0,
           CASE WHEN variant = %(rest)s THEN 'held' ELSE 'waiting' END, 0, 0,
           nullif(variant, %(rest)s)
    FROM cut ORDER BY seq
    RETURNING id, seq
), homes AS MATERIALIZED (
    SELECT cut.pile, cut.chunk, batches.id FROM cut JOIN batches ON batches.seq = cut.seq
)
INSERT INTO campaigns_delivery
    (campaign_id, customer_id, batch_id, slot, address, state, reason, variant)
SELECT %(campaign)s, customer_id, homes.id,
       CASE WHEN numbered.pile >= 0 THEN place %% %(limit)s END, coalesce(address, ''),
       CASE WHEN numbered.pile >= 0 THEN 'queued' ELSE 'skipped' END, reason,
       CASE WHEN numbered.pile >= 0 THEN nullif(numbered.variant, %(rest)s) END
FROM numbered
LEFT JOIN homes ON homes.pile = numbered.pile AND homes.chunk = numbered.place / %(limit)s
{order}
"""

FIGURES = """
WITH {audience}, {judged}, piles AS (
    SELECT reason, staff_id, zone, count(*) AS size, count(*) FILTER (WHERE over_quota) AS over
    FROM judged GROUP BY reason, staff_id, zone, variant
)
SELECT 'reason:' || reason, sum(size) FROM piles GROUP BY reason
UNION ALL SELECT 'batches', sum((size + %(limit)s - 1) / %(limit)s) FROM piles WHERE reason = ''
UNION ALL SELECT 'senders', count(DISTINCT staff_id) FROM piles WHERE reason = ''
UNION ALL SELECT 'over_quota', sum(over) FROM piles WHERE reason = ''
UNION ALL SELECT 'later', sum(size) FROM piles
    WHERE reason = '' AND (%(zone_starts)s::timestamptz[])[zone] IS NOT NULL
"""

_Values = dict[str, Any]


def audience_sql(
    campaign: Campaign, customers: QuerySet[Customer], split: Split, *, now: datetime
) -> tuple[dict[str, str], _Values]:
    """Return the CTEs of an audience, with their parameters, which are all named.

    Before the campaign's time has come, limits look back from that time.
    """
    abilities = abilities_of(campaign.channel)
    restraint = restraint_on(campaign, now=max(campaign.send_at or now, now))
    segment, values = _named(customers.order_by().values("id"))
    zones = _zones(restraint, campaign, now)
    values |= limit_values(restraint) | zones | split.values
    values |= {
        "limit": BATCH_LIMIT,
        "kinds": list(abilities.address_kinds),
        "channel": campaign.channel,
        "purpose": campaign.purpose,
    }
    by_sender = abilities.one_sender_per_call and not abilities.direct
    addressed = bool(abilities.address_kinds)
    zoned = len(zones["zones"]) > 1 or any(zones["zone_late"])
    counted = bool(restraint.lately)
    has_doubles = _has_cased_addresses()
    audience = _AUDIENCE.format(
        segment=segment,
        lately=lately_sql(restraint) + "," if counted else "",
        kept="MATERIALIZED" if has_doubles else "",
        address="identity.value" if addressed else "customer.id::text",
        sender="sender.staff_id" if by_sender else "NULL::bigint",
        zone="coalesce(zone.place, 1)" if zoned else "1",
        over_quota="coalesce(lately.over_quota, false)" if counted else "false",
        refusals=_refusals(
            restraint, addressed=addressed, by_sender=by_sender, zoned=zoned, counted=counted
        ),
        joins=(_SENDER_JOIN if by_sender else "")
        + (_ADDRESS_JOIN if addressed else "")
        + (_ZONE_JOIN if zoned else "")
        + (_LATELY_JOIN if counted else "")
        + (_RIVALS_JOIN if restraint.rivals else ""),
        preferences=(_SENDER_PREFERENCE if by_sender else "")
        + (_ADDRESS_PREFERENCE if addressed else ""),
        doubles=_DOUBLES if has_doubles else "",
    )
    one_pile = not by_sender and not zoned and not split.ends
    pile = "coalesce(staff_id, 0) * 1024 + zone"
    return {
        "audience": audience,
        "judged": _judged_sql(split, has_doubles=has_doubles),
        "numbered": _NUMBERED.format(
            place=_PLACE_OF_ALL if one_pile else _PLACE_IN_PILE,
            pile=f"({pile}) * {PILES} + variant" if split.ends else pile,
        ),
        "order": "" if one_pile else "ORDER BY customer_id",  # indexes grow at their ends
    }, values


def _refusals(
    restraint: Restraint, *, addressed: bool, by_sender: bool, zoned: bool, counted: bool
) -> str:
    """Return the conditions under which somebody gets nothing, the strongest reason first."""
    conditions = {
        "consent.granted IS NOT TRUE": (restraint.consent_required, DeliveryReason.NO_CONSENT),
        "identity.value IS NULL": (addressed, DeliveryReason.NO_ADDRESS),
        "identity.dead_at IS NOT NULL": (addressed, DeliveryReason.DEAD_ADDRESS),
        "sender.staff_id IS NULL": (by_sender, DeliveryReason.NO_SENDER),
        "rival.id IS NOT NULL": (bool(restraint.rivals), DeliveryReason.IN_ANOTHER),
        "lately.capped": (counted, DeliveryReason.CAPPED),
        "lately.over_quota": (
            counted and restraint.skip_over_quota,
            DeliveryReason.RECEIVE_LIMIT,
        ),
        "coalesce(zone.late, (%(zone_late)s::bool[])[1])": (zoned, DeliveryReason.QUIET_HOURS),
    }
    return "\n".join(
        f"WHEN {condition} THEN '{reason.value}'"
        for condition, (applies, reason) in conditions.items()
        if applies
    )


def _judged_sql(split: Split, *, has_doubles: bool) -> str:
    if not has_doubles:
        return _JUDGED.format(reason=split.reason("reason"), variant=split.variant, doubles_join="")
    reason = "CASE WHEN doubles.customer_id IS NULL THEN reason ELSE 'duplicate' END"
    return _JUDGED.format(
        reason=split.reason(reason),
        variant=split.variant,
        doubles_join="LEFT JOIN doubles ON doubles.customer_id = audience.customer_id",
    )


def _zones(restraint: Restraint, campaign: Campaign, now: datetime) -> _Values:
    """Return the time zones, the company's first: when each may be sent to, and if too late.

    Before the campaign's time has come, it is judged by the clocks of that time.
    """
    names = ["", *customer_zones()]
    begin = max(campaign.send_at or now, now)
    starts = [restraint.quiet_until(name, begin) for name in names]
    until = campaign.send_until
    late = [bool(until and start and start >= until) for start in starts]
    return {"zones": names, "zone_starts": starts, "zone_late": late}


def _has_cased_addresses() -> bool:
    """Whether an e-mail address may be there twice; hardly ever, and the index knows."""
    cased = Identity.objects.filter(kind=IdentityKind.EMAIL).exclude(value=Lower("value"))
    return cased.exists()


def _named(customers: QuerySet[Any, Any]) -> tuple[str, _Values]:
    """Return the SQL of a query with its parameters under names, so that others can join them."""
    sql, positional = customers.query.sql_with_params()
    values = {f"segment_{place}": value for place, value in enumerate(positional)}
    names = iter(values)
    named = _PLACEHOLDER.sub(
        lambda found: "%%" if found[0] == "%%" else f"%({next(names)})s", str(sql)
    )
    return named, values
