"""Reading the mailbox of bounces, complaints and answers, one worker at a time and a little at a time.

What a mail tells is stored before the mail is marked as read, and nothing is said to the mail
server inside a transaction. Whoever dies in between leaves a mail that is read once more, which
changes nothing: it is stored under a hash of itself.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from campaigns.tracking.returned import is_our_mark
from connectors.smtp.bounces import ReturnKind, read_returned
from connectors.smtp.mailbox import Mailbox, MailboxAddress, MailboxError, MailRefused
from contacts.doorbell import ring
from crm import tasks
from crm.actions.told import store_receipts
from crm.models import MailboxReading

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=60)
LEASE = timedelta(minutes=5)
SLICE = 20.0
"""Seconds of one turn, at the end of which the next is rung for."""

LONGEST_REST = 3600.0
PATIENCE = 3
"""How often in a row the server may refuse a mail before those behind it are read."""

MOST_UNMOVED = 500
TRIES_AGAIN = 10
"""So many mails that the server would not move are remembered, and tried once more in a turn."""

_COUNTED = {
    ReturnKind.RECEIPT: "receipts",
    ReturnKind.REPLY: "replies",
    ReturnKind.NOTHING: "receipts",
    ReturnKind.UNPROVEN: "unproven",
    ReturnKind.OTHER: "others",
}


@dataclass
class _Turn:
    """The mailbox while this worker is the one to read it."""

    reading: MailboxReading
    token: UUID
    began: datetime
    clock: float = field(default_factory=time.monotonic)
    is_cut_short: bool = False
    refused: list[int] = field(default_factory=list)

    @property
    def unmoved(self) -> list[int]:
        """The mails that the server would not mark or move, before or in this turn."""
        return [*self.reading.unmoved, *self.refused][-MOST_UNMOVED:]

    @property
    def now(self) -> datetime:
        """The moment, by the clock of whoever called."""
        return self.began + timedelta(seconds=time.monotonic() - self.clock)

    @property
    def is_over(self) -> bool:
        """Whether the slice has been used up."""
        return time.monotonic() - self.clock >= SLICE

    @property
    def row(self) -> QuerySet[MailboxReading]:
        """The row, as long as nobody has taken the turn over."""
        return MailboxReading.objects.filter(pk=self.reading.pk, turn_token=self.token)


def mailboxes_to_read(now: datetime) -> list[int]:
    """Return the row of the mailbox that is set up, if it is due; for the sweeper."""
    name = _name()
    if not name:
        return []
    row = MailboxReading.objects.filter(name=name).first()
    if row is None:
        fresh = MailboxReading(name=name, next_turn_at=now)
        MailboxReading.objects.bulk_create([fresh], ignore_conflicts=True)
    return list(MailboxReading.objects.filter(_ready(now), name=name).values_list("pk", flat=True))


def read_mailbox(reading_id: int, *, now: datetime) -> int:
    """Read what is new in the mailbox; return how many mails were looked at.

    Does nothing while another worker has its turn, the mailbox rests, or is set up no more.
    """
    turn = _take_turn(reading_id, now)
    if turn is None:
        return 0
    read, error, rest = 0, "it broke off", EVERY
    try:
        with Mailbox(MailboxAddress(settings.MAILBOX_URL)) as mailbox:
            for uid in _new_mails(turn, mailbox):
                _take_up(turn, mailbox, uid)
                read += 1
            _move_what_was_refused(turn, mailbox)
        error = ""
    except MailboxError as trouble:
        error, rest = str(trouble), _rest(turn.reading.failures, trouble)
        logger.warning("the mailbox %s cannot be read: %s", turn.reading.name, error)
    finally:
        _end(turn, error, rest)
    return read


def _name() -> str:
    if not settings.MAILBOX_URL:
        return ""
    return MailboxAddress(settings.MAILBOX_URL).name[:400]


def _ready(now: datetime) -> Q:
    free = Q(turn_until=None) | Q(turn_until__lt=now)
    return free & Q(next_turn_at__lte=now)


def _take_turn(reading_id: int, now: datetime) -> _Turn | None:
    token = uuid4()
    mine = MailboxReading.objects.filter(_ready(now), pk=reading_id, name=_name())
    if not mine.update(turn_token=token, turn_until=now + LEASE):
        return None
    return _Turn(MailboxReading.objects.get(pk=reading_id), token, now)


def _new_mails(turn: _Turn, mailbox: Mailbox) -> Iterator[int]:
    """Yield the mails that nobody has looked at, until the turn is over or somebody else's."""
    if mailbox.validity != turn.reading.validity:
        turn.row.update(validity=mailbox.validity, last_uid=0, unmoved=[])
        turn.reading.last_uid, turn.reading.unmoved = 0, []
    for uid in mailbox.unseen(after=turn.reading.last_uid):
        if turn.is_over or not turn.row.exists():
            turn.is_cut_short = True
            return
        yield uid


def _take_up(turn: _Turn, mailbox: Mailbox, uid: int) -> None:
    """Store what a mail tells, then mark it as read.

    Answers stay unread, for whoever answers them; so do mails that are none of ours.
    """
    raw = _fetched(turn, mailbox, uid)
    counted = {}
    if raw is not None:
        now = turn.now
        returned = read_returned(raw, is_ours=is_our_mark, now=now)
        store_receipts("mail", returned.receipts, raw=raw, now=now)
        is_done = returned.kind in {ReturnKind.RECEIPT, ReturnKind.NOTHING}
        if is_done and not _put_aside(turn, mailbox, uid):
            turn.refused.append(uid)
        counter = _COUNTED[returned.kind]
        counted = {counter: F(counter) + 1}
    turn.row.update(last_uid=uid, unmoved=turn.unmoved, **counted)


def _put_aside(turn: _Turn, mailbox: Mailbox, uid: int) -> bool:
    """Mark and move a mail that is done; one that the server refuses stops nobody behind it."""
    try:
        mailbox.put_aside(uid)
    except MailRefused as refused:
        logger.warning("mail %s in %s stays for now: %s", uid, turn.reading.name, refused)
        return False
    return True


def _move_what_was_refused(turn: _Turn, mailbox: Mailbox) -> None:
    """Try some mails of earlier turns once more, those first that have waited longest."""
    tried = turn.reading.unmoved[:TRIES_AGAIN]
    if not tried:
        return
    still = [uid for uid in tried if not _put_aside(turn, mailbox, uid)]
    turn.reading.unmoved = [*turn.reading.unmoved[TRIES_AGAIN:], *still]
    turn.row.update(unmoved=turn.unmoved)


def _fetched(turn: _Turn, mailbox: Mailbox, uid: int) -> bytes | None:
    """Fetch a mail; one that the server refuses again and again is left, for those behind it."""
    try:
        return mailbox.fetch(uid)
    except MailRefused:
        if turn.reading.failures < PATIENCE:
            raise
        logger.warning("mail %s in %s cannot be fetched and is left", uid, turn.reading.name)
        return None


def _rest(failures: int, trouble: MailboxError) -> timedelta:
    return timedelta(seconds=min(trouble.retry_after * 2 ** min(failures, 10), LONGEST_REST))


def _end(turn: _Turn, error: str, rest: timedelta) -> None:
    """Give the turn back, and say when the next one is and how this one went."""
    goes_on = turn.is_cut_short and not error
    said: dict[str, Any] = {"failures": F("failures") + 1} if error else {"failures": 0}
    if not error:
        said["read_at"] = turn.now
    with transaction.atomic():
        turn.row.update(
            turn_token=None,
            turn_until=None,
            next_turn_at=turn.now if goes_on else turn.now + rest,
            error=error[:200],
            **said,
        )
        if goes_on:
            ring(tasks.read_mailbox, turn.reading.pk)
