"""Tests run on a real PostgreSQL and a real Valkey, started for this run and ended with it.

A plugin and not a conftest, because the settings are read before any conftest is. Runs at the
same time get servers of their own; `DATABASE_URL` and `REDIS_URL` replace the servers.
"""

import fcntl
import os
import subprocess
from collections.abc import Callable
from typing import IO
from urllib.parse import urlsplit

import pytest
import redis

from config import embedded
from config.places import Places, find_places
from config.processes import Program, Register, end_group

_SERVERS = pytest.StashKey["_Servers"]()
# Nothing of the developer's own installation may leak into a test.
_FOREIGN = (
    "ALLOWED_HOSTS",
    "DEBUG",
    "EMAIL_URL",
    "LIUKE_DEMO",
    "LIUKE_HTTPS",
    "MAILBOX_URL",
    "MAILGUN_WEBHOOK_KEY",
    "POSTMARK_WEBHOOK_KEY",
    "SENDGRID_WEBHOOK_KEY",
    "SES_SNS_VIA",
    "SES_TOPIC_ARN",
    "SMS_URL",
)


class _Servers:
    """The servers of one run, in the first data folder that no other run holds."""

    def __init__(self) -> None:
        self.places, self._lock = _free_places()
        self._register = Register(self.places.data / "children.json")
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        self._register.end_leftovers()
        os.environ["LIUKE_DATA_DIR"] = str(self.places.data)

    def start(self) -> None:
        if not os.environ.get("DATABASE_URL"):
            program = embedded.postgres_program(self.places, durable=False)
            embedded.wait_for_postgres(self.places, self._run(program))
            os.environ["DATABASE_URL"] = self.places.database_url
        if not os.environ.get("REDIS_URL"):
            embedded.wait_for_valkey(self.places, self._run(embedded.valkey_program(self.places)))
            os.environ["REDIS_URL"] = self.places.redis_url
            with redis.Redis.from_url(self.places.redis_url) as client:
                client.flushall()

    def stop(self) -> None:
        for program, process in reversed(self._running):
            end_group(process.pid, program.stop_signal)
            process.wait(20)
        self._register.clear()
        self._lock.close()

    def _run(self, program: Program) -> Callable[[], bool]:
        process = program.start()
        self._running.append((program, process))
        self._register.add(program.name, process.pid, program.stop_signal)
        return lambda: process.poll() is None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the servers before the settings are read; xdist's workers find them running."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        _take_own_broker(int(worker.removeprefix("gw")))
        return
    for name in list(os.environ):
        if name in _FOREIGN or name.startswith("WECOM_"):
            del os.environ[name]
    servers = early_config.stash[_SERVERS] = _Servers()
    early_config.add_cleanup(servers.stop)
    servers.start()


def _take_own_broker(worker: int) -> None:
    """Give an xdist worker a numbered database of its own; Valkey has sixteen."""
    url, _, _ = os.environ["REDIS_URL"].partition("?")
    if url.startswith(("redis://", "rediss://")):
        os.environ["REDIS_URL"] = urlsplit(url)._replace(path=f"/{worker + 1}").geturl()
    else:
        os.environ["REDIS_URL"] = f"{url}?db={worker + 1}"


def _free_places() -> tuple[Places, IO[str]]:
    base = find_places()
    slot = 1
    while True:
        places = find_places(base.data / f"test{slot}")
        places.make()
        lock = (places.data / "test.lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            slot += 1
        else:
            return places, lock
