"""One kept connection to a mail server, a letter at a time, never waiting: the loop above it does.

The opening words are exchanged by the standard library, waiting. From then on a letter takes two
turns: sender, recipient and DATA in one go where the server allows that, then the mail. There the
mail and the envelope of the next letter leave together (RFC 2920, 3.1), so one turn each is enough.
"""

import smtplib
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum

from connectors.base import Answer, Letter, Outcome
from connectors.words import gettext_noop

REPLY_SECONDS = 30.0
END_SECONDS = 60.0
"""RFC 5321 would have us wait ten minutes for the answer to a mail; nobody's lease does."""

LONG = 0.5
"""Seconds after which a letter that waits for its turn may not be wanted any more."""

GO_AHEAD = 354
FAREWELL = 421
HUNG_UP = gettext_noop("the mail server hung up")
NO_LONGER_WANTED = gettext_noop("the mail server kept it waiting until it was not wanted any more")
NOT_SMTP = gettext_noop("the mail server does not speak SMTP")
TOO_SLOW = gettext_noop("the mail server did not answer in time")
SAID_GOODBYE = gettext_noop("the mail server said goodbye")
ADDRESS_REFUSED = gettext_noop("the mail server refused the address")
MAIL_REFUSED = gettext_noop("the mail server refused the mail")
PUT_OFF = gettext_noop("the mail server puts it off")
NOTHING_NOW = gettext_noop("the mail server takes nothing now")
BROKE_OFF = gettext_noop("the connection to the mail server broke off")
REST_SECONDS = 10.0
BUSY_CODES = frozenset({421, 450, 451, 452, 454})
WHOLE_CHANNEL = frozenset({421, 451, 452, 454})


class Stage(Enum):
    """What the connection waits for."""

    FREE = "free"
    ENVELOPE = "envelope"
    READY = "ready"
    """The server has said yes to the envelope, and waits for the mail."""

    MAIL = "mail"
    GONE = "gone"


class Step(Enum):
    """What is asked before a mail."""

    RESET = "reset"
    FROM = "from"
    TO = "to"
    DATA = "data"


@dataclass(slots=True)
class Said:
    """One reply of the server: its code and its words."""

    code: int
    words: str


class Line:
    """A connection. ``answers`` are of letters that are through, for the loop to take."""

    def __init__(self, smtp: smtplib.SMTP, sender: str) -> None:
        if smtp.sock is None:
            raise OSError(HUNG_UP)
        self.sock: socket.socket = smtp.sock
        self.sock.settimeout(0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stage = Stage.FREE
        self.answers: list[Answer] = []
        self.pipelines = smtp.has_extn("pipelining")
        self._smtp = smtp
        self._from = f"MAIL FROM:<{sender}>\r\n".encode()
        self._out = b""
        self._in = b""
        self._said: list[Said] = []
        self._letter: Letter | None = None
        self._mail = b""
        self._before: Letter | None = None  # its mail has left, with the envelope of the next
        self._steps: list[tuple[Step, bytes]] = []
        self._asked = 0  # of the steps
        self._deadline = 0.0
        self._begun_at = 0.0
        self._after_dot = 0
        self._dirty = False

    def fileno(self) -> int:
        """The socket's number, for the loop."""
        return self.sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits for room in the socket."""
        return bool(self._out)

    def begin(self, letter: Letter, mail: bytes) -> None:
        """Start on a letter; the connection must be free."""
        self._said = []
        envelope = self._address(letter, mail)
        if not self.pipelines:
            envelope, self._asked = self._steps[0][1], 1
        self._send(envelope, REPLY_SECONDS)

    @property
    def may_go(self) -> bool:
        """Whether the letter under way may still leave, which is asked of one that had to wait."""
        letter = self._letter
        if letter is None or letter.may_go is None or time.monotonic() - self._begun_at < LONG:
            return True
        return letter.may_go(letter.key)

    def leave_out(self) -> None:
        """Give the server no mail although it waits for one: hanging up is the one way."""
        self.close(politely=False)
        self._done(Answer(self._key, Outcome.BUSY, why=NO_LONGER_WANTED))

    def go_on(self, letter: Letter | None, mail: bytes) -> None:
        """Send the mail that the server waits for, and the envelope of the next letter if any."""
        waited_for = self._mail + b".\r\n"
        self._said = []
        self._dirty = False
        if letter is None:
            self.stage = Stage.MAIL
            self._send(waited_for, END_SECONDS)
        else:
            self._before = self._letter
            self._send(waited_for + self._address(letter, mail), END_SECONDS)

    def _address(self, letter: Letter, mail: bytes) -> bytes:
        """Make it the letter under way, and return what is asked before its mail."""
        self._letter, self._mail, self._begun_at = letter, mail, time.monotonic()
        self._steps = [(Step.RESET, b"RSET\r\n")] if self._dirty else []
        self._steps += [
            (Step.FROM, self._from),
            (Step.TO, f"RCPT TO:<{letter.address}>\r\n".encode()),
            (Step.DATA, b"DATA\r\n"),
        ]
        self._asked = len(self._steps)
        self._dirty = True
        self.stage = Stage.ENVELOPE
        envelope = b"".join([words for _step, words in self._steps])
        self._after_dot = len(envelope)
        return envelope

    def turn(self) -> None:
        """Read what has come, write what can be written, and go on as far as that carries.

        What the server said before the connection ended counts.
        """
        end = self._exchange()
        if not self._take_lines():
            end = NOT_SMTP
        self._advance()
        if end:
            self._break(end)

    def check_time(self) -> None:
        """Give up on a server that has not said anything for too long."""
        if self.stage in {Stage.ENVELOPE, Stage.MAIL} and time.monotonic() > self._deadline:
            self._break(TOO_SLOW)

    def close(self, *, politely: bool) -> None:
        """Let go of the connection."""
        try:
            if politely and self.stage is Stage.FREE:
                self.sock.settimeout(1.0)
                self.sock.sendall(b"QUIT\r\n")
        except OSError:
            pass
        finally:
            self.stage = Stage.GONE
            self._smtp.close()

    def _send(self, words: bytes, seconds: float) -> None:
        self._out += words
        self._deadline = time.monotonic() + seconds
        with suppress(OSError):  # the next turn meets it again, and says so
            self._flush()

    def _exchange(self) -> str:
        """Write and read what goes without waiting; returns why the connection is over, if it is."""
        end = ""
        try:
            self._flush()
        except OSError as error:
            end = _broken(error)
        try:
            hung_up = "" if self._read() else HUNG_UP
        except OSError as error:
            hung_up = _broken(error)
        return end or hung_up

    def _flush(self) -> None:
        while self._out:
            try:
                sent = self.sock.send(self._out)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return
            self._out = self._out[sent:]

    def _read(self) -> bool:
        """Take in what has come; returns whether there is still somebody there."""
        while True:
            try:
                chunk = self.sock.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not chunk:
                return False
            self._in += chunk
            if len(chunk) < 65536 and not isinstance(self.sock, ssl.SSLSocket):
                break
        return True

    def _take_lines(self) -> bool:
        """Take apart whole replies; returns whether it is a mail server that gives them."""
        *lines, self._in = self._in.split(b"\r\n")
        for line in lines:
            if not line[:3].isdigit():
                return False
            if line[3:4] != b"-":
                self._said.append(Said(int(line[:3]), line[4:200].decode("ascii", "replace")))
        return len(self._in) <= 4096

    def _advance(self) -> None:
        if self.stage is Stage.FREE:  # nobody asked: it says goodbye
            self.close(politely=False)
            return
        if self._before and self._said:
            said = self._said.pop(0)
            self.answers.append(_after_mail(self._before.key, said))
            self._before = None
            if said.code == FAREWELL:
                self._break(SAID_GOODBYE)
                return
        if self.stage is Stage.ENVELOPE:
            self._envelope()
        elif self.stage is Stage.MAIL and self._said:
            self._finish(_after_mail(self._key, self._said[0]))

    def _envelope(self) -> None:
        bad = next(
            (place for place, said in enumerate(self._said) if self._is_no(place, said)), None
        )
        if len(self._said) < self._asked and not self._is_leaving:
            return
        if bad is not None:
            wants_a_mail = any(said.code == GO_AHEAD for said in self._said)
            self._finish(self._refused(self._step_of(bad), self._said[bad]))
            if wants_a_mail:  # for nobody: hanging up is the one way to give it none
                self.close(politely=False)
        elif self._asked < len(self._steps):
            self._asked += 1
            self._send(self._steps[self._asked - 1][1], REPLY_SECONDS)
        else:
            self.stage = Stage.READY

    def _is_no(self, place: int, said: Said) -> bool:
        """Whether a reply to the envelope refuses something. Only 354 asks for a mail."""
        asks = said.code == GO_AHEAD
        return said.code >= 400 or asks != (self._step_of(place) is Step.DATA)

    def _step_of(self, place: int) -> Step:
        """Return what a reply answers; after the last step whatever it says is about that one."""
        return self._steps[min(place, len(self._steps) - 1)][0]

    @property
    def _is_leaving(self) -> bool:
        """Whether the server has said goodbye: it answers nothing any more."""
        return any(said.code == FAREWELL for said in self._said)

    def _refused(self, step: Step, said: Said) -> Answer:
        """Say what a refused envelope means: of the recipient, or of everything."""
        words = f"{said.code} {_code_in(said.words)}".strip()
        if step is Step.TO and said.code >= 500:
            return Answer(
                self._key,
                Outcome.REFUSED,
                why=f"{ADDRESS_REFUSED} ({words})",
                is_address=_is_dead(said),
            )
        if step is Step.TO and said.code not in WHOLE_CHANNEL:
            why = f"{PUT_OFF} ({words})"
            return Answer(self._key, Outcome.BUSY, why=why, retry_after=60.0)
        return Answer(
            self._key,
            Outcome.BUSY,
            why=f"{NOTHING_NOW} ({words})",
            retry_after=REST_SECONDS if said.code < 500 else 60.0,
            is_channel=True,
        )

    def _break(self, why: str) -> None:
        """The connection is gone. A letter whose last dot may have left is unclear."""
        stage = self.stage
        self.close(politely=False)
        has_left = len(self._out) <= (self._after_dot if self._before else 0)
        in_doubt = Answer("", Outcome.UNCLEAR, why=why)
        goes_again = Answer("", Outcome.BUSY, why=why, retry_after=REST_SECONDS)
        if self._before:
            told = in_doubt if has_left else goes_again
            self.answers.append(replace(told, key=self._before.key))
            self._before = None
        if self._letter:
            told = in_doubt if stage is Stage.MAIL and has_left else goes_again
            self._done(replace(told, key=self._key))

    def _finish(self, answer: Answer) -> None:
        self.stage = Stage.FREE
        if self._is_leaving or self._out:  # what is left of a mail would begin the next one
            self.close(politely=False)
        self._done(answer)

    @property
    def _key(self) -> str:
        return self._letter.key if self._letter else ""

    def _done(self, answer: Answer) -> None:
        self.answers.append(answer)
        self._letter = None


def _after_mail(key: str, said: Said) -> Answer:
    if said.code < 400:
        return Answer(key, Outcome.TAKEN)
    words = f"{said.code} {_code_in(said.words)}".strip()
    why = f"{MAIL_REFUSED} ({words})"
    if said.code in BUSY_CODES or said.code < 500:
        is_channel = said.code in {421, 452}
        return Answer(key, Outcome.BUSY, why=why, retry_after=REST_SECONDS, is_channel=is_channel)
    return Answer(key, Outcome.REFUSED, why=why, is_address=said.words.startswith("5.1."))


def _code_in(words: str) -> str:
    """Return the enhanced status code (RFC 3463) alone: the rest may name the address."""
    first = words.split(" ", 1)[0]
    return first if first.replace(".", "").isdigit() else ""


def _broken(error: OSError) -> str:
    return f"{BROKE_OFF} ({error.errno or 'TLS'})"


def _is_dead(said: Said) -> bool:
    """Whether the address leads nowhere: RFC 3463 X.1.Z and a mailbox that is closed for good."""
    code = _code_in(said.words)
    if code:
        return code.startswith("5.1.") or code == "5.2.1"
    return said.code in {550, 551, 553}
