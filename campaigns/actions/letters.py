"""The delivery engine of channels of letters: claim batches, draw letters, write down the answers.

A worker takes some batches with a lease and hands their letters to the connector one by one, as
fast as it draws them. Answers are written down in groups, fenced by the lease token. What a worker
leaves behind when it dies depends on the channel: where it honours our keys, the rest simply goes
again under the same keys; elsewhere each letter that may have gone out becomes *unclear*, and is
asked about or shown to a person, never sent again blindly (docs/campaigns.md).
"""

import logging
import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from traceback import walk_tb

from django.utils import timezone

from campaigns.actions.campaigns import advance_campaign
from campaigns.actions.letter_lease import Claimed, Lease
from campaigns.channels import direct_connector
from campaigns.eligibility import who_refused
from campaigns.letters import Writer
from campaigns.models import Campaign
from campaigns.pace import Rate, is_resting, let_rest, went_through
from campaigns.recipients import Recipient
from connectors.base import Answer, DirectConnector, Letter, Outcome

TURN = timedelta(seconds=10)
"""Then others have their turn; the doorbell rings again for more."""

LOOK_AT = 0.5
"""Seconds from one look at the campaign's state to the next: pause and cancel wait no longer."""

SLOWEST_REFUSAL = timedelta(seconds=5)
"""The longest time from the moment of an opt-out until others see it."""

GROUP = 1000
SMALL_GROUP = 100
FLUSH_SECONDS = 0.5
SMALL_FLUSH_SECONDS = 0.1
"""Answers are written down when there are so many, or after so long; in small groups where a
crash makes those that are not written down unclear."""

MOST_TROUBLE = 10
"""So many calls in a row that the channel would not take make it rest."""

MOST_SPOILT = 10
"""When more letters of one turn break the connector, it is the connector that is broken."""

logger = logging.getLogger(__name__)


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
class Turn:
    """One worker's turn with a campaign: draws letters for the connector, keeps what it answers."""

    campaign: Campaign
    connector: DirectConnector
    end: float
    ran_out_of_time: bool = False
    _lease: Lease = field(init=False)
    _claimed: dict[int, Claimed] = field(default_factory=dict)
    _drawn: dict[str, tuple[int, Recipient]] = field(default_factory=dict)
    _told: list[tuple[int, int, Answer]] = field(default_factory=list)
    _told_at: float = 0.0
    _looked_at: float = 0.0
    _judged_at: datetime | None = None
    _stopped: bool = False
    _trouble: int = 0
    _any_taken: bool = False
    _breaks: int = 0
    _spoilt: dict[str, Exception] = field(default_factory=dict)
    _rested: bool = False
    _writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self._lease = Lease(self.campaign, self.connector.abilities.recovery)
        self._writer = Writer(self.campaign)
        self._lease.coupons = self._writer.names_coupons

    def run(self) -> None:
        """Send until nothing is left, the turn is over, or the campaign may not go on.

        A letter that breaks the connector fails alone. Any other error gives nothing back: letters
        are under way of which nobody will hear, so the leases run out, and ``take_over_letters``
        knows what that means.
        """
        self._told_at = time.monotonic()
        while broken := self._exchange(self._letters()):
            self._single_out(broken)
        self._fail_the_spoilt()
        self._write()
        self._give_back()
        if self._any_taken and not self._rested:
            went_through(self.campaign.channel)

    def _exchange(self, letters: Iterator[Letter | None]) -> Exception | None:
        """Hand letters over and hear of them; return what broke the connector, if anything did."""
        answers = self.connector.send(letters)
        try:
            for answer in answers:
                self._hear(answer)
        except Exception as error:  # whatever one letter does, the others are to go on
            if _is_ours(error):
                raise
            return error
        finally:
            if isinstance(answers, Generator):
                answers.close()
        return None

    def _single_out(self, broken: Exception) -> None:
        """Send the letters under way one by one, under the same keys: whichever breaks it is spoilt.

        Raises ``broken`` where keys are not honoured, or when it is hardly the letters that do it.
        """
        self._breaks += 1
        if not self._lease.is_keyed or self._breaks > MOST_SPOILT:
            raise broken
        for key, (batch_id, person) in list(self._drawn.items()):
            if self._must_stop():
                return
            if key in self._spoilt:
                continue
            letter = self._writer.letter(person, self._claimed[batch_id].variant)
            letter.may_go = self._may_still_go
            if again := self._exchange(iter([letter])):
                self._spoilt[key] = again
        if len(self._spoilt) > MOST_SPOILT:
            raise broken

    def _fail_the_spoilt(self) -> None:
        """Write off letters that break the connector; raises if it takes no other ones either."""
        for key, error in self._spoilt.items():
            if not self._any_taken:
                raise error
            logger.error("the letter %s breaks the connector", key, exc_info=error)
            self._hear(Answer(key, Outcome.REFUSED))

    # --- drawing ----------------------------------------------------------------------------

    def _letters(self) -> Iterator[Letter | None]:
        rate = Rate.of(self.campaign.channel)
        while not self._must_stop() and (self._has_left() or self._claim()):
            for batch_id, claimed in list(self._claimed.items()):
                yield from self._draw(batch_id, claimed, rate)

    def _draw(self, batch_id: int, claimed: Claimed, rate: Rate) -> Iterator[Letter | None]:
        while claimed.left and not self._must_stop():
            if not rate.take():
                yield None
                continue
            person = claimed.left[-1]
            if not self._lease.mark_drawn(batch_id, claimed, person):
                self._stopped = True
                return
            claimed.left.pop()
            try:
                letter = self._writer.letter(person, claimed.variant)
            except Exception:  # of one letter: it fails and is shown, the others go
                key = f"{self.campaign.pk}-{person.customer_id}"
                logger.exception("the letter %s cannot be written", key)
                self._told.append((batch_id, person.customer_id, Answer(key, Outcome.REFUSED)))
                continue
            claimed.open += 1
            letter.may_go = self._may_still_go
            self._drawn[letter.key] = (batch_id, person)
            yield letter

    def _has_left(self) -> bool:
        """Whether batches in hand are still to be drawn: a letter has broken the connector."""
        return any(one.left for one in self._claimed.values())

    def _claim(self) -> bool:
        """Take the next batches; whether there were any."""
        now = timezone.now()
        self._judged_at = self._judged_at or now
        fresh = self._lease.claim(now=now)
        if fresh is None:
            return False
        self._claimed |= fresh
        self._lease.uncount([pk for pk, one in fresh.items() if one.not_before])
        self._settle([pk for pk, one in fresh.items() if not one.left])
        return True

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
        may = self._lease.renew(self._claimed, now=timezone.now())
        self._leave_out_who_refused()
        return may

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

    def _may_still_go(self, key: str) -> bool:
        """Whether a letter that was drawn may leave now, after the far side has kept it waiting."""
        found = self._drawn.get(key)
        if found is None or self._judged_at is None:
            return False
        if not self._lease.renew(self._claimed, now=timezone.now()):
            return False
        since = self._judged_at - SLOWEST_REFUSAL
        return not who_refused(self.campaign, [found[1].customer_id], since=since)

    # --- hearing ----------------------------------------------------------------------------

    def _hear(self, answer: Answer) -> None:
        found = self._drawn.pop(answer.key, None)
        if found is None:
            return
        batch_id, person = found
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
            self._told.append((batch_id, person.customer_id, answer))
        clock = time.monotonic()
        small = not self._lease.is_keyed
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
        told, self._told = self._told, []
        if told:
            self._lease.write(told, self._claimed, now=timezone.now())

    def _settle(self, batches: Iterable[int]) -> None:
        """Close batches of which everything has been heard, or let what is left wait."""
        if settled := {pk: self._claimed.pop(pk) for pk in batches}:
            self._lease.settle(settled, now=timezone.now())

    def _give_back(self) -> None:
        """Let go of every batch: what was not drawn goes again, at once unless it has to wait.

        Batches with letters that were drawn and never answered are left to their lease.
        """
        self._claimed = {pk: one for pk, one in self._claimed.items() if not one.open}
        self._lease.uncount(
            [pk for pk, one in self._claimed.items() if self._rested or (one.left and not one.wait)]
        )
        self._settle(list(self._claimed))


_OURS = frozenset({Turn._hear.__code__, Turn._letters.__code__, Turn._may_still_go.__code__})


def _is_ours(error: Exception) -> bool:
    """Whether it happened while a letter was drawn or its answer kept, not in the connector."""
    return any(frame.f_code in _OURS for frame, _line in walk_tb(error.__traceback__))
