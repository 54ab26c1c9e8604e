"""The delivery engine: claim a batch, make the call, write down what happened.

How a claim is held, and what is written down of each outcome: ``campaigns.actions.parts``.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_noop

from campaigns.actions import parts
from campaigns.actions.campaigns import advance_campaign, begin_sending
from campaigns.actions.left_behind import take_over_letters
from campaigns.actions.media import send_with_files
from campaigns.actions.unclear import look_up_letters
from campaigns.channels import connector_for, is_direct
from campaigns.eligibility import skip_those_who_may_not
from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, Variant
from campaigns.placeholders import fill
from campaigns.restraint import restraint_on
from campaigns.tasks import send_batches
from connectors.base import (
    ChannelBusy,
    ChannelRefused,
    ChannelUnclear,
    Connector,
    Handed,
    Parcel,
)
from contacts.doorbell import ring
from contacts.models import Company, Staff
from contacts.wecom import READING
from contacts.words import handover_words

logger = logging.getLogger(__name__)

_NOT_WRITTEN = gettext_noop("The message could not be written; the log says why.")

_CLAIM = """
UPDATE campaigns_batch SET
    state = 'sending', lease_token = %(token)s, lease_until = %(until)s, claimed_at = %(now)s,
    attempts = attempts + 1, looks = 0
WHERE id = (
    SELECT batch.id FROM campaigns_batch AS batch
    JOIN campaigns_campaign AS campaign ON campaign.id = batch.campaign_id
    WHERE batch.campaign_id = %(whose)s AND batch.state = 'waiting'
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
    batch_id = parts.claim(_CLAIM, campaign_id, now=now)
    if batch_id is None:
        return None
    begin_sending(campaign_id, now=now)
    return Batch.objects.select_related("campaign__handover__from_staff", "sender__store").get(
        pk=batch_id
    )


def send_batch(batch: Batch, *, now: datetime) -> None:
    """Make the call for a claimed batch and write down what happened.

    In the quiet hours of its recipients it waits. Recipients who may no longer get it are skipped
    first: see ``skip_those_who_may_not``.
    """
    connector = connector_for(batch.campaign.channel)
    if batch.attempts > parts.MOST_ATTEMPTS:
        _give_up(batch, parts.GIVEN_UP, now=now)
        return
    restraint = restraint_on(batch.campaign, now=now)
    if waits_until := restraint.quiet_until(batch.time_zone, now):
        _put_back(batch, "", until=waits_until, now=now)
        return
    skip_those_who_may_not(batch.campaign, [batch.pk], restraint=restraint)
    try:
        parcel = parcel_of(batch)
    except DatabaseTrouble:
        raise
    except Exception:  # of this message: it is refused with a reason, others go on
        logger.exception("the message of batch %s cannot be written", batch.pk)
        _give_up(batch, _NOT_WRITTEN, now=now)
    else:
        _send_parcel(batch, parcel, connector, now=now)


def _send_parcel(batch: Batch, parcel: Parcel, connector: Connector, *, now: datetime) -> None:
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
    """Build what is sent for a batch, but for its attachments; the same on every attempt.

    Whoever was erased since is left out, and counted: the channel may know of them.
    """
    sender = batch.sender
    still_ours = [DeliveryState.QUEUED, DeliveryState.UNCLEAR, DeliveryState.HANDED]
    found = Delivery.objects.filter(batch=batch, state__in=still_ours).order_by("slot")
    addresses = list(found.values_list("address", flat=True))
    known = [address for address in addresses if address]
    return Parcel(
        key=f"liuke-{batch.campaign_id}-{batch.seq}",
        sender=(sender.wecom_userid or "") if sender else "",
        text=_words(batch),
        addresses=known,
        forgotten=len(addresses) - len(known),
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


def _recipients(batch: Batch) -> QuerySet[Delivery]:
    return Delivery.objects.filter(batch=batch)


def _write_handed(batch: Batch, handed: Handed, *, now: datetime) -> None:
    is_cancelled = partial(_is_cancelled, batch)
    parts.write_handed(batch, handed, _recipients(batch), is_cancelled=is_cancelled, now=now)
    advance_campaign(batch.campaign_id, now=now)


def _put_back(batch: Batch, why: str, *, until: datetime, now: datetime) -> None:
    is_cancelled = partial(_is_cancelled, batch)
    parts.put_back(batch, why, _recipients(batch), until=until, is_cancelled=is_cancelled, now=now)


def _is_cancelled(batch: Batch) -> bool:
    """Whether the campaign was cancelled; it cannot be until this transaction ends."""
    campaign = Campaign.objects.select_for_update().get(pk=batch.campaign_id)
    return campaign.state == CampaignState.CANCELLED


def _give_up(batch: Batch, why: str, *, now: datetime) -> None:
    parts.give_up(batch, why, _recipients(batch), now=now)
    advance_campaign(batch.campaign_id, now=now)


def _leave_unclear(batch: Batch, why: str, *, now: datetime) -> None:
    parts.leave_unclear(batch, why, _recipients(batch), now=now)


def expire_leases(*, now: datetime) -> int:
    """Take batches out of the hands of workers that died; returns how many that were.

    They are unclear, or go on where a channel of letters allows that (``take_over_letters``).
    """
    with transaction.atomic():
        dead = list(parts.dead(Batch.objects.all(), now=now).values_list("pk", "campaign__channel"))
        for channel in {channel for _pk, channel in dead}:
            batches = [pk for pk, its_channel in dead if its_channel == channel]
            if is_direct(channel):
                take_over_letters(batches, channel, now=now)
                continue
            deliveries = Delivery.objects.filter(batch__in=batches)
            parts.bury(Batch.objects.filter(pk__in=batches), deliveries, now=now)
    return len(dead)


def look_up_batch(batch_id: int, *, now: datetime) -> bool:
    """Ask the channel whether it has an unclear batch; returns whether this worker asked.

    Found: the batch counts as handed over. Not found after some looks: it is sent again.
    """
    unclear = Batch.objects.filter(pk=batch_id, state=BatchState.UNCLEAR)
    if not parts.take_up(unclear, now=now):
        return False
    batch = Batch.objects.select_related("campaign__handover__from_staff", "sender__store").get(
        pk=batch_id
    )
    if is_direct(batch.campaign.channel):
        look_up_letters(batch, now=now)
        return True
    connector = connector_for(batch.campaign.channel, patience=READING)
    look = parts.look_for(batch, connector, parcel_of(batch), now=now)
    if look.found is not None:
        recipients = _recipients(batch)
        parts.write_found(batch, look.found, recipients, constraint="batch_reference_once", now=now)
        advance_campaign(batch.campaign_id, now=now)
    elif look.is_missing:
        _resolve_missing(batch, now=now)
    return True


def _resolve_missing(batch: Batch, *, now: datetime) -> None:
    """The channel has nothing: the batch waits its turn again, or ends with its campaign.

    The other batches may wait for their senders by now; then the campaign is sending again.
    """
    with transaction.atomic():
        if not parts.write_missing(
            batch,
            _recipients(batch),
            again_at=None,
            is_cancelled=partial(_is_cancelled, batch),
            now=now,
        ):
            return
        begin_sending(batch.campaign_id, now=now)
        ring(send_batches, batch.campaign_id)
