"""A mail server that takes every mail and only counts: ``python -m bench.smtp_sink PORT_FILE``.

In a process of its own; ``NOOP`` answers with the number of mails so far.
"""

import asyncio
import sys
from pathlib import Path


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
        while self.rest:
            if self.in_mail:
                end = self.rest.find(b"\r\n.\r\n")
                if end < 0:
                    break
                self.rest = self.rest[end + 5 :]
                self.in_mail = False
                Sink.mails += 1
                said.append(b"250 taken\r\n")
                continue
            end = self.rest.find(b"\r\n")
            if end < 0:
                break
            word, self.rest = self.rest[:4].upper(), self.rest[end + 2 :]
            if word == b"EHLO":
                said.append(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif word == b"DATA":
                self.in_mail = True
                said.append(b"354 go on\r\n")
            elif word == b"NOOP":
                said.append(b"250 %d\r\n" % Sink.mails)
            elif word == b"QUIT":
                said.append(b"221 goodbye\r\n")
            else:
                said.append(b"250 fine\r\n")
        if said:
            self.transport.write(b"".join(said))


async def _serve(port_file: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=2048)
    port_file.write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
