"""What is unclear: asked about again, sent again, or written off.

A channel of letters that can be asked is asked by itself; of others, and whenever somebody knows
better, a person decides. Each decision is one guarded update and stands in the history.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from campaigns.actions.campaigns import advance_campaign, begin_sending
from campaigns.actions.letter_lease import LOOK_EVERY
from campaigns.channels import direct_connector, is_direct
from campaigns.eligibility import unclear_who_may_not
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.letters import Writer
from campaigns.models import Batch, Campaign, Delivery
from campaigns.recipients import recipients_in
from campaigns.tasks import check_campaign, send_batches
from connectors.base import (
    Answer,
    ChannelBusy,
    DirectConnector,
    Letter,
    Outcome,
    Recovery,
)
from contacts.actions.history import record
from contacts.doorbell import ring
from contacts.errors import RuleBroken
from contacts.models import Customer, Staff

LOOKS = 2
"""The channel is asked this often before "it has nothing" is believed."""

MOST_LOOKS = 5
"""The channel is asked this often whether what may be a letter turns out to be another one."""

ASKS = 4
ASK_AGAIN = 1.0
"""So often, and after so many seconds, a letter is asked about in one look before it ends."""

OTHER_WORDS = gettext_noop(
    "The channel has a message of other words to this address; it may be this one."
)

OPEN = (
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
    CampaignState.PAUSED,
)


def look_up_letters(batch: Batch, *, now: datetime) -> None:
    """Ask the channel about each unclear letter of a batch that this worker has claimed to ask.

    One that it has counts as sent; one that it has not after ``LOOKS`` looks is queued again. One
    that it may have stays unclear, until that turns out to be another one or a person decides.
    Nobody can ask about the letter of somebody who was erased since: it stays unclear, until a
    person writes it off.
    """
    connector = direct_connector(batch.campaign.channel)
    if connector.abilities.recovery is not Recovery.ASKABLE:
        Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR).update(next_attempt_at=None)
        return
    writer = Writer(batch.campaign)
    since = (batch.campaign.planned_at or now) - timedelta(minutes=1)
    known = _references_of_others(batch, since=since)
    missing, barred, may_be_there = [], [], False
    for person in recipients_in([batch.pk], DeliveryState.UNCLEAR, coupons=writer.names_coupons):
        if not person.address:
            barred.append(person.customer_id)
            continue
        letter = writer.letter(person, batch.variant)
        try:
            answer = _ask(connector, letter, since=since, until=now, known=known)
        except ChannelBusy as busy:
            wait = max(LOOK_EVERY, timedelta(seconds=busy.retry_after))
            Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR).update(
                error=str(busy)[:300], next_attempt_at=now + wait
            )
            return
        if answer and answer.outcome is Outcome.TAKEN:
            _note_found(batch, person.customer_id, answer, now=now)
        elif answer:
            barred.append(person.customer_id)
            may_be_there = True
        else:
            missing.append(person.customer_id)
    _conclude(batch, missing=bool(missing), barred=barred, may_be_there=may_be_there, now=now)


def _conclude(
    batch: Batch, *, missing: bool, barred: Collection[int], may_be_there: bool, now: datetime
) -> None:
    """Decide what a look means: to look again, to send again, or to leave it to a person."""
    looks = batch.looks + 1
    unclear = Batch.objects.filter(pk=batch.pk, state=BatchState.UNCLEAR)
    counts_from = (batch.claimed_at or now) + LOOK_EVERY * looks
    if missing and now < counts_from:  # somebody asked early: a slow channel may still take it
        unclear.update(next_attempt_at=counts_from)
        return
    if missing and looks < LOOKS:
        unclear.update(looks=looks, next_attempt_at=now + LOOK_EVERY)
        return
    _queue_again(batch.campaign, [batch.pk], now=now, barred=barred)
    look_again = may_be_there and looks < MOST_LOOKS
    unclear.update(
        looks=looks,
        error=OTHER_WORDS if may_be_there else "",
        next_attempt_at=now + LOOK_EVERY if look_again else None,
    )


def _ask(
    connector: DirectConnector, letter: Letter, *, since: datetime, until: datetime, known: set[str]
) -> Answer | None:
    """Ask some times: of a channel that is busy now and then, 200 questions hardly ever all pass."""
    for _attempt in range(ASKS - 1):
        with suppress(ChannelBusy):
            return connector.look_up(letter, since=since, until=until, known=known)
        time.sleep(ASK_AGAIN)  # outside any transaction, in a worker
    return connector.look_up(letter, since=since, until=until, known=known)


def _references_of_others(batch: Batch, *, since: datetime) -> set[str]:
    """What the channel has named other letters to these people."""
    unclear = Delivery.objects.filter(batch=batch, state=DeliveryState.UNCLEAR)
    people = list(unclear.values_list("customer", flat=True))
    gone = Customer.objects.filter(merged_into__in=people).values_list("pk", flat=True)
    under_way = Campaign.objects.filter(
        Q(closed_at=None) | Q(closed_at__gte=since),
        channel=batch.campaign.channel,
        planned_at__isnull=False,
    )
    theirs = Delivery.objects.filter(
        campaign__in=list(under_way.values_list("pk", flat=True)),
        customer__in=[*people, *gone],
        sent_at__gte=since,
    )
    return set(theirs.exclude(reference="").values_list("reference", flat=True))


def _note_found(batch: Batch, customer_id: int, answer: Answer, *, now: datetime) -> None:
    """Write down at once that it was sent, when the channel took it: a look may take minutes."""
    Delivery.objects.filter(
        campaign=batch.campaign_id, customer=customer_id, state=DeliveryState.UNCLEAR
    ).update(
        state=DeliveryState.SENT,
        reference=answer.reference,
        sent_at=min(answer.at or now, now),
    )


def check_unclear(campaign: Campaign, *, actor: Staff | None, now: datetime) -> int:
    """Have the channel asked now about what is unclear; returns how many batches that are.

    Raises ``RuleBroken`` where the channel cannot be asked, or nothing is unclear.
    """
    if is_direct(campaign.channel):
        recovery = direct_connector(campaign.channel).abilities.recovery
        if recovery is not Recovery.ASKABLE:
            raise RuleBroken(_("This channel cannot be asked. Send again, or write them off."))
    asked = Batch.objects.filter(campaign=campaign, state=BatchState.UNCLEAR).update(
        next_attempt_at=now
    )
    if not asked:
        raise RuleBroken(_("Nothing is unclear."))
    record(campaign, "campaign.checked", actor=actor, at=now, data={"batches": asked})
    ring(check_campaign, campaign.pk)
    return asked


def send_again(campaign: Campaign, *, actor: Staff | None, now: datetime) -> int:
    """Send once more what is unclear, at the risk of reaching people twice; returns how many.

    Letters to people who may not get one any more stay unclear: that nothing was sent to them would
    be untrue. Raises ``RuleBroken`` if nothing can go again, or the campaign or its time is over.
    """
    if not may_go_again(campaign, now=now):
        raise RuleBroken(_("This campaign is over: nothing can be sent again."))
    batches = _unclear_batches(campaign)
    if not batches:
        raise RuleBroken(_("Nothing is unclear."))
    barred = (
        unclear_who_may_not(campaign, batches, now=now) if is_direct(campaign.channel) else set()
    )
    with transaction.atomic():
        again = _queue_again(campaign, batches, now=now, barred=barred)
        if not again:
            raise RuleBroken(_("None of them may get it any more. Write them off."))
        record(campaign, "campaign.sent_again", actor=actor, at=now, data={"recipients": again})
    return again


def may_go_again(campaign: Campaign, *, now: datetime) -> bool:
    """Whether a person may still have something of this campaign sent."""
    in_time = campaign.send_until is None or campaign.send_until > now
    return campaign.state in OPEN and in_time


def write_off(campaign: Campaign, *, actor: Staff | None, now: datetime) -> int:
    """Give up what is unclear: it counts as failed; returns how many recipients that are.

    Raises ``RuleBroken`` if nothing is unclear.
    """
    batches = _unclear_batches(campaign)
    with transaction.atomic():
        locked = Batch.objects.select_for_update().filter(pk__in=batches, state=BatchState.UNCLEAR)
        held = list(locked.order_by("pk").values_list("pk", flat=True))
        given_up = Delivery.objects.filter(batch__in=held, state=DeliveryState.UNCLEAR).update(
            state=DeliveryState.FAILED, reason=DeliveryReason.WRITTEN_OFF
        )
        if not given_up:
            raise RuleBroken(_("Nothing is unclear."))
        Batch.objects.filter(pk__in=held).update(
            state=BatchState.DONE, done_at=now, next_attempt_at=None, error=""
        )
        record(campaign, "campaign.written_off", actor=actor, at=now, data={"recipients": given_up})
    advance_campaign(campaign.pk, now=now)
    return given_up


def _unclear_batches(campaign: Campaign) -> list[int]:
    found = Batch.objects.filter(campaign=campaign, state=BatchState.UNCLEAR)
    return list(found.order_by("pk").values_list("pk", flat=True))


def _queue_again(
    campaign: Campaign, batches: list[int], *, now: datetime, barred: Collection[int] = ()
) -> int:
    """Let unclear recipients of these batches go once more; with a cancelled campaign they end."""
    with transaction.atomic():
        state = Campaign.objects.select_for_update().get(pk=campaign.pk).state
        live = state in OPEN
        locked = Batch.objects.select_for_update().filter(pk__in=batches, state=BatchState.UNCLEAR)
        held = list(locked.order_by("pk").values_list("pk", flat=True))
        unclear = Delivery.objects.filter(batch__in=held, state=DeliveryState.UNCLEAR)
        again = unclear.exclude(customer__in=barred).update(
            state=DeliveryState.QUEUED if live else DeliveryState.CANCELLED
        )
        queued = Q(deliveries__state=DeliveryState.QUEUED)
        stays = set(unclear.values_list("batch", flat=True))
        rows = Batch.objects.filter(pk__in=held)
        to_send = set(rows.filter(queued).values_list("pk", flat=True)) if live else set()
        rows.filter(pk__in=to_send).update(
            state=BatchState.WAITING, attempts=0, next_attempt_at=None, error=""
        )
        rows.exclude(pk__in=to_send | stays).update(
            state=BatchState.DONE if live else BatchState.CANCELLED,
            done_at=now,
            next_attempt_at=None,
            error="",
        )
        if to_send:
            begin_sending(campaign.pk, now=now)
            ring(send_batches, campaign.pk)
    advance_campaign(campaign.pk, now=now)
    return again
