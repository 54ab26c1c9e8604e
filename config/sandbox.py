"""The WeCom sandbox as a child process, and the credentials the two sides share."""

import base64
import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from config.places import ROOT, Places
from config.processes import Program
from config.secret import read_or_make


@dataclass(frozen=True)
class Credentials:
    """What an enterprise gets from WeCom's console; here made up once per data folder."""

    corp_id: str
    agent_id: str
    secret: str
    callback_token: str
    callback_aes_key: str


def sandbox_credentials(places: Places) -> Credentials:
    """The credentials of this data folder's sandbox, made on the first call."""
    return Credentials(**json.loads(read_or_make(places.data / "sandbox.json", _make)))


def _make() -> str:
    made = Credentials(
        corp_id=f"ww{secrets.token_hex(8)}",
        agent_id="1000002",
        secret=secrets.token_urlsafe(32),
        callback_token=secrets.token_hex(8),
        # 32 bytes in 43 letters: WeCom leaves out the padding
        callback_aes_key=base64.b64encode(secrets.token_bytes(32)).decode().rstrip("="),
    )
    return json.dumps(asdict(made))


class Sandbox:
    """The sandbox of one start: its address, its process, and what the product must know of it."""

    def __init__(self, places: Places, callback_url: str) -> None:
        """Choose a free port on the loopback interface; nothing runs yet."""
        self._places = places
        self._callback_url = callback_url
        self._credentials = sandbox_credentials(places)
        self._port = _free_port()
        self.url = f"http://127.0.0.1:{self._port}/cgi-bin"

    def environment(self) -> dict[str, str]:
        """The `WECOM_…` variables for whoever shall talk to this sandbox."""
        values = {"API_URL": self.url}
        values |= {name.upper(): value for name, value in asdict(self._credentials).items()}
        return {f"WECOM_{name}": value for name, value in values.items()}

    def program(self) -> Program:
        """The process. It gets only what it needs, and never imports Django."""
        kept = ("PATH", "HOME", "TMPDIR", "WECOM_RECEIVE_QUOTA")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= self.environment() | {
            "SANDBOX_CALLBACK_URL": self._callback_url,
            "SANDBOX_JOURNAL": str(self._places.data / "sandbox-journal.jsonl"),
        }
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--workers", "1", "--blocking-threads", "16"]
        command += ["--no-access-log", "--log-level", "warning", "--respawn-failed-workers"]
        return Program(
            name="sandbox",
            command=(*command, "connectors.wecom.sandbox.app:application"),
            log=self._places.logs / "sandbox.log",
            environment=environment,
            directory=Path(ROOT),
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
