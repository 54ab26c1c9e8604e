"""Following a batch to its end: has its sender confirmed, and what became of each recipient."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns.actions.batches import parcel_of
from campaigns.actions.campaigns import advance_campaign
from campaigns.actions.parts import TOO_YOUNG
from campaigns.channels import connector_for
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Delivery
from connectors.base import (
    ChannelBusy,
    ChannelRefused,
    ChannelUnclear,
    Connector,
    Fate,
    Progress,
    Result,
)
from contacts.enums import StaffState
from contacts.wecom import READING

IN_HAND = timedelta(minutes=10)
"""How long one worker may take to read a batch's results before another tries."""

SHORTEST = timedelta(minutes=2)
LONGEST = timedelta(hours=6)
PATIENCE = timedelta(days=14)
"""How long a batch waits for its sender before it is written off as not confirmed."""

_FATES = {
    Fate.SENT: (DeliveryState.SENT, DeliveryReason.NONE),
    Fate.NOT_A_FRIEND: (DeliveryState.FAILED, DeliveryReason.NOT_A_FRIEND),
    Fate.RECEIVE_LIMIT: (DeliveryState.FAILED, DeliveryReason.RECEIVE_LIMIT),
}

_WRITE = """
UPDATE campaigns_delivery AS delivery
SET state = fate.state, reason = fate.reason, sent_at = fate.sent_at
FROM unnest(%(addresses)s::text[], %(states)s::text[], %(reasons)s::text[], %(times)s::timestamptz[])
    AS fate (address, state, reason, sent_at)
WHERE delivery.batch_id = %(batch)s AND delivery.address = fate.address
  AND delivery.state = 'handed'
"""


def check_batch(batch_id: int, *, now: datetime) -> bool:
    """Ask the channel what became of a batch that is due; returns whether this worker asked.

    A batch whose time is over (``_why_over``) is withdrawn first, and then asked about once more:
    its sender may have been faster. Not every channel says afterwards who had it before, so it is also
    asked before, where that is not too early. What the sender had confirmed goes out all the same,
    so it is followed to its end.
    """
    claimed = Batch.objects.filter(
        pk=batch_id, state=BatchState.HANDED, next_attempt_at__lte=now
    ).update(next_attempt_at=now + IN_HAND)
    if not claimed:
        return False
    batch = Batch.objects.select_related("campaign", "sender__store").get(pk=batch_id)
    connector = connector_for(batch.campaign.channel, patience=READING)
    try:
        if not _withdraw_if_over(batch, connector, now=now):
            return True
        progress = connector.progress(parcel_of(batch), reference=batch.reference)
        results = list(progress.results)
    except ChannelBusy as busy:
        wait = timedelta(seconds=busy.retry_after)
        Batch.objects.filter(pk=batch.pk, state=BatchState.HANDED).update(
            next_attempt_at=now + wait
        )
        return True
    except (ChannelRefused, ChannelUnclear) as error:
        if _age(batch, now) > PATIENCE:
            _write_results(batch, Progress(None, (), over=True), [], now=now)
            advance_campaign(batch.campaign_id, now=now)
            return True
        Batch.objects.filter(pk=batch.pk, state=BatchState.HANDED).update(
            error=str(error)[:300], next_attempt_at=next_check(batch, now=now)
        )
        return True
    _write_results(batch, progress, results, now=now)
    advance_campaign(batch.campaign_id, now=now)
    return True


def _why_over(batch: Batch, now: datetime) -> DeliveryReason | None:
    """Why nobody is to get it any more from a sender who has not confirmed it, if so."""
    campaign, sender = batch.campaign, batch.sender
    if campaign.state == CampaignState.CANCELLED:
        return DeliveryReason.NOT_CONFIRMED
    if sender and sender.state == StaffState.DEPARTED:
        return DeliveryReason.SENDER_LEFT
    if campaign.send_until and campaign.send_until <= now:
        return DeliveryReason.MISSED
    return None


def _withdraw_if_over(batch: Batch, connector: Connector, *, now: datetime) -> bool:
    """Withdraw what is still out though its time is over; whether the batch can be asked about.

    Of a campaign that goes on, nothing that its sender has confirmed, and a channel that refuses
    to withdraw is asked again at the next check.
    """
    if batch.withdrawn_at or _why_over(batch, now) is None:
        return True
    is_cancelled = batch.campaign.state == CampaignState.CANCELLED
    if batch.confirmed_at and not is_cancelled:
        return True
    old_enough = (batch.handed_at or now) + TOO_YOUNG
    if old_enough <= now:
        with suppress(ChannelBusy, ChannelRefused, ChannelUnclear):
            progress = connector.progress(parcel_of(batch), reference=batch.reference)
            _write_fates(batch, list(progress.results))
            batch.confirmed_at = batch.confirmed_at or progress.confirmed_at
        if batch.confirmed_at and not is_cancelled:
            return True
    try:
        connector.cancel(batch.reference)
    except ChannelRefused:
        if is_cancelled:
            raise
        return True
    Batch.objects.filter(pk=batch.pk, state=BatchState.HANDED).update(
        withdrawn_at=now, next_attempt_at=max(now, old_enough)
    )
    batch.withdrawn_at = now
    return old_enough <= now


def _age(batch: Batch, now: datetime) -> timedelta:
    return now - (batch.handed_at or now)


def _write_results(
    batch: Batch, progress: Progress, results: list[Result], *, now: datetime
) -> None:
    with transaction.atomic():
        _write_fates(batch, results)
        withdrawn = batch.withdrawn_at and not progress.confirmed_at
        given_up = progress.over or withdrawn or _age(batch, now) > PATIENCE
        handed = Delivery.objects.filter(batch=batch, state=DeliveryState.HANDED)
        if given_up:
            why = (batch.withdrawn_at and _why_over(batch, now)) or DeliveryReason.NOT_CONFIRMED
            handed.update(state=DeliveryState.CANCELLED, reason=why)
        over = given_up or _nobody_waits(handed, is_confirmed=bool(progress.confirmed_at))
        changes: Mapping[str, object] = (
            {"state": BatchState.DONE, "done_at": now, "next_attempt_at": None}
            if over
            else {"next_attempt_at": next_check(batch, now=now)}
        )
        Batch.objects.filter(pk=batch.pk, state=BatchState.HANDED).update(
            confirmed_at=batch.confirmed_at or progress.confirmed_at, **changes
        )


def _nobody_waits(handed: QuerySet[Delivery], *, is_confirmed: bool) -> bool:
    """Whether all results are in; of those who were erased since, none will ever be known."""
    if not is_confirmed or handed.exclude(address="").exists():
        return not handed.exists()
    handed.update(state=DeliveryState.CANCELLED, reason=DeliveryReason.GONE)
    return True


def _write_fates(batch: Batch, results: list[Result]) -> None:
    settled = [result for result in results if result.fate in _FATES]
    if not settled:
        return
    values: dict[str, Any] = {
        "batch": batch.pk,
        "addresses": [result.address for result in settled],
        "states": [_FATES[result.fate][0].value for result in settled],
        "reasons": [_FATES[result.fate][1].value for result in settled],
        "times": [result.at if result.fate == Fate.SENT else None for result in settled],
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, values)


def next_check(batch: Batch, *, now: datetime) -> datetime:
    """Ask soon at first, then ever more rarely: staff confirm within the hour or days later.

    At the moment until which it may be sent, what is not confirmed is withdrawn.
    """
    at = now + min(LONGEST, max(SHORTEST, _age(batch, now) / 2))
    until = batch.campaign.send_until
    return until if until and now < until < at else at
