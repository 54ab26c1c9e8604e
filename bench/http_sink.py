"""A gateway that takes every HTTP call and only counts: ``python -m bench.http_sink PORT_FILE [MS]``.

In a process of its own. It writes its port into the file; ``GET /`` answers with the number of
calls so far. With ``MS`` every answer takes that many milliseconds.
"""

import asyncio
import sys
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Sink(asyncio.Protocol):
    """Reads requests with a Content-Length, one after the other."""

    calls = 0
    latency = 0.0

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.rest = self.rest + data if self.rest else data
        while (head := self.rest.find(b"\r\n\r\n")) >= 0:
            if self.rest.startswith(b"GET"):
                self.rest = self.rest[head + 4 :]
                body = str(Sink.calls).encode()
                self.transport.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                )
                continue
            at = self.rest.find(b"Content-Length: ", 0, head)
            end = self.rest.find(b"\r", at)
            total = head + 4 + int(self.rest[at + 16 : end])
            if len(self.rest) < total:
                return
            self.rest = self.rest[total:]
            Sink.calls += 1
            if Sink.latency:
                asyncio.get_running_loop().call_later(Sink.latency, self.transport.write, ANSWER)
            else:
                self.transport.write(ANSWER)


async def _serve(port_file: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0, backlog=2048)
    port_file.write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await server.serve_forever()


if __name__ == "__main__":
    Sink.latency = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0
    asyncio.run(_serve(Path(sys.argv[1])))
