"""A sandbox over real HTTP on a clock that stands still, and a place for its callbacks."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from connectors.wecom.callback import open_envelope
from connectors.wecom.callback_xml import read_fields
from connectors.wecom.config import WeComConfig
from connectors.wecom.sandbox.client import SandboxControl
from connectors.wecom.sandbox.clock import Clock
from connectors.wecom.sandbox.serve import running_sandbox
from connectors.wecom.sandbox.settings import SandboxSettings

NOON = 1_768_017_600.0  # 2026-01-10 12:00 in Shanghai
CORP = "ww0000000000000001"
TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
HOUR = 3600
CONFIG = WeComConfig(
    api_url="",
    corp_id=CORP,
    agent_id="1000002",
    secret="s3cret",
    callback_token=TOKEN,
    callback_aes_key=AES_KEY,
)
PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def settings(**changes: Any) -> SandboxSettings:
    return SandboxSettings(
        **{"corp_id": CORP, "secret": "s3cret", "agent_id": "1000002", **changes}
    )


@dataclass
class Box:
    """A connector's view of the sandbox, and the hand that plays the people in it."""

    url: str
    control: SandboxControl
    http: httpx.Client
    token: str = ""

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self.said(self.http.get(f"/cgi-bin/{path}", params=self._with_token(path, query)))

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return self.said(
            self.http.post(f"/cgi-bin/{path}", params=self._with_token(path, {}), json=body)
        )

    def contact(self, path: str, **body: Any) -> dict[str, Any]:
        return self.post(f"externalcontact/{path}", **body)

    def code(self, path: str, **body: Any) -> int:
        return int(self.contact(path, **body)["errcode"])

    def new_token(self) -> dict[str, Any]:
        return self.get("gettoken", corpid=CORP, corpsecret="s3cret")

    def breaches(self) -> list[str]:
        return [row["what"] for row in self.control.rows("violations")]

    def customers_of(self, userid: str) -> set[str]:
        return {row["external_userid"] for row in self.control.rows("follows", userid=userid)}

    def _with_token(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        if path == "gettoken" or "access_token" in query:
            return query
        self.token = self.token or self.new_token()["access_token"]
        return {**query, "access_token": self.token}

    @staticmethod
    def said(answer: httpx.Response) -> dict[str, Any]:
        answer.raise_for_status()
        said: dict[str, Any] = answer.json()
        return said


@contextmanager
def open_box(given: SandboxSettings, real: Callable[[], float] = lambda: NOON) -> Iterator[Box]:
    with (
        running_sandbox(given, clock=Clock(real)) as running,
        SandboxControl(running.base_url) as control,
        httpx.Client(
            base_url=running.base_url, timeout=10, trust_env=False, verify=PLAIN_HTTP
        ) as http,
    ):
        yield Box(running.base_url, control, http)


def customer(number: int, *staff: str, **more: Any) -> dict[str, Any]:
    follows = [{"userid": userid, "createtime": int(NOON) - 1000 + number} for userid in staff]
    return {
        "external_userid": f"wo{number}",
        "name": f"Customer {number}",
        "unionid": f"union{number}",
        "follows": follows,
        **more,
    }


def fill(box: Box, customers: int = 4) -> None:
    """Lin with ``customers`` customers, and Mei with none."""
    box.control.seed(
        staff=[{"userid": "lin", "name": "Lin"}, {"userid": "mei", "name": "Mei"}],
        tags=[{"group": "Size", "names": ["S", "M"]}],
        customers=[customer(number, "lin") for number in range(1, customers + 1)],
    )


@pytest.fixture
def box() -> Iterator[Box]:
    with open_box(settings()) as opened:
        fill(opened)
        yield opened


@dataclass
class Inbox:
    """What arrived at the callback address: each envelope, opened by a reading of our own."""

    url: str = ""
    status: int = 200
    fail_first: int = 0
    raw: list[tuple[dict[str, str], str]] = field(default_factory=list)

    def events(self) -> list[dict[str, str]]:
        return [self.open(query, body) for query, body in self.raw]

    def open(self, query: dict[str, str], body: str) -> dict[str, str]:
        return dict(open_envelope(CONFIG, query, body.encode()).fields)

    def wait(self, count: int, seconds: float = 10) -> None:
        until = time.monotonic() + seconds
        while len(self.raw) < count:
            assert time.monotonic() < until, f"{len(self.raw)} callbacks of {count} came"
            time.sleep(0.01)


def fields_of(xml: str) -> dict[str, str]:
    return dict(read_fields(xml))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    received = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.raw.append((dict(parse_qsl(urlsplit(self.path).query)), body))
            failing = len(received.raw) <= received.fail_first
            self.send_response(503 if failing else received.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        received.url = f"http://127.0.0.1:{server.server_port}/callbacks/wecom/"
        yield received
        server.shutdown()


@pytest.fixture
def wired(inbox: Inbox, tmp_path: Path) -> Iterator[Box]:
    """A box whose events go to ``inbox``, retried after a tenth of a second."""
    given = settings(
        callback_url=inbox.url,
        callback_token=TOKEN,
        callback_aes_key=AES_KEY,
        callback_retry_after=0.1,
        journal=tmp_path / "journal",
    )
    with open_box(given) as opened:
        fill(opened)
        yield opened
