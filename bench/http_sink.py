"""A gateway that takes every HTTP call and only counts: ``python -m bench.http_sink PORT_FILE [MS]``.

In a process of its own, and as light as Python allows, since it shares the machine with what is
measured. It writes its port into the file; ``GET /`` answers with the number of calls so far. With
``MS`` every answer takes that many milliseconds.
"""

import select
import socket
import sys
import time
from collections import deque
from pathlib import Path

from config.processes import give_way

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
AT_ONCE = 1 << 16


class Sink:
    """Reads requests with a Content-Length, one after the other, on each connection."""

    def __init__(self, listener: socket.socket, latency: float) -> None:
        self.listener = listener
        self.latency = latency
        self.calls = 0
        self.late: deque[tuple[float, socket.socket]] = deque()
        self.connections: dict[int, socket.socket] = {}
        self.rest: dict[int, bytes] = {}
        self.epoll = select.epoll()

    def serve(self) -> None:
        """Answer for ever."""
        door = self.listener.fileno()
        self.epoll.register(door, select.EPOLLIN)
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else None
            for number, _events in self.epoll.poll(wait):
                if number == door:
                    self._accept()
                else:
                    self._read(number, self.connections[number])
            while self.late and self.late[0][0] <= time.monotonic():
                _send(self.late.popleft()[1], ANSWER)

    def _accept(self) -> None:
        connection, _address = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[connection.fileno()] = connection
        self.epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, number: int, connection: socket.socket) -> None:
        try:
            data = connection.recv(AT_ONCE)
        except OSError:
            data = b""
        if not data:
            self.rest.pop(number, None)
            self.connections.pop(number).close()
            return
        rest = self._answer(connection, self.rest.pop(number, b"") + data)
        if rest:
            self.rest[number] = rest

    def _answer(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer the requests that have come in whole; return what is left."""
        while (head := data.find(b"\r\n\r\n")) >= 0:
            if data.startswith(b"GET"):
                data = data[head + 4 :]
                body = b"%d" % self.calls
                said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                _send(connection, said + body)
                continue
            at = data.find(b"Content-Length: ", 0, head)
            total = head + 4 + int(data[at + 16 : data.find(b"\r", at)])
            if len(data) < total:
                break
            data = data[total:]
            self.calls += 1
            if self.latency:
                self.late.append((time.monotonic() + self.latency, connection))
            else:
                _send(connection, ANSWER)
        return data


def _send(connection: socket.socket, answer: bytes) -> None:
    try:
        connection.sendall(answer)
    except OSError:
        return  # it is closed when it is read, or was before it was late


if __name__ == "__main__":
    give_way()  # as the workers do whom it answers
    port_file = Path(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        port_file.write_text(str(listener.getsockname()[1]), encoding="ascii")
        Sink(listener, float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0).serve()
