"""A far side over HTTP, for every format that posts letters."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from connectors.base import DirectConnector
from tests.connectors.contract import FarSide, Got, Scene

HUGE = 10_000_000


@dataclass(frozen=True)
class Said:
    """An answer that a format gives."""

    status: int
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class HttpFarSide(FarSide):
    """One address, which reads letters and answers as ``say`` does."""

    read: Callable[[bytes], Sequence[Got]] = lambda _body: []
    say: Callable[[Sequence[tuple[Got, Scene]]], Said] = lambda _letters: Said(200)
    begun: int = 0
    ended: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def connections(self) -> int:
        return self.begun

    def still_open(self) -> int:
        return self.begun - self.ended


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        with self.server.far.lock:
            self.server.far.begun += 1

    def finish(self) -> None:
        with self.server.far.lock:
            self.server.far.ended += 1
        super().finish()

    def do_POST(self) -> None:
        far = self.server.far
        letters = far.read(self.rfile.read(int(self.headers["Content-Length"])))
        with far.lock:
            far.got.extend(letters)
        time.sleep(far.wait)
        scenes = [(got, far.scene_of(got.to)) for got in letters]
        self.answer(far, scenes)

    def answer(self, far: HttpFarSide, scenes: Sequence[tuple[Got, Scene]]) -> None:
        scene = scenes[0][1]
        if scene is Scene.LOSE:
            self.close_connection = True
        elif scene is Scene.HALF:
            self.speak(Said(200, b'{"id"'), length=100)
            self.close_connection = True
        elif scene is Scene.HALF_HEAD:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
        elif scene is Scene.GARBAGE:
            self.speak(Said(200, b"<html>\x00\xff\xfe not what you meant"))
        elif scene is Scene.HUGE:
            self.speak(Said(200, b"x" * HUGE))
        elif scene is Scene.ENDLESS:
            self.go_on()
        else:
            self.speak(far.say(scenes))

    def speak(self, said: Said, *, length: int = -1) -> None:
        self.send_response(said.status)
        for name, value in said.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body) if length < 0 else length))
        self.end_headers()
        self.wfile.write(said.body)

    def go_on(self) -> None:
        """Answer in chunks until the other side has enough of it."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"3e8\r\n" + b" " * 1000 + b"\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True
    far: HttpFarSide

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to report."""


@contextmanager
def open_http(
    connect: Callable[[str], DirectConnector],
    read: Callable[[bytes], Sequence[Got]],
    say: Callable[[Sequence[tuple[Got, Scene]]], Said],
) -> Iterator[HttpFarSide]:
    """Run a far side; ``connect`` gets its host and port. It refuses connections afterwards."""
    server = _Server(("127.0.0.1", 0), _Handler)
    host = f"127.0.0.1:{server.server_address[1]}"
    server.far = HttpFarSide(connect=lambda: connect(host), read=read, say=say)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.far
    finally:
        server.shutdown()
        server.server_close()
