"""The e-mail channel: several connections to one mail server, kept from letter to letter."""

import selectors
import smtplib
import ssl
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from connectors.base import AFTERWARDS, Abilities, Answer, Letter, Outcome, Recovery
from connectors.smtp.line import Line, Stage
from connectors.smtp.mails import Mailer, is_address
from connectors.words import gettext_noop

CONNECT_SECONDS = 5.0
CONNECTIONS = 8
MOST_CONNECTIONS = 50
PAUSE_SECONDS = 0.02
CHECK_EVERY = 0.5
IDLE_SECONDS = 20.0
NOT_AN_ADDRESS = gettext_noop("not an e-mail address")
NOT_LET_IN = gettext_noop("the mail server does not let us in")
NO_CONNECTION = gettext_noop("no connection to the mail server came about")
PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class MailChannel:
    """Sends e-mails: ``smtp+tls://user:password@host:587?connections=8``, ``smtps://``, ``smtp://``.

    What comes back goes to ``return_to``; the other words are those of ``Mailer``. Raises
    ``ValueError`` for another address, or a ``sender`` or ``return_to`` that is none.
    """

    kind = "email"
    abilities = Abilities(
        recovery=Recovery.NEITHER,
        max_per_call=1,
        one_sender_per_call=False,
        personal_text=True,
        text_bytes=100_000,
        needs_confirmation=False,
        direct=True,
        tells=AFTERWARDS,
        address_kinds=("email",),
        has_mark=True,
        has_subject=True,
        has_html=True,
    )

    def __init__(
        self,
        url: str,
        *,
        sender: str,
        return_to: str = "",
        reads_mail: bool = False,
        told_by: Collection[str] = (),
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("EMAIL_URL must look like smtp+tls://user:password@host:587.")
        self._scheme, self._host = parts.scheme, parts.hostname
        self._port = parts.port or PORTS[parts.scheme]
        self._login = (unquote(parts.username or ""), unquote(parts.password or ""))
        wanted = dict(parse_qsl(parts.query)).get("connections", str(CONNECTIONS))
        if not wanted.isdecimal() or not 1 <= int(wanted) <= MOST_CONNECTIONS:
            raise ValueError(f"connections=… in EMAIL_URL is a number up to {MOST_CONNECTIONS}.")
        self._most = int(wanted)
        self._mailer = Mailer(
            sender or f"no-reply@{self._host}",
            return_to=return_to,
            reads_mail=reads_mail,
            told_by=told_by,
        )
        self._lines: list[Line] = []
        self._rested_at = 0.0

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        """Send the letters over the connections; one answer each."""
        self._drop_stale()
        loop = _Loop(self, letters)
        try:
            yield from loop.run()
        finally:
            loop.close()
            self._rested_at = time.monotonic()

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """A mail server cannot be asked."""
        raise NotImplementedError

    def close(self) -> None:
        """Say goodbye."""
        for line in self._lines:
            line.close(politely=True)
        self._lines = []

    def _drop_stale(self) -> None:
        """Leave connections that rested for long: the server may just be closing them."""
        if time.monotonic() - self._rested_at > IDLE_SECONDS:
            self.close()
        for line in self._lines:  # whoever left in the middle did not see its letter through
            if line.stage is not Stage.FREE:
                line.close(politely=False)
            line.answers.clear()
        self._lines = [line for line in self._lines if line.stage is Stage.FREE]

    def connect(self) -> Line:
        """Open one more connection. Raises ``OSError`` or ``smtplib.SMTPException``."""
        if self._scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                self._host, self._port, timeout=CONNECT_SECONDS, context=_tls()
            )
        else:
            smtp = smtplib.SMTP(self._host, self._port, timeout=CONNECT_SECONDS)
        try:
            smtp.ehlo()
            if self._scheme == "smtp+tls":
                smtp.starttls(context=_tls())
                smtp.ehlo()
            if self._login[0]:
                smtp.login(*self._login)
        except BaseException:
            smtp.close()
            raise
        return Line(smtp, self._mailer.return_to)


class _Loop:
    """One ``send``: draws letters for free connections, and waits for all of them at once."""

    def __init__(self, channel: MailChannel, letters: Iterable[Letter | None]) -> None:
        self._channel = channel
        self._letters = iter(letters)
        self._selector = selectors.DefaultSelector()
        self._drained = False
        self._ask_again = 0.0
        self._checked_at = time.monotonic()
        self._trouble: Answer | None = None
        for line in channel._lines:
            self._selector.register(line, selectors.EVENT_READ, line)

    def run(self) -> Iterator[Answer]:
        while True:
            yield from self._hand_out()
            busy = [line for line in self._channel._lines if line.stage is not Stage.FREE]
            if not busy:
                if self._drained:
                    return
                time.sleep(PAUSE_SECONDS)
                continue
            yield from self._wait(busy)

    def close(self) -> None:
        """Hang up where a letter is under way: whoever asked for it no longer listens."""
        self._selector.close()
        for line in list(self._channel._lines):
            if line.stage is not Stage.FREE or line.answers:
                line.close(politely=False)
                self._channel._lines.remove(line)

    def _hand_out(self) -> Iterator[Answer]:
        """Give every free connection a letter, and open more while there are letters."""
        lines = self._channel._lines
        while True:
            free = next((one for one in lines if one.stage is Stage.FREE), None)
            if free is None and len(lines) >= self._channel._most:
                return
            letter = yield from self._next()
            if letter is None:
                return
            try:
                free = free or self._open()
            except (OSError, smtplib.SMTPException) as error:
                yield _unreachable(letter.key, error)
                continue
            free.begin(letter, self._channel._mailer.mail(letter))
            self._watch(free)

    def _next(self) -> Generator[Answer, None, Letter | None]:
        """Draw the next letter that an e-mail can carry; ``None``: there is none now."""
        while not self._drained and time.monotonic() >= self._ask_again:
            letter = next(self._letters, self)
            if isinstance(letter, _Loop):
                self._drained = True
            elif letter is None:
                self._ask_again = time.monotonic() + PAUSE_SECONDS
            elif is_address(letter.address):
                return letter
            else:
                yield Answer(letter.key, Outcome.REFUSED, why=NOT_AN_ADDRESS, is_address=True)
        return None

    def _open(self) -> Line:
        line = self._channel.connect()
        self._channel._lines.append(line)
        self._selector.register(line, selectors.EVENT_READ, line)
        return line

    def _watch(self, line: Line) -> None:
        """Wait for room in the socket only while there is something to write."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_to_write else 0)
        if self._selector.get_key(line).events != wanted:
            self._selector.modify(line, wanted, line)

    def _wait(self, busy: list[Line]) -> Iterator[Answer]:
        for key, _events in self._selector.select(PAUSE_SECONDS):
            line: Line = key.data
            line.turn()
            yield from self._after(line)
        now = time.monotonic()
        if now - self._checked_at > CHECK_EVERY:
            self._checked_at = now
            for line in busy:
                if line.stage is not Stage.GONE:
                    line.check_time()
                    yield from self._after(line)

    def _after(self, line: Line) -> Iterator[Answer]:
        answers, line.answers = line.answers, []
        yield from answers
        if line.stage is Stage.READY and not line.may_go:
            line.leave_out()
            yield from line.answers
            line.answers = []
        if line.stage is Stage.READY:
            letter = (yield from self._next()) if line.pipelines else None
            line.go_on(letter, self._channel._mailer.mail(letter) if letter else b"")
        if line.stage is Stage.GONE:
            self._forget(line)
        else:
            self._watch(line)

    def _forget(self, line: Line) -> None:
        if line in self._channel._lines:
            self._channel._lines.remove(line)
        for key in list(self._selector.get_map().values()):
            if key.data is line:
                self._selector.unregister(key.fileobj)


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _unreachable(key: str, error: OSError | smtplib.SMTPException) -> Answer:
    """Nothing was sent. A login that is refused needs a person, so it waits longer."""
    is_login = isinstance(error, smtplib.SMTPAuthenticationError | ssl.SSLCertVerificationError)
    why = NOT_LET_IN if is_login else NO_CONNECTION
    seconds = 300.0 if is_login else 5.0
    return Answer(key, Outcome.BUSY, why=why, retry_after=seconds, is_channel=True)
