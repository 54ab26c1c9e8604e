"""A gateway and a mail server in a process of their own, which break now and then and keep a ledger.

``python -m tests.faults.far_sides FOLDER``: writes ``http`` and ``smtp`` with its ports into the
folder, and whenever it is asked by a file ``tell``, the ledger as JSON into ``told``. Of a hundred
calls five are answered with 503 or 450 and done nothing about, and five are taken and the answer
is lost. The gateway honours keys: it counts how often each was really sent on.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from email import message_from_bytes
from pathlib import Path

BUSY, LOST = 0.05, 0.05

sent: Counter[str] = Counter()
repeated: Counter[str] = Counter()
chance = random.Random(20261126)  # noqa: S311 -- the same faults in every run


def take(key: str) -> None:
    """Send a message on, unless this key was already."""
    (repeated if sent[key] else sent)[key] += 1


class Gateway(asyncio.Protocol):
    """Speaks enough HTTP."""

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (head := self.rest.find(b"\r\n\r\n")) >= 0:
            at = self.rest.find(b"Content-Length: ", 0, head)
            total = head + 4 + int(self.rest[at + 16 : self.rest.find(b"\r", at)])
            if len(self.rest) < total:
                return
            body, self.rest = self.rest[head + 4 : total], self.rest[total:]
            self._answer(json.loads(body)["key"])

    def _answer(self, key: str) -> None:
        fate = chance.random()
        if fate < BUSY:
            self._say(b"503 Busy")
            return
        take(key)
        if fate < BUSY + LOST:
            self.transport.close()
        else:
            self._say(b"200 OK")

    def _say(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)  # type: ignore[attr-defined]


class MailServer(asyncio.Protocol):
    """Speaks enough SMTP; a mail is known by the key in its Message-ID, and nothing is repeated."""

    def __init__(self) -> None:
        self.rest = b""
        self.in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._say(b"220 here")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while not self.transport.is_closing():
            mark = b"\r\n.\r\n" if self.in_mail else b"\r\n"
            end = self.rest.find(mark)
            if end < 0:
                return
            words, self.rest = self.rest[:end], self.rest[end + len(mark) :]
            if self.in_mail:
                self._mail(words)
            else:
                self._line(words[:4].upper())

    def _line(self, verb: bytes) -> None:
        if verb == b"EHLO":
            self._say(b"250-here\r\n250 PIPELINING")
        elif verb == b"RCPT" and chance.random() < BUSY:
            self.refused = True
            self._say(b"450 4.2.0 later")
        elif verb == b"DATA" and getattr(self, "refused", False):
            self.refused = False
            self._say(b"554 5.5.1 for whom")
        elif verb == b"DATA":
            self.in_mail = True
            self._say(b"354 go on")
        else:
            self._say(b"250 2.0.0 fine")

    def _mail(self, words: bytes) -> None:
        self.in_mail = False
        named = str(message_from_bytes(words)["Message-ID"]).strip("<>")
        key = named.partition("@")[0].partition(".")[0]
        sent[key] += 1
        if chance.random() < LOST:
            self.transport.close()
        else:
            self._say(b"250 2.0.0 taken")

    def _say(self, words: bytes) -> None:
        self.transport.write(words + b"\r\n")  # type: ignore[attr-defined]


async def main(folder: Path) -> None:
    """Serve, and tell when asked."""
    loop = asyncio.get_running_loop()
    for name, side in (("http", Gateway), ("smtp", MailServer)):
        server = await loop.create_server(side, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        (folder / f"{name}.new").write_text(str(port), encoding="ascii")
        (folder / f"{name}.new").rename(folder / name)
    while True:
        await asyncio.sleep(0.1)
        if (folder / "tell").exists():
            (folder / "tell").unlink()
            told = json.dumps({"sent": sent, "repeated": repeated})
            (folder / "told.new").write_text(told, encoding="ascii")
            (folder / "told.new").rename(folder / "told")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
