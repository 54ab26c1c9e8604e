"""Nothing that comes in makes the sandbox fail, and kill -9 costs nothing."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.wecom.sandbox.client import SandboxControl
from connectors.wecom.sandbox.control import ROUTES as CONTROL
from connectors.wecom.sandbox.gateway import ROUTES

from .conftest import Box, customer

FIELDS = (
    *("userid", "external_userid", "userid_list", "cursor", "limit", "remark", "remark_mobiles"),
    *("add_tag", "remove_tag", "tag_id", "group_id", "group_name", "tag", "id", "name", "order"),
    *("type", "scene", "state", "user", "party", "config_id", "chat_expires_in", "is_exclusive"),
    *("welcome_code", "text", "attachments", "chat_type", "sender", "chat_id_list", "tag_filter"),
    *("start_time", "end_time", "filter_type", "creator", "msgid", "handover_userid", "chat_id"),
    *("takeover_userid", "transfer_success_msg", "page_size", "status_filter", "owner_filter"),
    *("new_owner", "touser", "msgtype", "agentid", "enable_duplicate_check", "size"),
    *("staff", "tags", "customers", "groups", "departments", "quota", "advance", "share"),
    *("people", "spread", "by", "fail", "lose", "callbacks", "takeover_full"),
)
SHAPES: tuple[Any, ...] = (
    None,
    0,
    1,
    2,
    -1,
    10**30,
    1.5,
    True,
    "",
    "lin",
    "wo1",
    "single",
    [],
    {},
    ["wo1"],
    [[]],
)
MORE_SHAPES: tuple[Any, ...] = (
    [{}],
    [{"userid": "lin"}],
    {"content": "Hi"},
    [{"msgtype": "image"}],
    "\x00",
)


@pytest.mark.parametrize("seed", range(8))
def test_no_shape_of_a_body_makes_it_fail(box: Box, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  the same shapes in every run
    for method, path in [*ROUTES, *(("POST", path) for path in CONTROL)]:
        body = {name: draw.choice(SHAPES + MORE_SHAPES) for name in FIELDS if draw.random() < 0.7}
        url = path if path.startswith("/") else f"/cgi-bin/{path}"
        box.token = box.token or box.new_token()["access_token"]
        answer = box.http.request(method, url, params={"access_token": box.token}, json=body)
        assert answer.status_code < 500, (path, body)


@contextmanager
def own_process(port: int, journal: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The sandbox as its own process, answering."""
    command = [sys.executable, "-m", "connectors.wecom.sandbox", "--bind", f"127.0.0.1:{port}"]
    given = {**os.environ, "SANDBOX_JOURNAL": str(journal), "SANDBOX_CALLBACK_URL": ""}
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, env=given, cwd=root, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 20
            while not _answers(port):
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/sandbox/clock").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.faults
def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    port, journal = _free_port(), tmp_path / "journal"
    with own_process(port, journal) as process, SandboxControl(f"http://127.0.0.1:{port}") as hand:
        hand.seed(staff=[{"userid": "lin"}], customers=(customer(n, "lin") for n in range(2000)))
        hand.depart("lin")
        process.send_signal(signal.SIGKILL)

    with own_process(port, journal) as process, SandboxControl(f"http://127.0.0.1:{port}") as hand:
        assert hand.ledger()["unassigned"] == 2000
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
