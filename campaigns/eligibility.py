"""Who may still get a message at the moment when it leaves.

Planning asks the same once, hours or days earlier. What has changed since counts here.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.array_literals import numbers_literal
from campaigns.channels import abilities_of
from campaigns.enums import DeliveryReason, DeliveryState
from campaigns.lately import lately_sql, limit_values
from campaigns.models import Campaign, Delivery
from campaigns.recipients import OF_MINE, Judgement, Recipient, recipients_in
from campaigns.restraint import Restraint, restraint_on
from connectors.base import Abilities
from contacts.actions.consent import mark_addresses_dead
from contacts.actions.history import record

_REASON = """CASE
    WHEN customer.opted_out_at IS NOT NULL OR consent.granted IS FALSE THEN 'opted_out'
    WHEN customer.state <> 'active' THEN 'gone'
    {refusals}
    ELSE '' END"""

_CONSENT = """
LEFT JOIN contacts_consent AS consent
    ON consent.customer_id = mine.customer_id AND consent.customer_id {of_mine}
    AND consent.channel IN ('', %(channel)s) AND consent.purpose IN ('', %(purpose)s)
"""
_LATEST_CONSENT = ", consent.at DESC NULLS LAST, consent.granted"

_BATCH = """
JOIN campaigns_batch AS batch ON batch.id = mine.batch_id AND batch.id = ANY(%(batches)s)
"""

_LATELY = """
LEFT JOIN lately ON lately.customer_id = mine.customer_id
"""

# Whoever was merged into a recipient and has the message, or may have it. Each is looked up by the
# key of their delivery: LIMIT keeps the planner, which knows nothing of fresh deliveries, from
# reading all those of the campaign instead.
_HAD_IT_BEFORE = """merged AS MATERIALIZED (
    SELECT id, merged_into_id FROM contacts_customer WHERE merged_into_id {of_these}
), had_it AS MATERIALIZED (
    SELECT merged.merged_into_id AS id FROM merged
    CROSS JOIN LATERAL (
        SELECT FROM campaigns_delivery AS theirs
        WHERE theirs.campaign_id = %(campaign)s AND theirs.customer_id = merged.id
          AND (theirs.state IN ('handed', 'sent', 'delivered', 'read', 'replied', 'unclear')
               OR theirs.reason = 'unknown')
        LIMIT 1
    ) AS one
)"""

_REFUSED = """
WITH {had_it}
SELECT id FROM contacts_customer
WHERE id = ANY(%(customers)s::bigint[]) AND (state <> 'active' OR opted_out_at > %(since)s)
UNION ALL
SELECT id FROM had_it
UNION ALL
SELECT customer_id FROM contacts_consent
WHERE customer_id = ANY(%(customers)s::bigint[]) AND at > %(since)s AND NOT granted
  AND channel IN ('', %(channel)s) AND purpose IN ('', %(purpose)s)
"""

_DEAD = """EXISTS (
    SELECT FROM contacts_identity AS identity
    WHERE identity.customer_id = mine.customer_id AND identity.value = mine.address
      AND identity.kind = ANY(%(kinds)s) AND identity.dead_at IS NOT NULL)"""

_SENDER_GONE = """NOT EXISTS (
    SELECT FROM contacts_staff AS staff
    WHERE staff.id = batch.sender_id AND staff.state IN ('active', 'leaving'))"""

_PARTED = """NOT EXISTS (
    SELECT FROM contacts_follow AS follow
    WHERE follow.customer_id = mine.customer_id AND follow.staff_id = batch.sender_id
      AND follow.channel = 'wecom' AND follow.ended_at IS NULL)"""

_RIVAL = """EXISTS (
    SELECT FROM campaigns_delivery AS other
    WHERE other.customer_id = mine.customer_id AND other.campaign_id = ANY(%(rivals)s)
      AND other.state IN ('queued', 'handed', 'unclear'))"""


def skip_those_who_may_not(
    campaign: Campaign,
    batches: Collection[int],
    *,
    restraint: Restraint,
    coupons: bool = False,
    give_up_at: datetime | None = None,
) -> list[Recipient]:
    """Skip the queued recipients of batches who may not get it any more; return whoever is left.

    The channel's sender gone or no longer connected, opted out, no consent, merged or erased, got
    as somebody who was merged into them, a dead address, enough messages lately, another campaign
    under way: one statement finds them.
    Quiet hours make a batch wait instead; see ``Restraint.quiet_until``. Of the unclear, those are
    left who may get it, should it go again; the others stay as they are. With ``give_up_at``, the
    moment of the claim, those of them who have opted out are given up, since no person needs to
    decide about them. For ``coupons`` see ``recipients_in``.
    """
    if not batches:
        return []
    found = recipients_in(
        batches,
        DeliveryState.QUEUED,
        DeliveryState.UNCLEAR,
        judgement=_judgement(campaign, restraint),
        coupons=coupons,
    )
    barred: dict[str, list[int]] = defaultdict(list)
    for person in found:
        if person.reason and person.state == DeliveryState.QUEUED:
            barred[person.reason].append(person.customer_id)
    for reason, customers in barred.items():
        Delivery.objects.filter(
            campaign=campaign, customer__in=customers, state=DeliveryState.QUEUED
        ).update(state=DeliveryState.SKIPPED, reason=reason)
    if give_up_at:
        _give_up(campaign, found, now=give_up_at)
    return [person for person in found if not person.reason]


def _give_up(campaign: Campaign, found: Iterable[Recipient], *, now: datetime) -> None:
    """Let the unclear who have opted out count as failed, until something is heard of a letter."""
    refused = [
        person.customer_id
        for person in found
        if person.state == DeliveryState.UNCLEAR and person.reason == DeliveryReason.OPTED_OUT
    ]
    if not refused:
        return
    unclear = Delivery.objects.filter(campaign=campaign, state=DeliveryState.UNCLEAR)
    with transaction.atomic():
        given_up = unclear.filter(customer__in=refused).update(
            state=DeliveryState.FAILED, reason=DeliveryReason.UNKNOWN
        )
        if given_up:
            data = {"recipients": given_up}
            record(campaign, "campaign.written_off", actor=None, at=now, data=data)


def unclear_who_may_not(campaign: Campaign, batches: Collection[int], *, now: datetime) -> set[int]:
    """Return the unclear recipients of batches who may not get it any more, should it go again."""
    judgement = _judgement(campaign, restraint_on(campaign, now=now))
    found = recipients_in(batches, DeliveryState.UNCLEAR, judgement=judgement)
    return {person.customer_id for person in found if person.reason}


def who_refused(campaign: Campaign, customers: Collection[int], *, since: datetime) -> set[int]:
    """Return who of these has said no to such a message since, was merged or erased, or has it.

    Somebody has it if another record of theirs, merged into them, got it. A quick look between two
    letters; whoever is in it is judged anew when the batch is claimed.
    """
    sql = _REFUSED.format(had_it=_HAD_IT_BEFORE.format(of_these="= ANY(%(customers)s::bigint[])"))
    values: dict[str, Any] = {
        "customers": numbers_literal(customers),
        "since": since,
        "campaign": campaign.pk,
        "channel": campaign.channel,
        "purpose": campaign.purpose,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return {row[0] for row in cursor.fetchall()}


def note_dead_addresses(campaign: Campaign, customers: Collection[int], *, now: datetime) -> None:
    """Remember that the addresses of these recipients of the campaign lead nowhere."""
    if not customers:
        return
    rows = Delivery.objects.filter(campaign=campaign, customer__in=customers)
    addresses = list(rows.values_list("address", flat=True))
    for kind in abilities_of(campaign.channel).address_kinds:
        mark_addresses_dead(kind, addresses, now=now)


def _judgement(campaign: Campaign, restraint: Restraint) -> Judgement:
    abilities = abilities_of(campaign.channel)
    by_sender = abilities.one_sender_per_call and not abilities.direct
    counted = bool(restraint.lately)
    tables = [_HAD_IT_BEFORE.format(of_these=OF_MINE)]
    if counted:
        tables.append(lately_sql(restraint, only=f"AND delivery.customer_id {OF_MINE}"))
    return Judgement(
        reason=_REASON.format(
            refusals=_refusals(restraint, abilities, by_sender=by_sender, counted=counted)
        ),
        tables=", ".join(["", *tables]),
        joins=_CONSENT.format(of_mine=OF_MINE)
        + (_BATCH if by_sender else "")
        + (_LATELY if counted else ""),
        preference=_LATEST_CONSENT,
        values=limit_values(restraint)
        | {
            "campaign": campaign.pk,
            "channel": campaign.channel,
            "purpose": campaign.purpose,
            "kinds": list(abilities.address_kinds),
        },
    )


def _refusals(restraint: Restraint, abilities: Abilities, *, by_sender: bool, counted: bool) -> str:
    rules: Iterable[tuple[bool, str, DeliveryReason]] = (
        (True, "mine.customer_id IN (SELECT id FROM had_it)", DeliveryReason.DUPLICATE),
        (by_sender, _SENDER_GONE, DeliveryReason.NO_SENDER),
        (by_sender, _PARTED, DeliveryReason.CHANGED_HANDS),
        (
            restraint.consent_required,
            "consent.granted IS NOT TRUE",
            DeliveryReason.NO_CONSENT,
        ),
        (bool(abilities.address_kinds), _DEAD, DeliveryReason.DEAD_ADDRESS),
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
