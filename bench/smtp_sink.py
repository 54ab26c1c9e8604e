"""A mail server that takes every mail and only counts: ``python -m bench.smtp_sink PORT_FILE``.

In a process of its own; ``NOOP`` answers with the number of mails so far.
"""

import asyncio
import sys
from pathlib import Path

from config.processes import give_way

REPLIES = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 goodbye\r\n",
}


class Sink(asyncio.Protocol):
    """Speaks as much SMTP as a client needs that pipelines (RFC 2920)."""

    mails = 0

    def __init__(self) -> None:
        self.rest = b""
        self.in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.rest += data
        said = []
        while (reply := self._next()) is not None:
            said.append(reply)
        if said:
            self.transport.write(b"".join(said))

    def _next(self) -> bytes | None:
        """Take a line, or a whole mail, off what has come; ``None`` when there is no more."""
        mark = b"\r\n.\r\n" if self.in_mail else b"\r\n"
        end = self.rest.find(mark)
        if end < 0:
            return None
        line, self.rest = self.rest[:end], self.rest[end + len(mark) :]
        if self.in_mail:
            self.in_mail = False
            Sink.mails += 1
            return b"250 taken\r\n"
        word = line[:4].upper()
        self.in_mail = word == b"DATA"
        if word == b"NOOP":
            return b"250 %d\r\n" % Sink.mails
        return REPLIES.get(word, b"250 fine\r\n")


async def _serve(port_file: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=2048)
    port_file.write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await server.serve_forever()


if __name__ == "__main__":
    give_way()  # as the workers do whom it answers
    asyncio.run(_serve(Path(sys.argv[1])))
