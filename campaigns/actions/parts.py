"""What batches of campaigns and shares of posts have in common: a part is one call to a channel.

A part is claimed under a lease; the claim is committed before the call and fenced by a lease
token afterwards, so it is in one worker's hands at a time. What a worker leaves behind when it
dies becomes *unclear*, is looked up at the channel, and is sent again only when the channel says
that it has nothing. ``recipients`` are the rows of a part, with a state and a reason each.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext_noop

from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, PostShare
from connectors.base import (
    ChannelBusy,
    ChannelRefused,
    ChannelUnclear,
    Connector,
    Handed,
    Parcel,
)
from contacts.errors import broken_constraint

LEASE = timedelta(seconds=60)
"""Longer than any call to a channel may take, so a call never outlives its lease."""

LOOK_EVERY = timedelta(minutes=2)
IN_HAND = timedelta(minutes=10)
"""How long one worker may take to look before another tries."""

KNOWN = timedelta(hours=1)
"""What was handed over so long before a part is not taken for it; more than clocks differ by."""

TOO_YOUNG = timedelta(seconds=61)
"""The channel refuses to speak of what it got less than a minute ago (WeCom errcode 41063)."""

CLOCKS_APART = timedelta(minutes=10)
"""How far the channel's clock may be ahead of ours: what it got "later" than now counts as well."""

LOOKS = 2
"""The channel is asked this often, after this long, before "it has nothing" is believed."""

FIRST_CHECK = timedelta(minutes=2)
"""Results asked for right after sending are refused (WeCom errcode 41063)."""

REMINDERS = 3
REMINDER_WINDOW = timedelta(hours=24)
"""How often WeCom reminds of one message (``remind_groupmsg_send``)."""

MOST_ATTEMPTS = 5
GIVEN_UP = gettext_noop("Given up after too many attempts.")
DIED = gettext_noop("The worker stopped before it could write down what happened.")

Part = Batch | PostShare
Recipients = QuerySet[Any]
_FREE: dict[str, Any] = {"lease_token": None, "lease_until": None}


def claim(statement: str, whose: int, *, now: datetime) -> int | None:
    """Run the statement that takes the next waiting part for one lease; returns the part's id."""
    values: dict[str, Any] = {
        "token": uuid.uuid4(),
        "until": now + LEASE,
        "now": now,
        "whose": whose,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return row[0] if row else None


def write_handed(
    part: Part,
    handed: Handed,
    recipients: Recipients,
    *,
    is_cancelled: Callable[[], bool],
    now: datetime,
) -> None:
    """The channel has it: nothing is *sent* yet, that is for the results to say."""
    with transaction.atomic():
        changes = _handed_changes(handed, now)
        if handed.reference and is_cancelled():
            changes["next_attempt_at"] = now  # to be withdrawn
        if _held(part).update(**changes):
            _write_recipients(recipients, handed)


def put_back(
    part: Part,
    why: str,
    recipients: Recipients,
    *,
    until: datetime,
    is_cancelled: Callable[[], bool],
    now: datetime,
) -> None:
    """Nothing was sent: the part waits, and the attempt does not count."""
    with transaction.atomic():
        over = is_cancelled()
        written = _held(part).update(
            **_FREE,
            state=BatchState.CANCELLED if over else BatchState.WAITING,
            attempts=F("attempts") - 1,
            next_attempt_at=None if over else until,
            done_at=now if over else None,
            error=why[:300],
        )
        if written and over:
            recipients.filter(state=DeliveryState.QUEUED).update(state=DeliveryState.CANCELLED)


def give_up(part: Part, why: str, recipients: Recipients, *, now: datetime) -> None:
    """The channel definitely said no: nobody got anything."""
    with transaction.atomic():
        refused = _held(part).update(
            **_FREE,
            state=BatchState.REFUSED,
            next_attempt_at=None,
            done_at=now,
            error=why[:300],
        )
        if refused:
            recipients.filter(state=DeliveryState.QUEUED).update(
                state=DeliveryState.FAILED, reason=DeliveryReason.CHANNEL_ERROR
            )


def leave_unclear(part: Part, why: str, recipients: Recipients, *, now: datetime) -> None:
    """Nobody knows whether the channel has it: it is looked up, not sent again."""
    with transaction.atomic():
        if _held(part).update(**_unclear_changes(why, now)):
            _mark_unclear(recipients)


def dead(parts: QuerySet[Any], *, now: datetime) -> QuerySet[Any]:
    """Return, locked, the parts whose worker died: its lease is over."""
    found = parts.filter(state=BatchState.SENDING, lease_until__lt=now).order_by("pk")
    return found.select_for_update(of=("self",), skip_locked=True)


def bury(parts: QuerySet[Any], recipients: Recipients, *, now: datetime) -> None:
    """Make the parts of dead workers unclear."""
    parts.update(**_unclear_changes(DIED, now))
    _mark_unclear(recipients)


def take_up(parts: QuerySet[Any], *, now: datetime) -> bool:
    """Take a part that is due, so that no other worker asks for it; whether there was one."""
    due = parts.filter(next_attempt_at__lte=now)
    return bool(due.update(next_attempt_at=now + IN_HAND))


@dataclass(frozen=True, slots=True)
class Look:
    """What looking for a part brought: it was found, or it is believed to be missing, or neither."""

    found: Handed | None = None
    is_missing: bool = False


def look_for(part: Part, connector: Connector, parcel: Parcel, *, now: datetime) -> Look:
    """Ask the channel whether it has an unclear part; it is missing after ``LOOKS`` looks.

    The last look also covers what the channel's clock, should it be ahead, calls later than now.
    It waits while we hand over more, since the channel does not speak of what it has just got, and
    what is in a call has no reference yet. A look that a person asks for too early proves nothing:
    a slow channel may still take it.
    """
    since = part.claimed_at or now
    is_last = part.looks + 1 >= LOOKS
    if is_last and _may_be_too_young(part, now=now):
        _unclear(part).update(next_attempt_at=now + TOO_YOUNG)
        return Look()
    known = _rows(part).filter(handed_at__gte=since - KNOWN).exclude(reference="")
    try:
        found = connector.look_up(
            parcel,
            since=since,
            until=now + CLOCKS_APART if is_last else now - TOO_YOUNG,
            known=set(known.values_list("reference", flat=True)),
        )
    except (ChannelBusy, ChannelRefused, ChannelUnclear) as error:
        _unclear(part).update(error=str(error)[:300], next_attempt_at=now + LOOK_EVERY)
        return Look()
    if found is not None:
        return Look(found)
    counts_from = since + LOOK_EVERY * (part.looks + 1)
    if now < counts_from:
        _unclear(part).update(next_attempt_at=counts_from)
        return Look()
    if is_last:
        return Look(is_missing=True)
    _unclear(part).update(looks=F("looks") + 1, next_attempt_at=now + LOOK_EVERY)
    return Look()


def write_found(
    part: Part, found: Handed, recipients: Recipients, *, constraint: str, now: datetime
) -> None:
    """It is at the channel. Had a part of the same words and people the same claim, one yields."""
    try:
        with transaction.atomic():
            if _unclear(part).update(**_handed_changes(found, now)):
                _write_recipients(recipients, found)
    except IntegrityError as error:
        if broken_constraint(error) != constraint:
            raise
        _unclear(part).update(next_attempt_at=now + LOOK_EVERY)


def write_missing(
    part: Part,
    recipients: Recipients,
    *,
    again_at: datetime | None,
    is_cancelled: Callable[[], bool],
    now: datetime,
) -> bool:
    """The channel has nothing: the part waits its turn again, or ends; whether that was written.

    The caller holds the transaction.
    """
    live = not is_cancelled()
    written = _unclear(part).update(
        state=BatchState.WAITING if live else BatchState.CANCELLED,
        next_attempt_at=again_at if live else None,
        done_at=None if live else now,
    )
    if written:
        recipients.filter(state=DeliveryState.UNCLEAR).update(
            state=DeliveryState.QUEUED if live else DeliveryState.CANCELLED
        )
    return bool(written)


def remind(part: Part, connector: Connector, *, now: datetime) -> bool:
    """Ask the sender once more, unless they were asked often enough; whether they were asked."""
    fresh = part.reminded_at is None or part.reminded_at <= now - REMINDER_WINDOW
    count = 0 if fresh else part.reminders
    if count >= REMINDERS:
        return False
    row = _rows(part).filter(pk=part.pk, state=BatchState.HANDED, reminders=part.reminders)
    if not row.update(reminders=count + 1, reminded_at=now if fresh else part.reminded_at):
        return False
    try:
        connector.remind(part.reference)
    except ChannelUnclear:
        return True  # it may have arrived, so it counts
    except (ChannelBusy, ChannelRefused) as error:
        _rows(part).filter(pk=part.pk).update(
            reminders=part.reminders, reminded_at=part.reminded_at, error=str(error)[:300]
        )
        return False
    return True


def _rows(part: Part) -> QuerySet[Any]:
    return type(part)._default_manager.all()


def _may_be_too_young(part: Part, *, now: datetime) -> bool:
    """Whether something of ours is in a call to this channel, or has come there just now."""
    rows = _rows(part)
    if isinstance(part, Batch):
        rows = rows.filter(campaign__channel=part.campaign.channel)
    just_now = Q(handed_at__gt=now - TOO_YOUNG) & ~Q(reference="")
    return rows.filter(just_now | Q(state=BatchState.SENDING)).exists()


def _held(part: Part) -> QuerySet[Any]:
    """Only the worker whose lease token still stands in the row may write."""
    token = part.lease_token
    return _rows(part).filter(pk=part.pk, state=BatchState.SENDING, lease_token=token)


def _unclear(part: Part) -> QuerySet[Any]:
    return _rows(part).filter(pk=part.pk, state=BatchState.UNCLEAR)


def _handed_changes(handed: Handed, now: datetime) -> dict[str, Any]:
    if not handed.reference:
        return {**_FREE, "state": BatchState.DONE, "done_at": now, "next_attempt_at": None}
    return {
        **_FREE,
        "state": BatchState.HANDED,
        "reference": handed.reference,
        "handed_at": now,
        "next_attempt_at": now + FIRST_CHECK,
        "error": "",
    }


def _unclear_changes(why: str, now: datetime) -> dict[str, Any]:
    return {
        **_FREE,
        "state": BatchState.UNCLEAR,
        "looks": 0,
        "next_attempt_at": now + LOOK_EVERY,
        "error": why[:300],
    }


def _write_recipients(recipients: Recipients, handed: Handed) -> None:
    waiting = recipients.filter(state__in=[DeliveryState.QUEUED, DeliveryState.UNCLEAR])
    refused = waiting if not handed.reference else waiting.filter(address__in=handed.refused)
    refused.update(state=DeliveryState.FAILED, reason=DeliveryReason.INVALID)
    waiting.update(state=DeliveryState.HANDED)


def _mark_unclear(recipients: Recipients) -> None:
    recipients.filter(state=DeliveryState.QUEUED).update(state=DeliveryState.UNCLEAR)
