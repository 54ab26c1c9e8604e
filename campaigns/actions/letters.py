"""The delivery engine of channels of letters: claim batches, draw letters, write down the answers.

A worker takes some batches with a lease and hands their letters to the connector one by one, as
fast as it draws them. Answers are written down in groups, fenced by the lease token. What a worker
leaves behind when it dies depends on the channel: where it honours our keys, the rest simply goes
again under the same keys; elsewhere each letter that may have gone out becomes *unclear*, and is
asked about or shown to a person, never sent again blindly (docs/campaigns.md).
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext_noop

from campaigns.actions import letter_statements as statements
from campaigns.actions.campaigns import advance_campaign, begin_sending
from campaigns.channels import direct_connector
from campaigns.eligibility import (
    note_dead_addresses,
    skip_those_who_may_not,
    who_refused,
)
from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.letters import Writer
from campaigns.models import Batch, Campaign, Delivery
from campaigns.pace import Rate, is_resting, let_rest, went_through
from campaigns.recipients import Recipient
from campaigns.restraint import restraint_on
from connectors.base import Answer, DirectConnector, Letter, Outcome, Recovery

TURN = timedelta(seconds=10)
"""Then others have their turn; the doorbell rings again for more."""

LEASE = timedelta(seconds=10)
"""Renewed while letters are drawn. Where keys are honoured it may run out during a call: whoever
takes over sends the same keys."""

LONG_LEASE = timedelta(seconds=120)
"""For channels where a letter may be under way for a minute and more."""

LOOK_AT = 0.5
"""Seconds from one look at the campaign's state to the next: pause and cancel wait no longer."""

SLOWEST_REFUSAL = timedelta(seconds=5)
"""The longest time from the moment of an opt-out until others see it."""

AT_A_TIME = 10
SMALL_AT_A_TIME = 5
"""Batches in one claim; fewer where a crash makes those in hand wait for a long lease."""

GROUP = 1000
SMALL_GROUP = 50
FLUSH_SECONDS = 0.5
SMALL_FLUSH_SECONDS = 0.1
"""Answers are written down when there are so many, or after so long; in small groups where a
crash makes those that are not written down unclear."""

AHEAD = 20
"""Slots that are marked as drawn at once, where it must be known which letters may have gone."""

MOST_ATTEMPTS = 30
MOST_TROUBLE = 10
"""So many calls in a row that the channel would not take make it rest."""

LONGEST_WAIT = 600.0
LOOK_EVERY = timedelta(minutes=2)

_FATES = {
    Outcome.TAKEN: DeliveryState.SENT.value,
    Outcome.REFUSED: DeliveryState.FAILED.value,
    Outcome.UNCLEAR: DeliveryState.UNCLEAR.value,
}


def pump_letters(campaign: Campaign, *, turn: timedelta = TURN) -> bool:
    """Send letters of a campaign for one turn; returns whether there is more to do at once."""
    if is_resting(campaign.channel, now=timezone.now()):
        return False
    with _turn_of(campaign) as is_ours:
        if not is_ours:
            return False
        end = time.monotonic() + turn.total_seconds()
        under_way = Turn(campaign, direct_connector(campaign.channel), end=end)
        under_way.run()
    advance_campaign(campaign.pk, now=timezone.now())
    return under_way.ran_out_of_time


_waiting: set[int] = set()
_channels: dict[str, Lock] = defaultdict(Lock)


@contextmanager
def _turn_of(campaign: Campaign) -> Iterator[bool]:
    """Let one campaign at a time use a channel in this process; others queue up, each once.

    Threads of one process would only wait for each other: the interpreter runs one at a time.
    More processes send faster.
    """
    if campaign.pk in _waiting:
        yield False
        return
    _waiting.add(campaign.pk)
    try:
        lock = _channels[campaign.channel]
        is_ours = lock.acquire(timeout=2 * TURN.total_seconds())
        try:
            yield is_ours
        finally:
            if is_ours:
                lock.release()
    finally:
        _waiting.discard(campaign.pk)


@dataclass(slots=True)
class _Claimed:
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


@dataclass(slots=True)
class Turn:
    """One worker's turn with a campaign: draws letters for the connector, keeps what it answers."""

    campaign: Campaign
    connector: DirectConnector
    end: float
    ran_out_of_time: bool = False
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    _claimed: dict[int, _Claimed] = field(default_factory=dict)
    _batch_of: dict[str, tuple[int, int]] = field(default_factory=dict)
    _told: list[tuple[int, int, Answer]] = field(default_factory=list)
    _told_at: float = 0.0
    _looked_at: float = 0.0
    _judged_at: datetime | None = None
    _stopped: bool = False
    _trouble: int = 0
    _any_taken: bool = False
    _rested: bool = False
    _names_coupons: bool = False

    def run(self) -> None:
        """Send until nothing is left, the turn is over, or the campaign may not go on.

        An error on the way gives nothing back: letters are under way of which nobody will hear, so
        the leases run out, and ``take_over_letters`` knows what that means.
        """
        self._told_at = time.monotonic()
        answers = self.connector.send(self._letters())
        try:
            for answer in answers:
                self._hear(answer)
        finally:
            if isinstance(answers, Generator):
                answers.close()
        self._write()
        self._give_back()
        if self._any_taken and not self._rested:
            went_through(self.campaign.channel)

    # --- drawing ----------------------------------------------------------------------------

    def _letters(self) -> Iterator[Letter | None]:
        writer = Writer(self.campaign)
        self._names_coupons = writer.names_coupons
        rate = Rate.of(self.campaign.channel)
        while not self._must_stop() and self._claim():
            for batch_id, claimed in list(self._claimed.items()):
                yield from self._draw(batch_id, claimed, writer, rate)

    def _draw(
        self, batch_id: int, claimed: _Claimed, writer: Writer, rate: Rate
    ) -> Iterator[Letter | None]:
        while claimed.left and not self._must_stop():
            if not rate.take():
                yield None
                continue
            person = claimed.left[-1]
            if not self._mark_drawn(batch_id, claimed, person):
                self._stopped = True
                return
            claimed.left.pop()
            claimed.open += 1
            letter = writer.letter(person, claimed.variant)
            self._batch_of[letter.key] = (batch_id, person.customer_id)
            yield letter

    @contextmanager
    def _transaction(self) -> Iterator[CursorWrapper]:
        with transaction.atomic(), connection.cursor() as cursor:
            if self._is_keyed:
                cursor.execute(statements.NO_WAIT)
            yield cursor

    def _claim(self) -> bool:
        """Take the next batches, and skip who may not get it any more; whether there were any."""
        now = timezone.now()
        self._judged_at = self._judged_at or now
        values: dict[str, Any] = {
            "token": self.token,
            "until": now + self._lease,
            "now": now,
            "campaign": self.campaign.pk,
            "most": AT_A_TIME if self._is_keyed else SMALL_AT_A_TIME,
        }
        with self._transaction() as cursor:
            cursor.execute(statements.CLAIM, values)
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return False
        begin_sending(self.campaign.pk, now=now)
        restraint = restraint_on(self.campaign, now=now)
        fresh: dict[int, _Claimed] = {}
        for batch in Batch.objects.filter(pk__in=ids).order_by("pk"):
            if batch.attempts > MOST_ATTEMPTS:
                _give_up(batch, self.token, now=now)
                continue
            claimed = fresh[batch.pk] = _Claimed(batch.attempts, batch.variant)
            claimed.not_before = restraint.quiet_until(batch.time_zone, now)
        awake = [pk for pk, claimed in fresh.items() if claimed.not_before is None]
        for person in skip_those_who_may_not(
            self.campaign, awake, restraint=restraint, coupons=self._names_coupons
        ):
            if self._is_keyed or person.state == DeliveryState.QUEUED:
                fresh[person.batch_id].left.append(person)
        for claimed in fresh.values():
            claimed.left.reverse()  # drawn from the end
        self._claimed |= fresh
        self._let_sleep([pk for pk, claimed in fresh.items() if claimed.not_before])
        self._settle([pk for pk, claimed in fresh.items() if not claimed.left])
        return True

    def _let_sleep(self, batches: list[int]) -> None:
        """To wait for the end of quiet hours is no attempt."""
        if batches:
            Batch.objects.filter(
                pk__in=batches, state=BatchState.SENDING, lease_token=self.token
            ).update(attempts=F("attempts") - 1)

    @property
    def _lease(self) -> timedelta:
        return LEASE if self._is_keyed else LONG_LEASE

    @property
    def _is_keyed(self) -> bool:
        return self.connector.abilities.recovery is Recovery.KEYED

    def _mark_drawn(self, batch_id: int, claimed: _Claimed, person: Recipient) -> bool:
        """Where a crash leaves letters unclear, write down beforehand which ones those can be.

        Returns whether the batch is still this worker's.
        """
        if self._is_keyed or person.slot < claimed.drawn:
            return True
        claimed.drawn = person.slot + AHEAD
        values: dict[str, Any] = {"drawn": claimed.drawn, "batch": batch_id, "token": self.token}
        with connection.cursor() as cursor:
            cursor.execute(statements.DRAW, values)
            return bool(cursor.rowcount)

    def _must_stop(self) -> bool:
        """Whether to draw no more; now and then renews the lease and looks at the campaign."""
        clock = time.monotonic()
        if clock > self.end:
            self.ran_out_of_time = self._stopped = True
        if not self._stopped and self._claimed and clock - self._looked_at >= LOOK_AT:
            self._looked_at = clock
            self._stopped = not self._may_go_on()
        return self._stopped

    def _may_go_on(self) -> bool:
        now = timezone.now()
        values: dict[str, Any] = {
            "until": now + self._lease,
            "batches": list(self._claimed),
            "token": self.token,
            "now": now,
        }
        with connection.cursor() as cursor:
            cursor.execute(statements.RENEW, values)
            ours = dict(cursor.fetchall())
        self._leave_out_who_refused()
        return len(ours) == len(self._claimed) and all(ours.values())

    def _leave_out_who_refused(self) -> None:
        """Draw nobody who has said no since the claim: they stay queued, and the next claim skips.

        Looked at from a moment before the first claim: a refusal is committed after its time.
        """
        left = [person.customer_id for one in self._claimed.values() for person in one.left]
        if not left or self._judged_at is None:
            return
        refused = who_refused(self.campaign, left, since=self._judged_at - SLOWEST_REFUSAL)
        if refused:
            for one in self._claimed.values():
                one.left[:] = [person for person in one.left if person.customer_id not in refused]

    # --- hearing ----------------------------------------------------------------------------

    def _hear(self, answer: Answer) -> None:
        found = self._batch_of.pop(answer.key, None)
        if found is None:
            return
        batch_id, customer_id = found
        claimed = self._claimed[batch_id]
        claimed.open -= 1
        if answer.outcome is Outcome.BUSY:
            claimed.wait = max(claimed.wait, answer.retry_after, 0.1)
            self._note_trouble(answer)
        else:
            if answer.outcome is Outcome.UNCLEAR:
                claimed.in_doubt = True
                claimed.wait = max(claimed.wait, answer.retry_after)
            else:
                self._trouble = 0
            self._any_taken = self._any_taken or answer.outcome is Outcome.TAKEN
            self._told.append((batch_id, customer_id, answer))
        clock = time.monotonic()
        small = not self._is_keyed
        full = len(self._told) >= (SMALL_GROUP if small else GROUP)
        if full or clock - self._told_at > (SMALL_FLUSH_SECONDS if small else FLUSH_SECONDS):
            self._told_at = clock
            self._write()
            self._settle([pk for pk, one in self._claimed.items() if not one.left and not one.open])

    def _note_trouble(self, answer: Answer) -> None:
        """Rest the channel when letter after letter is not taken, whichever they are."""
        if not answer.is_channel:
            return
        self._trouble += 1
        most = MOST_TROUBLE * self.connector.abilities.max_per_call  # a call speaks for its letters
        if self._trouble >= most and not self._rested:
            self._rested = self._stopped = True
            let_rest(
                self.campaign.channel,
                seconds=answer.retry_after,
                why=answer.why,
                now=timezone.now(),
                anew=self._any_taken,
            )

    def _write(self) -> None:
        """Write the answers down, of batches that are still in these hands."""
        told, self._told = self._told, []
        if not told:
            return
        with self._transaction() as cursor:
            held: dict[str, Any] = {
                "batches": list({batch for batch, _customer, _answer in told}),
                "token": self.token,
            }
            cursor.execute(statements.OURS, held)
            ours = {row[0] for row in cursor.fetchall()}
            kept = [(customer, answer) for batch, customer, answer in told if batch in ours]
            values: dict[str, Any] = {
                "now": timezone.now(),
                "campaign": self.campaign.pk,
                "customers": "{" + ",".join([str(customer) for customer, _answer in kept]) + "}",
                "states": _array(_FATES[answer.outcome] for _customer, answer in kept),
                "reasons": _array(_reason(answer) for _customer, answer in kept),
                "references": _array(answer.reference for _customer, answer in kept),
            }
            cursor.execute(statements.NO_LOOPS)
            cursor.execute(statements.WRITE, values)
        dead = [customer for _batch, customer, answer in told if answer.is_address]
        note_dead_addresses(self.campaign, dead, now=values["now"])

    def _settle(self, batches: list[int]) -> None:
        """Close batches of which everything has been heard, or let what is left wait."""
        if not batches:
            return
        now = timezone.now()
        settled = [self._claimed.pop(pk) for pk in batches]
        values: dict[str, Any] = {
            "now": now,
            "token": self.token,
            "batches": batches,
            "campaign": self.campaign.pk,
            "nexts": [_next_attempt(one, now) for one in settled],
            "again": [self._is_keyed and one.has_more for one in settled],
            "askable": self.connector.abilities.recovery is Recovery.ASKABLE,
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

    def _give_back(self) -> None:
        """Let go of every batch: what was not drawn goes again, at once unless it has to wait.

        Batches with letters that were drawn and never answered are left to their lease.
        """
        self._claimed = {pk: one for pk, one in self._claimed.items() if not one.open}
        untouched = [
            pk for pk, one in self._claimed.items() if self._rested or (one.left and not one.wait)
        ]
        Batch.objects.filter(
            pk__in=untouched, state=BatchState.SENDING, lease_token=self.token
        ).update(attempts=F("attempts") - 1)
        self._settle(list(self._claimed))


def _array(texts: Iterable[str]) -> str:
    """Return the literal of an array: the driver would look at each text for itself."""
    return "{" + ",".join(['"' + text.translate(_ESCAPES) + '"' for text in texts]) + "}"


_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\"}


def _reason(answer: Answer) -> str:
    if answer.outcome is not Outcome.REFUSED:
        return ""
    reason = DeliveryReason.INVALID if answer.is_address else DeliveryReason.CHANNEL_ERROR
    return reason.value


def _next_attempt(claimed: _Claimed, now: datetime) -> datetime | None:
    """Wait as long as the channel asks, and longer each time; or until quiet hours end."""
    if claimed.not_before:
        return claimed.not_before
    if not claimed.wait:
        return None
    growing = 0.5 * 1.7 ** min(claimed.attempts, 20)
    return now + timedelta(seconds=min(LONGEST_WAIT, max(claimed.wait, growing)))


def _give_up(batch: Batch, token: uuid.UUID, *, now: datetime) -> None:
    """Whatever this batch does to workers, it has done it often enough."""
    why = gettext_noop("Given up after too many attempts.")
    with transaction.atomic():
        in_doubt = Delivery.objects.filter(batch=batch, state=DeliveryState.UNCLEAR).exists()
        if Batch.objects.filter(pk=batch.pk, state=BatchState.SENDING, lease_token=token).update(
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
