"""`manage.py up` as people meet it: refusals, restarts, the end, and the start after a crash."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from config.places import ROOT, find_places
from config.processes import GIVEN_WAY, born, end_group
from config.supervisor import Supervisor
from config.wheels import CannotStart

PATIENCE = 60.0  # seconds, on a machine that does other things as well


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


class Up:
    """One running `manage.py up`, read line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self, pattern: str) -> str:
        assert self.process.stdout
        said = ""
        line: str
        for line in self.process.stdout:
            if re.search(pattern, line):
                return line
            said += line
        raise AssertionError(f"it ended without saying {pattern!r}, but: {said}")


@pytest.fixture
def up(data_dir, port, plain_environment):
    """Start `manage.py up`; whatever is left of it at the end is killed."""
    environment = plain_environment | {
        "LIUKE_DATA_DIR": str(data_dir),
        "LIUKE_BIND": f"127.0.0.1:{port}",
        "LIUKE_NO_BOOTSTRAP": "1",
    }

    @contextmanager
    def run() -> Iterator[Up]:
        with subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                yield Up(process)
            finally:
                process.terminate()

    return run


def children(data_dir):
    """Name to process number, of what the supervisor says it runs."""
    found = json.loads((data_dir / "children.json").read_text())
    return {name: entry[0] for name, entry in found.items()}


def wait_until_dead(pids):
    deadline = time.monotonic() + PATIENCE
    while any(born(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_taken_port_is_told_before_anything_starts(data_dir):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        supervisor = Supervisor(find_places(data_dir), f"127.0.0.1:{taken}")

        with pytest.raises(CannotStart, match=f"Port {taken} of 127.0.0.1 is taken"), supervisor:
            pass

    assert not (data_dir / "children.json").exists()
    assert not (data_dir / "log" / "postgres.log").exists()


def test_a_second_start_says_who_holds_the_folder(data_dir, port):
    first = Supervisor(find_places(data_dir), f"127.0.0.1:{port}")
    first._take_lock()

    with pytest.raises(CannotStart, match=rf"\(process {os.getpid()}, http://127.0.0.1:{port}/\)"):
        Supervisor(find_places(data_dir), "127.0.0.1:1").start()

    first.stop()


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_a_strange_bind_is_one_sentence(data_dir, bind):
    with pytest.raises(CannotStart, match=r"LIUKE_BIND must look like 127.0.0.1:8000"):
        Supervisor(find_places(data_dir), bind)


@pytest.mark.faults
def test_everything_ends_within_five_seconds_and_leaves_nothing(up, data_dir):
    with up() as running:
        running.says("serving on")
        pids = children(data_dir).values()
        began = time.monotonic()
        running.process.send_signal(signal.SIGINT)

        assert running.process.wait(PATIENCE) == 0

    assert time.monotonic() - began < 5
    assert not any(born(pid) for pid in pids)
    assert not list((data_dir / "run").iterdir())


@pytest.mark.faults
def test_bulk_workers_leave_the_processors_to_pages_and_greetings(up, data_dir):
    with up() as running:
        running.says("serving on")
        pids = children(data_dir)
        first = {pids["web"], pids["worker-realtime"], pids["postgres"]}
        last = {pids["worker-bulk"], pids["worker-bulk-2"]}
        ours = os.getpriority(os.PRIO_PROCESS, 0)

        deadline = time.monotonic() + PATIENCE
        while {os.getpriority(os.PRIO_PROCESS, pid) for pid in last} != {ours + GIVEN_WAY}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in first} == {ours}


@pytest.mark.faults
def test_a_killed_child_is_started_again_and_said_so(up, data_dir, port):
    with up() as running:
        running.says("serving on")
        for name in ("worker-bulk", "valkey", "postgres", "web"):
            before = children(data_dir)[name]
            os.kill(before, signal.SIGKILL)

            running.says(f"{name} ended .signal SIGKILL., starting it again")

            deadline = time.monotonic() + PATIENCE
            while children(data_dir)[name] == before:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        wait_until_ready(port)


@pytest.mark.faults
def test_a_killed_supervisor_takes_its_children_along(up, data_dir):
    with up() as running:
        running.says("serving on")
        pids = children(data_dir).values()

        running.process.kill()

        wait_until_dead(pids)


@pytest.mark.faults
def test_after_everything_was_killed_the_next_start_works(up, data_dir, port):
    with up() as running:
        running.says("serving on")
        running.process.send_signal(signal.SIGSTOP)  # so that it does not start them again
        for pid in [*children(data_dir).values(), running.process.pid]:
            end_group(pid, signal.SIGKILL)
        running.process.kill()
        running.process.wait()

    with up() as running:
        running.says("serving on")
        wait_until_ready(port)


def wait_until_ready(port):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
