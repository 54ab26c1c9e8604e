"""Who may still get a message at the moment when it leaves.

Planning asks the same once, hours or days earlier. What has changed since counts here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.channels import abilities_of
from campaigns.enums import DeliveryReason, DeliveryState
from campaigns.lately import lately_sql, limit_values
from campaigns.models import Batch, Campaign, Delivery
from campaigns.restraint import Restraint, restraint_on
from contacts.actions.consent import mark_addresses_dead
from contacts.enums import StaffState

_VERDICTS = """
WITH queued AS MATERIALIZED (
    SELECT customer_id, address FROM campaigns_delivery
    WHERE batch_id = %(batch)s AND state = %(state)s
){lately}
SELECT customer_id, reason FROM (
    SELECT DISTINCT ON (queued.customer_id) queued.customer_id,
           CASE WHEN customer.opted_out_at IS NOT NULL OR consent.granted IS FALSE
                    THEN 'opted_out'
                WHEN customer.state <> 'active' THEN 'gone'
                {refusals}
                ELSE '' END AS reason
    FROM queued
    JOIN contacts_customer AS customer ON customer.id = queued.customer_id
    LEFT JOIN contacts_consent AS consent
        ON consent.customer_id = queued.customer_id
        AND consent.channel IN ('', %(channel)s) AND consent.purpose IN ('', %(purpose)s)
    {joins}
    ORDER BY queued.customer_id, consent.at DESC NULLS LAST, consent.granted
) AS verdict
WHERE reason <> ''
"""

_REFUSED = """
SELECT id FROM contacts_customer
WHERE id = ANY(%(customers)s) AND (state <> 'active' OR opted_out_at > %(since)s)
UNION
SELECT merged.merged_into_id FROM contacts_customer AS merged
JOIN campaigns_delivery AS theirs ON theirs.customer_id = merged.id
WHERE merged.merged_into_id = ANY(%(customers)s) AND theirs.campaign_id = %(campaign)s
  AND theirs.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear')
UNION
SELECT customer_id FROM contacts_consent
WHERE customer_id = ANY(%(customers)s) AND at > %(since)s AND NOT granted
  AND channel IN ('', %(channel)s) AND purpose IN ('', %(purpose)s)
"""

_DEAD = """EXISTS (
    SELECT FROM contacts_identity AS identity
    WHERE identity.customer_id = queued.customer_id AND identity.value = queued.address
      AND identity.kind = ANY(%(kinds)s) AND identity.dead_at IS NOT NULL)"""

_PARTED = """NOT EXISTS (
    SELECT FROM contacts_follow AS follow
    WHERE follow.customer_id = queued.customer_id AND follow.staff_id = %(sender)s
      AND follow.channel = 'wecom' AND follow.ended_at IS NULL)"""

_HAD_IT_BEFORE = """EXISTS (
    SELECT FROM contacts_customer AS merged
    JOIN campaigns_delivery AS theirs ON theirs.customer_id = merged.id
    WHERE merged.merged_into_id = queued.customer_id AND theirs.campaign_id = %(campaign)s
      AND theirs.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear'))"""

_RIVAL = """EXISTS (
    SELECT FROM campaigns_delivery AS other
    WHERE other.customer_id = queued.customer_id AND other.campaign_id = ANY(%(rivals)s)
      AND other.state IN ('queued', 'handed', 'unclear'))"""

_OF_QUEUED = "AND delivery.customer_id IN (SELECT customer_id FROM queued)"


def skip_those_who_may_not(
    batch: Batch, *, now: datetime, restraint: Restraint | None = None
) -> int:
    """Skip the queued recipients of a batch who may not get it any more; return how many.

    The channel's sender gone or no longer connected, opted out, no consent, merged or erased, got
    as somebody who was merged into them, a dead address, enough messages lately, another campaign
    under way: one statement finds them.
    Quiet hours make a batch wait instead; see ``quiet_until``. Whoever asks for several batches
    of a campaign at once passes its ``restraint``.
    """
    skipped = 0
    for reason, customers in _verdicts(
        batch, restraint or restraint_on(batch.campaign, now=now)
    ).items():
        skipped += Delivery.objects.filter(
            campaign=batch.campaign_id, customer__in=customers, state=DeliveryState.QUEUED
        ).update(state=DeliveryState.SKIPPED, reason=reason)
    return skipped


def unclear_who_may_not(batch: Batch, *, restraint: Restraint) -> set[int]:
    """Return the unclear recipients of a batch who may not get it any more, should it go again."""
    verdicts = _verdicts(batch, restraint, DeliveryState.UNCLEAR)
    return {customer for customers in verdicts.values() for customer in customers}


def who_refused(campaign: Campaign, customers: Collection[int], *, since: datetime) -> set[int]:
    """Return who of these has said no to such a message since, was merged or erased, or has it.

    Somebody has it if another record of theirs, merged into them, got it.
    A quick look between two letters; whoever is in it is judged anew when the batch is claimed.
    """
    values: dict[str, Any] = {
        "customers": list(customers),
        "since": since,
        "campaign": campaign.pk,
        "channel": campaign.channel,
        "purpose": campaign.purpose,
    }
    with connection.cursor() as cursor:
        cursor.execute(_REFUSED, values)
        return {row[0] for row in cursor.fetchall()}


def quiet_until(
    batch: Batch, *, now: datetime, restraint: Restraint | None = None
) -> datetime | None:
    """Return when the quiet hours of the batch's recipients end, or ``None`` if it may leave now.

    Whoever has claimed a batch that is not to leave now puts it back until then.
    """
    restraint = restraint or restraint_on(batch.campaign, now=now)
    return restraint.quiet_until(batch.time_zone, now)


def note_dead_addresses(campaign: Campaign, customers: Collection[int], *, now: datetime) -> None:
    """Remember that the addresses of these recipients of the campaign lead nowhere."""
    if not customers:
        return
    rows = Delivery.objects.filter(campaign=campaign, customer__in=customers)
    addresses = list(rows.values_list("address", flat=True))
    for kind in abilities_of(campaign.channel).address_kinds:
        mark_addresses_dead(kind, addresses, now=now)


def _verdicts(
    batch: Batch, restraint: Restraint, state: DeliveryState = DeliveryState.QUEUED
) -> dict[DeliveryReason, list[int]]:
    abilities = abilities_of(batch.campaign.channel)
    by_sender = abilities.one_sender_per_call and not abilities.direct
    values: dict[str, Any] = limit_values(restraint) | {
        "batch": batch.pk,
        "campaign": batch.campaign_id,
        "state": state.value,
        "channel": batch.campaign.channel,
        "purpose": batch.campaign.purpose,
        "kinds": list(abilities.address_kinds),
        "sender": batch.sender_id if by_sender else None,
    }
    counted = bool(restraint.lately)
    sql = _VERDICTS.format(
        lately=", " + lately_sql(restraint, only=_OF_QUEUED) if counted else "",
        joins="LEFT JOIN lately ON lately.customer_id = queued.customer_id" if counted else "",
        refusals=_refusals(
            batch, restraint, by_sender=by_sender, addressed=bool(abilities.address_kinds)
        ),
    )
    verdicts: dict[DeliveryReason, list[int]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        for customer, reason in cursor.fetchall():
            verdicts[DeliveryReason(reason)].append(customer)
    return verdicts


def _refusals(batch: Batch, restraint: Restraint, *, by_sender: bool, addressed: bool) -> str:
    sender_gone = batch.sender is None or batch.sender.state not in {
        StaffState.ACTIVE,
        StaffState.LEAVING,
    }
    counted = bool(restraint.lately)
    rules: Iterable[tuple[bool, str, DeliveryReason]] = (
        (True, _HAD_IT_BEFORE, DeliveryReason.DUPLICATE),
        (by_sender and sender_gone, "true", DeliveryReason.NO_SENDER),
        (by_sender, _PARTED, DeliveryReason.CHANGED_HANDS),
        (
            restraint.consent_required,
            "consent.granted IS NOT TRUE",
            DeliveryReason.NO_CONSENT,
        ),
        (addressed, _DEAD, DeliveryReason.DEAD_ADDRESS),
        (bool(restraint.rivals), _RIVAL, DeliveryReason.IN_ANOTHER),
        (counted, "lately.capped", DeliveryReason.CAPPED),
        (
            counted and restraint.skip_over_quota,
            "lately.over_quota",
            DeliveryReason.RECEIVE_LIMIT,
        ),
    )
    return "\n".join(
        f"WHEN {condition} THEN '{reason.value}'" for applies, condition, reason in rules if applies
    )
