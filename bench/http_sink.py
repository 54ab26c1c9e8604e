"""A gateway that takes every HTTP call and only counts: ``python -m bench.http_sink PORT_FILE [MS]``.

In a process of its own, and as light as Python allows, since it shares the machine with what is
measured. It writes its port into the file; ``GET /`` answers with the number of calls so far. With
``MS`` every answer takes that many milliseconds.
"""

import selectors
import socket
import sys
import time
from collections import deque
from pathlib import Path

from config.processes import give_way

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Sink:
    """Reads requests with a Content-Length, one after the other, on each connection."""

    def __init__(self, latency: float) -> None:
        self.latency = latency
        self.calls = 0
        self.late: deque[tuple[float, socket.socket]] = deque()
        self.rest: dict[socket.socket, bytes] = {}
        self.selector = selectors.DefaultSelector()

    def serve(self, listener: socket.socket) -> None:
        """Answer for ever."""
        self.selector.register(listener, selectors.EVENT_READ, self._accept)
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
            for key, _events in self.selector.select(wait):
                key.data(key.fileobj)
            while self.late and self.late[0][0] <= time.monotonic():
                self._send(self.late.popleft()[1], ANSWER)

    def _accept(self, listener: socket.socket) -> None:
        connection, _address = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(connection)
            del self.rest[connection]
            connection.close()
            return
        rest = self.rest[connection] + data
        while (head := rest.find(b"\r\n\r\n")) >= 0:
            if rest.startswith(b"GET"):
                rest = rest[head + 4 :]
                body = b"%d" % self.calls
                self._send(
                    connection, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
                )
                continue
            at = rest.find(b"Content-Length: ", 0, head)
            total = head + 4 + int(rest[at + 16 : rest.find(b"\r", at)])
            if len(rest) < total:
                break
            rest = rest[total:]
            self.calls += 1
            if self.latency:
                self.late.append((time.monotonic() + self.latency, connection))
            else:
                self._send(connection, ANSWER)
        self.rest[connection] = rest

    def _send(self, connection: socket.socket, answer: bytes) -> None:
        if connection in self.rest:
            try:
                connection.sendall(answer)
            except OSError:
                return  # it is closed when it is read


if __name__ == "__main__":
    give_way()  # as the workers do whom it answers
    port_file = Path(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        port_file.write_text(str(listener.getsockname()[1]), encoding="ascii")
        Sink(float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0).serve(listener)
