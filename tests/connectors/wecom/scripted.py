"""A WeCom that says what a test tells it to, over real HTTP."""

import json
import socket
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Call:
    """One request that arrived."""

    path: str
    query: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Raw:
    """An answer that is not simply JSON: ``cut`` bytes of it arrive, then the line breaks."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    seconds_between_bytes: float = 0


Answer = dict[str, Any] | Raw | Callable[[Call], dict[str, Any]]
OK = {"errcode": 0, "errmsg": "ok"}


class _Server(ThreadingHTTPServer):
    request_queue_size = 64
    wecom: "ScriptedWeCom"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up, or a line that a test broke, is nothing to report."""


class ScriptedWeCom:
    """Answers each path with what was scripted for it, in order; the last answer stays."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.tokens_given = 0
        self.expires_in = 7200
        self.stale_errcode = 42001
        self._answers: dict[str, deque[Answer]] = defaultdict(deque)
        self._valid_token = ""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.wecom = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/cgi-bin"

    def script(self, path: str, *answers: Answer) -> None:
        self._answers[path] = deque(answers)

    def script_pages(self, path: str, rows_name: str, rows: list[Any], size: int) -> None:
        """Answer with the rows, ``size`` at a time, and an empty page in the middle."""

        def page(call: Call) -> dict[str, Any]:
            cursor = call.json.get("cursor", "") if call.body else call.query.get("cursor", "")
            start = int(cursor.rstrip("e") or 0)
            if start == size and not cursor.endswith("e"):
                return {**OK, rows_name: [], "next_cursor": f"{start}e"}
            end = start + size
            next_cursor = str(end) if end < len(rows) else ""
            return {**OK, rows_name: rows[start:end], "next_cursor": next_cursor}

        self.script(path, page)

    def expire_token(self) -> None:
        self._valid_token = "none"

    def calls_to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, call: Call) -> dict[str, Any] | Raw:
        with self._lock:
            self.calls.append(call)
            scripted = self._answers[call.path]
            if call.path != "gettoken" and call.query.get("access_token") != self._valid_token:
                return {"errcode": self.stale_errcode, "errmsg": "access_token expired, hint: [1]"}
            if not scripted:
                return self.new_token() if call.path == "gettoken" else OK
            answer = scripted.popleft() if len(scripted) > 1 else scripted[0]
        return answer(call) if callable(answer) else answer

    def new_token(self) -> dict[str, Any]:
        self.tokens_given += 1
        self._valid_token = f"SECRET-TOKEN-{self.tokens_given}"
        return {**OK, "access_token": self._valid_token, "expires_in": self.expires_in}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.wecom.answer(Call(parts.path.removeprefix("/cgi-bin/"), query, body))
        self._send(answer if isinstance(answer, Raw) else Raw(json.dumps(answer).encode()))

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """The test looks at the calls instead."""

    def _send(self, raw: Raw) -> None:
        if raw.cut == 0:
            self._break_off()
            return
        self.send_response(raw.status)
        self.send_header("Content-Length", str(len(raw.body)))
        for name, value in raw.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if raw.seconds_between_bytes:
            self._drip(raw)
            return
        self.wfile.write(raw.body[: raw.cut])
        if raw.cut is not None:
            self.close_connection = True

    def _drip(self, raw: Raw) -> None:
        for byte in raw.body:
            self.wfile.write(bytes([byte]))
            time.sleep(raw.seconds_between_bytes)

    def _break_off(self) -> None:
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.close_connection = True
        for end in (self.rfile, self.wfile, self.connection):
            end.close()
