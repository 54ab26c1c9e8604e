"""A mail server, with and without pipelining."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string, policy
from functools import partial

from connectors.base import Outcome, Recovery
from connectors.smtp.channel import MailChannel
from tests.connectors.contract import Case, FarSide, Got, Scene
from tests.gateways import MailServer, open_mail_server

CONNECTIONS = 4
HUGE = 10_000_000
LINES = 100_000


@dataclass
class MailFarSide(FarSide):
    """The mail server of ``tests.gateways``, told by scenes."""

    server: MailServer = field(default_factory=MailServer)

    def connections(self) -> int:
        return self.server.connections

    def still_open(self) -> int:
        return self.server.connections - self.server.ended

    def reply_to(self, line: str) -> str:
        """Refuse and put off where servers do it: at the recipient."""
        found = re.match(r"RCPT TO:<(.+)>", line)
        scene = self.scene_of(found.group(1)) if found else Scene.TAKE
        if scene is Scene.BUSY:
            return f"450 4.2.1 later <{line[9:-1]}>"
        if scene is Scene.REFUSE:
            return f"550 5.1.1 <{line[9:-1]}> is unknown here"
        return ""

    def take(self, recipient: str, raw: str) -> str:
        """Note the mail, and say what the scene wants."""
        mail = message_from_string(raw, policy=policy.default)
        body = mail.get_body(("plain",))
        text = body.get_content() if body else ""
        key = str(mail["Message-ID"]).strip("<>").partition("@")[0]
        self.got.append(Got(key, recipient, text.replace("\r\n", "\n").rstrip("\n")))
        self.heads.append(list(mail.keys()))
        time.sleep(self.wait)
        return {
            Scene.LOSE: "cut",
            Scene.HALF: "half",
            Scene.HALF_HEAD: "half",
            Scene.GARBAGE: "\x00\x01 what?",
            Scene.HUGE: "x" * HUGE,
            Scene.ENDLESS: "250-and\r\n" * LINES,
            Scene.BREAK: "451 4.3.0 local error",
        }.get(self.scene_of(recipient), "250 2.0.0 taken")

    heads: list[list[str]] = field(default_factory=list)


@contextmanager
def open_far_side(*, pipelining: bool) -> Iterator[MailFarSide]:
    with open_mail_server() as server:
        server.pipelining = pipelining
        url = f"smtp://127.0.0.1:{server.port}?connections={CONNECTIONS}"
        far = MailFarSide(
            connect=lambda: MailChannel(url, sender="Shop <news@shop.example>"), server=server
        )
        server.reply_to = far.reply_to
        server.take = far.take
        yield far


def case(name: str, *, pipelining: bool) -> Case:
    # of the letter that follows only the envelope has left: it goes again
    next_one = {Outcome.BUSY} if pipelining else set()
    in_doubt = frozenset({Outcome.UNCLEAR} | next_one)
    return Case(
        name,
        partial(open_far_side, pipelining=pipelining),
        Recovery.NEITHER,
        "p{}@example.com".format,
        2 * CONNECTIONS if pipelining else CONNECTIONS,
        expected={
            Scene.BREAK: frozenset({Outcome.BUSY}),  # it says that it has not got the mail
            Scene.LOSE: in_doubt,
            Scene.HALF: in_doubt,
            Scene.HALF_HEAD: in_doubt,
            Scene.GARBAGE: in_doubt,
            Scene.HUGE: in_doubt,
            Scene.ENDLESS: in_doubt,
        },
    )


CASES = [case("e-mail", pipelining=True), case("e-mail, no pipelining", pipelining=False)]
