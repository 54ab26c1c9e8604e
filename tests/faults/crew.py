"""The product's own processes, as the supervisor starts them, in the hands of a test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from config import embedded
from config.places import ROOT, Places
from config.processes import Program, end_group
from config.pytest_plugin import _SERVERS
from config.supervisor import Supervisor

PATIENCE = 40.0  # seconds, on a machine that does other things as well
POLL = 0.02


def until(condition: Callable[[], object], *, patience: float = PATIENCE, what: str = "") -> None:
    """Return as soon as the condition holds; it is an error if it does not in time."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"{what or condition} did not come true"
        time.sleep(POLL)


class Crew:
    """Web, workers and scheduler by name: started, stopped for a while, or killed with ``kill -9``.

    They work on the database of the tests, with the WeCom settings that hold at their start, and
    with the broker at ``redis_url``.
    """

    def __init__(self, places: Places, port: int, redis_url: str) -> None:
        self.places = places
        self.port = port
        self.redis_url = redis_url
        self.broker: subprocess.Popen[bytes] | None = None
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start these programs of the supervisor; a worker is ready some seconds later.

        One more of a program, as another host has it, is called by a number: ``scheduler-2``. The
        database knows every session under the name of its program.
        """
        supervisor = Supervisor(self.places, f"127.0.0.1:{self.port}")
        known = [*supervisor._workers(), supervisor._web(), self._work(supervisor)]
        programs = {program.name: program for program in known}
        for name in names:
            program = programs.get(name) or self._one_more(programs[name.rpartition("-")[0]], name)
            environment = {**program.environment, **self.environment(), "PGAPPNAME": name}
            self._running[name] = replace(program, environment=environment).start()

    def environment(self) -> Mapping[str, str]:
        """Where the tests' own database, broker and sandbox are."""
        database = urlsplit(os.environ["DATABASE_URL"])
        outside = ("WECOM_", "CAMPAIGN_WEBHOOK_", "EMAIL_URL", "MAILBOX_URL")
        named = [name for name in dir(settings) if name.startswith(outside)]
        values = {name: getattr(settings, name) for name in named}
        return {
            **{name: value for name, value in values.items() if isinstance(value, str)},
            "DATABASE_URL": database._replace(path=f"/{connection.settings_dict['NAME']}").geturl(),
            "REDIS_URL": self.redis_url,
        }

    def process_environment(self) -> Mapping[str, str]:
        """What every process of the product gets, whoever starts it."""
        return os.environ | {"LIUKE_NO_BOOTSTRAP": "1"}

    def kill(self, *names: str) -> None:
        """End them as the kernel does when memory runs out: no word to anybody."""
        for name in names:
            process = self._running.pop(name)
            end_group(process.pid, signal.SIGKILL)
            process.wait()

    def freeze(self, *names: str) -> None:
        """Let them stand still, connections and all."""
        for name in names:
            end_group(self._running[name].pid, signal.SIGSTOP)

    def thaw(self, *names: str) -> None:
        """Let them go on."""
        for name in names:
            end_group(self._running[name].pid, signal.SIGCONT)

    def lives(self, name: str) -> bool:
        """Whether the program has not ended by itself."""
        return self._running[name].poll() is None

    def log(self, name: str) -> str:
        """What the program has said so far."""
        file: Path = self.places.logs / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def stop(self) -> None:
        """Kill whatever still runs."""
        self.kill(*self._running)

    def _work(self, supervisor: Supervisor) -> Program:
        """``manage.py work``, the way to do without a broker."""
        program = supervisor._program("work")
        command = (sys.executable, str(ROOT / "manage.py"), "work", "--every", "0.2")
        return replace(program, command=command)

    def _one_more(self, program: Program, name: str) -> Program:
        """The same program with files of its own."""
        files = {f"{self.places.data / program.name}.db": f"{self.places.data / name}.db"}
        command = tuple(files.get(word, word) for word in program.command)
        return replace(program, name=name, command=command, log=program.log.with_stem(name))


def restart_postgres(config: pytest.Config) -> None:
    """End the run's server at once, without a checkpoint, and start it on the same files."""
    servers = config.stash[_SERVERS]
    old = next(entry for entry in servers._running if entry[0].name == "postgres")
    end_group(old[1].pid, signal.SIGQUIT)
    old[1].wait()
    servers._running.remove(old)
    program = embedded.postgres_program(servers.places, durable=False)
    embedded.wait_for_postgres(servers.places, servers._run(program))
