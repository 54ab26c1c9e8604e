"""The delivery engine: claim a batch, make the call, write down what happened.

The claim is committed before the call and fenced by a lease token afterwards, so a batch is in
one worker's hands at a time. What a worker leaves behind when it dies becomes *unclear*, is
looked up at the channel, and is sent again only when the channel says that it has nothing.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_noop

from campaigns.actions.campaigns import advance_campaign, begin_sending
from campaigns.actions.letters import take_over_letters
from campaigns.actions.media import send_with_files
from campaigns.actions.unclear import look_up_letters
from campaigns.channels import connector_for, is_direct
from campaigns.eligibility import quiet_until, skip_those_who_may_not
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, Variant
from campaigns.placeholders import fill
from campaigns.restraint import restraint_on
from campaigns.tasks import send_batches
from connectors.base import (
    ChannelBusy,
    ChannelRefused,
    ChannelUnclear,
    Handed,
    Parcel,
)
from contacts.doorbell import ring
from contacts.errors import broken_constraint
from contacts.models import Company, Staff
from contacts.wecom import READING
from contacts.words import handover_words

LEASE = timedelta(seconds=60)
"""Longer than any call to a channel may take, so a call never outlives its lease."""

LOOK_EVERY = timedelta(minutes=2)
IN_HAND = timedelta(minutes=10)
"""How long one worker may take to look before another tries."""

TOO_YOUNG = timedelta(seconds=61)
"""The channel refuses to speak of what it got less than a minute ago (WeCom errcode 41063)."""

LOOKS = 2
"""The channel is asked this often, after this long, before "it has nothing" is believed."""

FIRST_CHECK = timedelta(minutes=2)
"""Results asked for right after sending are refused (WeCom errcode 41063)."""

MOST_ATTEMPTS = 5

_CLAIM = """
UPDATE campaigns_batch SET
    state = 'sending', lease_token = %(token)s, lease_until = %(until)s, claimed_at = %(now)s,
    attempts = attempts + 1, looks = 0
WHERE id = (
    SELECT batch.id FROM campaigns_batch AS batch
    JOIN campaigns_campaign AS campaign ON campaign.id = batch.campaign_id
    WHERE batch.campaign_id = %(campaign)s AND batch.state = 'waiting'
      AND campaign.state IN ('planned', 'sending', 'waiting')
      AND (campaign.send_until IS NULL OR campaign.send_until > %(now)s)
      AND (batch.next_attempt_at IS NULL OR batch.next_attempt_at <= %(now)s)
    ORDER BY batch.id
    FOR UPDATE OF batch SKIP LOCKED
    LIMIT 1
)
RETURNING id
"""


def claim_batch(campaign_id: int, *, now: datetime) -> Batch | None:
    """Take the next waiting batch of a campaign that is not paused, for one lease."""
    values: dict[str, Any] = {
        "token": uuid.uuid4(),
        "until": now + LEASE,
        "now": now,
        "campaign": campaign_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    begin_sending(campaign_id, now=now)
    return Batch.objects.select_related("campaign__handover__from_staff", "sender__store").get(
        pk=row[0]
    )


def send_batch(batch: Batch, *, now: datetime) -> None:
    """Make the call for a claimed batch and write down what happened.

    In the quiet hours of its recipients it waits. Recipients who may no longer get it are skipped
    first: see ``skip_those_who_may_not``.
    """
    connector = connector_for(batch.campaign.channel)
    if batch.attempts > MOST_ATTEMPTS:
        _give_up(batch, gettext_noop("Given up after too many attempts."), now=now)
        return
    restraint = restraint_on(batch.campaign, now=now)
    if waits_until := quiet_until(batch, now=now, restraint=restraint):
        _put_back(batch, "", until=waits_until, now=now)
        return
    skip_those_who_may_not(batch, now=now, restraint=restraint)
    parcel = parcel_of(batch)
    if not parcel.addresses:
        _write_handed(batch, Handed(reference=""), now=now)
        return
    try:
        handed = send_with_files(connector, parcel, batch.campaign.attachments, now=now)
    except ChannelBusy as busy:
        again = now + timedelta(seconds=busy.retry_after)
        _put_back(batch, str(busy), until=again, now=now)
    except ChannelRefused as refused:
        _give_up(batch, str(refused), now=now)
    except ChannelUnclear as unclear:
        _leave_unclear(batch, str(unclear), now=now)
    else:
        _write_handed(batch, handed, now=now)


def parcel_of(batch: Batch) -> Parcel:
    """Build what is sent for a batch, but for its attachments; the same on every attempt."""
    sender = batch.sender
    still_ours = [DeliveryState.QUEUED, DeliveryState.UNCLEAR, DeliveryState.HANDED]
    addresses = Delivery.objects.filter(batch=batch, state__in=still_ours).order_by("slot")
    return Parcel(
        key=f"liuke-{batch.campaign_id}-{batch.seq}",
        sender=(sender.wecom_userid or "") if sender else "",
        text=_words(batch),
        addresses=list(addresses.values_list("address", flat=True)),
    )


def _words(batch: Batch) -> str:
    handover = batch.campaign.handover
    if handover and batch.sender:
        return handover_words(batch.campaign.text, handover, batch.sender)
    return fill(_wording(batch), _values(batch.sender))


def _wording(batch: Batch) -> str:
    if batch.variant is None:
        return batch.campaign.text
    variants = Variant.objects.filter(campaign=batch.campaign_id, number=batch.variant)
    return variants.values_list("text", flat=True).get()


def _values(sender: Staff | None) -> dict[str, str]:
    company = Company.objects.first()
    return {
        "guide": sender.name if sender else "",
        "store": sender.store.name if sender and sender.store else "",
        "company": company.short_name if company else "",
    }


def _fenced(batch: Batch) -> Q:
    """Only the worker whose lease token still stands in the row may write."""
    return Q(pk=batch.pk, state=BatchState.SENDING, lease_token=batch.lease_token)


def _write_handed(batch: Batch, handed: Handed, *, now: datetime) -> None:
    """The channel has it: nobody is *sent* yet, that is for the results to say."""
    with transaction.atomic():
        changes = _handed_changes(handed, now)
        if handed.reference and _is_cancelled(batch):
            changes["next_attempt_at"] = now  # to be withdrawn
        if not Batch.objects.filter(_fenced(batch)).update(**changes):
            return
        _write_recipients(batch, handed)
    advance_campaign(batch.campaign_id, now=now)


def _handed_changes(handed: Handed, now: datetime) -> dict[str, object]:
    if not handed.reference:
        return {"state": BatchState.DONE, "lease_token": None, "lease_until": None, "done_at": now}
    return {
        "state": BatchState.HANDED,
        "reference": handed.reference,
        "lease_token": None,
        "lease_until": None,
        "handed_at": now,
        "next_attempt_at": now + FIRST_CHECK,
        "error": "",
    }


def _write_recipients(batch: Batch, handed: Handed) -> None:
    open_rows = Delivery.objects.filter(
        batch=batch, state__in=[DeliveryState.QUEUED, DeliveryState.UNCLEAR]
    )
    refused = open_rows if not handed.reference else open_rows.filter(address__in=handed.refused)
    refused.update(state=DeliveryState.FAILED, reason=DeliveryReason.INVALID)
    open_rows.update(state=DeliveryState.HANDED)


def _put_back(batch: Batch, why: str, *, until: datetime, now: datetime) -> None:
    """Nothing was sent: the batch waits, and the attempt does not count."""
    with transaction.atomic():
        over = _is_cancelled(batch)
        if not Batch.objects.filter(_fenced(batch)).update(
            state=BatchState.CANCELLED if over else BatchState.WAITING,
            lease_token=None,
            lease_until=None,
            attempts=F("attempts") - 1,
            next_attempt_at=None if over else until,
            done_at=now if over else None,
            error=why[:300],
        ):
            return
        if over:
            Delivery.objects.filter(batch=batch, state=DeliveryState.QUEUED).update(
                state=DeliveryState.CANCELLED
            )


def _is_cancelled(batch: Batch) -> bool:
    """Whether the campaign was cancelled; it cannot be until this transaction ends."""
    campaign = Campaign.objects.select_for_update().get(pk=batch.campaign_id)
    return campaign.state == CampaignState.CANCELLED


def _give_up(batch: Batch, why: str, *, now: datetime) -> None:
    """The channel definitely said no: nobody in the batch got anything."""
    with transaction.atomic():
        refused = Batch.objects.filter(_fenced(batch)).update(
            state=BatchState.REFUSED,
            lease_token=None,
            lease_until=None,
            done_at=now,
            error=why[:300],
        )
        if refused:
            Delivery.objects.filter(batch=batch, state=DeliveryState.QUEUED).update(
                state=DeliveryState.FAILED, reason=DeliveryReason.CHANNEL_ERROR
            )
    advance_campaign(batch.campaign_id, now=now)


def _leave_unclear(batch: Batch, why: str, *, now: datetime) -> None:
    with transaction.atomic():
        if Batch.objects.filter(_fenced(batch)).update(**_unclear_changes(why, now)):
            _mark_unclear([batch.pk])


def _unclear_changes(why: str, now: datetime) -> dict[str, object]:
    return {
        "state": BatchState.UNCLEAR,
        "lease_token": None,
        "lease_until": None,
        "looks": 0,
        "next_attempt_at": now + LOOK_EVERY,
        "error": why[:300],
    }


def _mark_unclear(batches: list[int]) -> None:
    Delivery.objects.filter(batch__in=batches, state=DeliveryState.QUEUED).update(
        state=DeliveryState.UNCLEAR
    )


def expire_leases(*, now: datetime) -> int:
    """Take batches out of the hands of workers that died; returns how many that were.

    They are unclear, or go on where a channel of letters allows that (``take_over_letters``).
    """
    with transaction.atomic():
        dead = list(
            Batch.objects.select_for_update(of=("self",), skip_locked=True)
            .filter(state=BatchState.SENDING, lease_until__lt=now)
            .order_by("pk")
            .values_list("pk", "campaign__channel")
        )
        for channel in {channel for _pk, channel in dead}:
            batches = [pk for pk, its_channel in dead if its_channel == channel]
            if is_direct(channel):
                take_over_letters(batches, channel, now=now)
                continue
            why = gettext_noop("The worker stopped before it could write down what happened.")
            Batch.objects.filter(pk__in=batches).update(**_unclear_changes(why, now))
            _mark_unclear(batches)
    return len(dead)


def look_up_batch(batch_id: int, *, now: datetime) -> bool:
    """Ask the channel whether it has an unclear batch; returns whether this worker asked.

    Found: the batch counts as handed over. Not found after ``LOOKS`` looks: it is sent again.
    """
    claimed = Batch.objects.filter(
        pk=batch_id, state=BatchState.UNCLEAR, next_attempt_at__lte=now
    ).update(next_attempt_at=now + IN_HAND)
    if not claimed:
        return False
    batch = Batch.objects.select_related("campaign__handover__from_staff", "sender__store").get(
        pk=batch_id
    )
    if is_direct(batch.campaign.channel):
        look_up_letters(batch, now=now)
        return True
    connector = connector_for(batch.campaign.channel, patience=READING)
    since = batch.claimed_at or now
    known = set(
        Batch.objects.filter(handed_at__gte=since - LEASE)
        .exclude(reference="")
        .values_list("reference", flat=True)
    )
    try:
        found = connector.look_up(parcel_of(batch), since=since, until=now - TOO_YOUNG, known=known)
    except (ChannelBusy, ChannelRefused, ChannelUnclear) as error:
        Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR).update(
            error=str(error)[:300], next_attempt_at=now + LOOK_EVERY
        )
        return True
    if found is not None:
        _resolve_found(batch, found, now=now)
    elif batch.looks + 1 >= LOOKS:
        _resolve_missing(batch, now=now)
    else:
        Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR).update(
            looks=F("looks") + 1, next_attempt_at=now + LOOK_EVERY
        )
    return True


def _resolve_found(batch: Batch, found: Handed, *, now: datetime) -> None:
    """It is at the channel. Had a batch of the same words and people the same claim, one yields."""
    unclear = Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR)
    try:
        with transaction.atomic():
            if unclear.update(**_handed_changes(found, now)):
                _write_recipients(batch, found)
    except IntegrityError as error:
        if broken_constraint(error) != "batch_reference_once":
            raise
        unclear.update(next_attempt_at=now + LOOK_EVERY)
    advance_campaign(batch.campaign_id, now=now)


def _resolve_missing(batch: Batch, *, now: datetime) -> None:
    """The channel has nothing: the batch waits its turn again, or ends with its campaign.

    The other batches may wait for their senders by now; then the campaign is sending again.
    """
    with transaction.atomic():
        live = not _is_cancelled(batch)
        if not Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR).update(
            state=BatchState.WAITING if live else BatchState.CANCELLED,
            next_attempt_at=None,
            done_at=None if live else now,
        ):
            return
        Delivery.objects.filter(batch=batch, state=DeliveryState.UNCLEAR).update(
            state=DeliveryState.QUEUED if live else DeliveryState.CANCELLED
        )
        begin_sending(batch.campaign_id, now=now)
        ring(send_batches, batch.campaign_id)
