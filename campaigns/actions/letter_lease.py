"""What one worker holds of a campaign of letters: batches under a lease, and their rows.

Every statement is fenced by the token of the lease: whoever has lost a batch writes nothing any
more, whatever they still believe.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.utils.translation import gettext_noop

from campaigns.actions import letter_statements as statements
from campaigns.actions.campaigns import begin_sending
from campaigns.array_literals import numbers_literal, texts_literal
from campaigns.eligibility import note_dead_addresses, skip_those_who_may_not
from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Delivery
from campaigns.recipients import Recipient
from campaigns.restraint import restraint_on
from connectors.base import Answer, Outcome, Recovery

LEASE = timedelta(seconds=10)
"""Renewed while letters are drawn. Where keys are honoured it may run out during a call: whoever
takes over sends the same keys."""

LONG_LEASE = timedelta(seconds=150)
"""For channels where a letter may be under way for minutes: a mail server has one to answer to the
mail before it, and one to answer to its own."""

AT_A_TIME = 10
SMALL_AT_A_TIME = 5
"""Batches in one claim; fewer where a crash makes those in hand wait for a long lease."""

AHEAD = 120
"""Slots that are marked as drawn at once, where it must be known which letters may have gone: some
more than answers are written down at once, so that one commit does for both."""

MOST_ATTEMPTS = 30
"""Attempts in a row by which not one letter of a batch was settled, whether the channel was busy or
the worker died; the waits between them add up to hours."""

OFTEN = 3
"""After so many of them a batch is claimed alone, so that it drags no others along."""

LONGEST_WAIT = 600.0
LOOK_EVERY = timedelta(minutes=2)

_FATES = {
    Outcome.TAKEN: DeliveryState.SENT.value,
    Outcome.REFUSED: DeliveryState.FAILED.value,
    Outcome.UNCLEAR: DeliveryState.UNCLEAR.value,
}
_SETTLED = {Outcome.TAKEN, Outcome.REFUSED}


@dataclass(slots=True)
class Claimed:
    """A batch in this worker's hands: what is still to draw of it, and to hear of."""

    attempts: int
    variant: int | None
    left: list[Recipient] = field(default_factory=list)
    open: int = 0
    drawn: int = 0
    wait: float = 0.0
    in_doubt: bool = False
    not_before: datetime | None = None

    @property
    def has_more(self) -> bool:
        """Whether a letter of it may go again: not drawn, busy, or of unknown fate."""
        return bool(self.in_doubt or self.left or self.wait)

    def next_attempt(self, now: datetime) -> datetime | None:
        """Wait as long as the channel asks, and longer each time; or until quiet hours end."""
        if self.not_before:
            return self.not_before
        if not self.wait:
            return None
        return now + max(timedelta(seconds=min(LONGEST_WAIT, self.wait)), wait_after(self.attempts))


def wait_after(attempts: int) -> timedelta:
    """Return how long a batch waits after so many attempts in vain."""
    return timedelta(seconds=min(LONGEST_WAIT, 0.5 * 1.7 ** min(attempts, 20)))


@dataclass(slots=True)
class Lease:
    """The hold of one worker on batches of one campaign."""

    campaign: Campaign
    recovery: Recovery
    coupons: bool = False
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    is_keyed: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_keyed = self.recovery is Recovery.KEYED

    def claim(self, *, now: datetime) -> dict[int, Claimed] | None:
        """Take the next batches with whoever of them may still get it; ``None``: there are none.

        Batches whose recipients have quiet hours come with nobody, and when these end.
        """
        values: dict[str, Any] = {
            "token": self.token,
            "until": now + self._length,
            "now": now,
            "campaign": self.campaign.pk,
            "most": AT_A_TIME if self.is_keyed else SMALL_AT_A_TIME,
            "often": OFTEN,
        }
        with self._transaction() as cursor:
            cursor.execute(statements.CLAIM, values)
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return None
        begin_sending(self.campaign.pk, now=now)
        restraint = restraint_on(self.campaign, now=now)
        fresh: dict[int, Claimed] = {}
        for batch in Batch.objects.filter(pk__in=ids).order_by("pk"):
            if batch.attempts > MOST_ATTEMPTS:
                self._give_up(batch, now=now)
                continue
            claimed = fresh[batch.pk] = Claimed(batch.attempts, batch.variant)
            claimed.not_before = restraint.quiet_until(batch.time_zone, now)
        awake = [pk for pk, claimed in fresh.items() if claimed.not_before is None]
        for person in skip_those_who_may_not(
            self.campaign,
            awake,
            restraint=restraint,
            coupons=self.coupons,
            give_up_at=now if self.is_keyed else None,
        ):
            if self.is_keyed or person.state == DeliveryState.QUEUED:
                fresh[person.batch_id].left.append(person)
        for claimed in fresh.values():
            claimed.left.reverse()  # drawn from the end
        return fresh

    def renew(self, batches: Collection[int], *, now: datetime) -> bool:
        """Hold the batches longer; whether all are still held and the campaign may go on."""
        values: dict[str, Any] = {
            "until": now + self._length,
            "batches": list(batches),
            "token": self.token,
            "now": now,
        }
        with connection.cursor() as cursor:
            cursor.execute(statements.RENEW, values)
            ours = dict(cursor.fetchall())
        return len(ours) == len(batches) and all(ours.values())

    def mark_drawn(self, batch_id: int, claimed: Claimed, person: Recipient) -> bool:
        """Where a crash leaves letters unclear, write down beforehand which ones those can be.

        Returns whether the batch is still this worker's.
        """
        if self.is_keyed or person.slot < claimed.drawn:
            return True
        claimed.drawn = person.slot + AHEAD
        values: dict[str, Any] = {"drawn": claimed.drawn, "batch": batch_id, "token": self.token}
        with connection.cursor() as cursor:
            cursor.execute(statements.DRAW, values)
            return bool(cursor.rowcount)

    def write(
        self,
        told: Collection[tuple[int, int, Answer]],
        claimed: Mapping[int, Claimed],
        *,
        now: datetime,
    ) -> None:
        """Write answers down: batch, customer, and what the channel said; of batches still held.

        A batch of which a letter is settled was not tried in vain: its attempts count anew. It keeps
        what the channel said of the last letter that it refused, if that was not its address. Of the
        batches in hand, ``claimed``, those under way are marked as drawn on the way. All of it is
        one statement, and one round trip: there is one every few letters.
        """
        batches, customers, answers = zip(*told, strict=True)
        marks = {pk: claimed[pk].drawn for pk in set(batches)} | self._marks(claimed)
        settled = {pk for pk, _customer, answer in told if answer.outcome in _SETTLED}
        errors = {pk: answer.why for pk, _customer, answer in told if _is_error(answer)}
        values: dict[str, Any] = {
            "token": self.token,
            "batches": list(marks),
            "drawn": list(marks.values()),
            "advanced": [pk in settled for pk in marks],
            "errors": [errors[pk][:300] if pk in errors else None for pk in marks],
            "now": now,
            "campaign": self.campaign.pk,
            "of": numbers_literal(batches),
            "customers": numbers_literal(customers),
            "states": texts_literal([_FATES[answer.outcome] for answer in answers]),
            "reasons": texts_literal([_reason(answer) for answer in answers]),
            "references": texts_literal([answer.reference for answer in answers]),
        }
        wait = statements.NO_WAIT if self.is_keyed else ""
        with connection.cursor() as cursor:
            cursor.execute(wait + statements.NO_LOOPS + statements.WRITE, values)
            while cursor.nextset():
                pass
            ours = [row[0] for row in cursor.fetchall()]
        for pk in ours:
            claimed[pk].drawn = marks[pk]
            claimed[pk].attempts = 1 if pk in settled else claimed[pk].attempts
        dead = [customer for _pk, customer, answer in told if answer.is_address]
        note_dead_addresses(self.campaign, dead, now=now)

    def settle(self, batches: Mapping[int, Claimed], *, now: datetime) -> None:
        """Let go of batches: they are over, or what is left of them waits."""
        values: dict[str, Any] = {
            "now": now,
            "token": self.token,
            "batches": list(batches),
            "campaign": self.campaign.pk,
            "nexts": [one.next_attempt(now) for one in batches.values()],
            "again": [self.is_keyed and one.has_more for one in batches.values()],
            "askable": self.recovery is Recovery.ASKABLE,
            "look_at": now + LOOK_EVERY,
        }
        with self._transaction() as cursor:
            cursor.execute(statements.HOLD, [self.campaign.pk])
            cursor.execute(statements.SETTLE, values)
            cancelled = [pk for pk, is_cancelled in cursor.fetchall() if is_cancelled]
            if cancelled:
                Delivery.objects.filter(batch__in=cancelled, state=DeliveryState.QUEUED).update(
                    state=DeliveryState.CANCELLED
                )

    def uncount(self, batches: Collection[int]) -> None:
        """Not to have tried is no attempt: quiet hours, a turn that ends, a channel that rests."""
        if batches:
            Batch.objects.filter(
                pk__in=batches, state=BatchState.SENDING, lease_token=self.token
            ).update(attempts=F("attempts") - 1)

    def _marks(self, claimed: Mapping[int, Claimed]) -> dict[int, int]:
        """Return up to which slot to mark the batches under way, where that is needed."""
        if self.is_keyed:
            return {}
        return {
            pk: one.left[-1].slot + AHEAD for pk, one in claimed.items() if one.left and one.drawn
        }

    @property
    def _length(self) -> timedelta:
        return LEASE if self.is_keyed else LONG_LEASE

    @contextmanager
    def _transaction(self) -> Iterator[CursorWrapper]:
        with transaction.atomic(), connection.cursor() as cursor:
            if self.is_keyed:
                cursor.execute(statements.NO_WAIT)
            yield cursor

    def _give_up(self, batch: Batch, *, now: datetime) -> None:
        """Whatever this batch does to workers, it has done it often enough."""
        why = gettext_noop("Given up after too many attempts.")
        held = Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING, lease_token=self.token)
        with transaction.atomic():
            in_doubt = Delivery.objects.filter(batch=batch, state=DeliveryState.UNCLEAR).exists()
            if held.update(
                state=BatchState.UNCLEAR if in_doubt else BatchState.REFUSED,
                lease_token=None,
                lease_until=None,
                next_attempt_at=None,
                done_at=None if in_doubt else now,
                error=why,
            ):
                Delivery.objects.filter(batch=batch, state=DeliveryState.QUEUED).update(
                    state=DeliveryState.FAILED, reason=DeliveryReason.CHANNEL_ERROR
                )


def _is_error(answer: Answer) -> bool:
    return answer.outcome is Outcome.REFUSED and not answer.is_address and bool(answer.why)


def _reason(answer: Answer) -> str:
    if answer.outcome is not Outcome.REFUSED:
        return ""
    reason = DeliveryReason.INVALID if answer.is_address else DeliveryReason.CHANNEL_ERROR
    return reason.value
