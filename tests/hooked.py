"""A receiver of webhooks on this machine: real HTTP, answers as told, keeps what it got."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORTS = range(8200, 9900)
"""Where receivers may listen."""


@dataclass(frozen=True)
class Got:
    """One call as it came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The event in it."""
        said: dict[str, Any] = json.loads(self.body)
        return said


@dataclass
class Answer:
    """What to answer, and how slowly."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait: float = 0.0
    silent: bool = False


class Hooked:
    """The receiver. ``answers`` are given one by one, then ``usual`` to everybody."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook?from=liuke"
        self.got: list[Got] = []
        self.usual = Answer()
        self.answers: list[Answer] = []
        self.connections = 0

    @property
    def types(self) -> list[str]:
        """The events that came in, in order."""
        return [one.said["type"] for one in self.got]


@contextmanager
def open_hook() -> Iterator[Hooked]:
    """Run a receiver until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            hooked.connections += 1
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hooked.got.append(Got(self.path, dict(self.headers.items()), body))
            answer = hooked.answers.pop(0) if hooked.answers else hooked.usual
            time.sleep(answer.wait)
            if answer.silent:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = _listen(Handler)
    hooked = Hooked(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hooked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no error of the receiver's."""


def _listen(handler: type[BaseHTTPRequestHandler]) -> _Server:
    for port in PORTS:
        try:
            return _Server(("127.0.0.1", port), handler)
        except OSError:
            continue
    raise OSError("no port is free")
