"""One process that owns all others: servers, web, workers, scheduler, and the demo's sandbox."""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO

from config import embedded
from config.places import ROOT, Places
from config.processes import Program, Register, end_group, group_lives
from config.sandbox import Sandbox
from config.wheels import CannotStart

GRACE = 3.0  # seconds for web and workers to end by themselves; work cut off is picked up again
SERVER_GRACE = 1.5  # seconds for PostgreSQL and Valkey after that: all is gone within five
STEADY = 60.0  # seconds after which a child counts as healthy and its next fall as its first
BULK_WORKERS = 2
THREADS = "16"  # of each worker
LONGEST_PAUSE = 30.0  # seconds between two starts of a child that keeps falling


class Interrupted(Exception):
    """The user wants to stop while we are still starting."""


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    began: float
    falls: int = 0
    start_again_at: float | None = None


class Supervisor:
    """Everything that `up` and `demo` run, from one start to one stop.

    Call `start`, then `watch`, and `stop` in any case; or use it as a context manager, which
    starts and stops. Whatever kills this process, the kernel (on Linux) ends the children, and
    the next start ends those that survived. Not for several threads, except that `watch` may
    have one of its own, which then must live until `stop`.
    """

    def __init__(
        self,
        places: Places,
        bind: str,
        *,
        demo: bool = False,
        say: Callable[[str], None] = print,
        stopping: threading.Event | None = None,
    ) -> None:
        """Nothing happens yet. Setting `stopping` makes `start` and `watch` end early.

        With `demo` the children get `LIUKE_DEMO`, and a sandbox takes WeCom's place unless
        `WECOM_API_URL` names another. Raises `CannotStart` for a `bind` without host or port.
        """
        self.places = places
        self.host, self.port = _split(bind)
        self.url = f"http://{_reachable(self.host)}:{self.port}/"
        self.stopping = stopping or threading.Event()
        self._say = say
        self._demo = demo
        self._sandbox: Sandbox | None = None
        self._children: dict[str, _Child] = {}
        self._register = Register(places.data / "children.json")
        self._lock: IO[str] | None = None

    def __enter__(self) -> "Supervisor":
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    @property
    def extra_environment(self) -> dict[str, str]:
        """What the children get on top of our own environment; WeCom's variables among it."""
        extra = {"LIUKE_NO_BOOTSTRAP": "1", "PYTHONUNBUFFERED": "1"}
        if self._demo:
            extra["LIUKE_DEMO"] = "true"
        if self._sandbox:
            extra |= self._sandbox.environment()
        return extra

    def start(self) -> None:
        """Return when the web answers and the workers are on their way.

        Raises `CannotStart` with one sentence, or `Interrupted` when `stopping` was set.
        """
        embedded.prepare(self.places)
        self._take_lock()
        for name in self._register.end_leftovers():
            self._say(f"ended {name}, which an earlier start had left behind")
        _refuse_taken_port(self.host, self.port)
        if self.places.moved_because:
            self._say(self.places.moved_because)
        if self._demo and not os.environ.get("WECOM_API_URL"):
            self._sandbox = Sandbox(self.places, f"{self.url}callbacks/wecom/")
        self._start_servers()
        self._run(self._web())  # before the servers answer: it is busy importing for seconds
        if self._sandbox:
            self._run(self._sandbox.program())
        self._wait_for_servers()
        self._migrate()
        self._until(self._web_answers)
        for program in self._workers():
            self._run(program)

    def watch(self) -> None:
        """Start again whatever ends, until `stopping` is set."""
        while not self.stopping.wait(0.2):
            for child in list(self._children.values()):
                self._tend(child)

    def stop(self) -> None:
        """End all children, in order, within five seconds; safe to call at any time."""
        self.stopping.set()
        servers = {"postgres", "valkey"}
        self._end([c for name, c in self._children.items() if name not in servers], GRACE)
        self._end([c for name, c in self._children.items() if name in servers], SERVER_GRACE)
        if self._children or self._lock:
            self._children.clear()
            self._register.clear()
        if self._lock:
            self._lock.close()
            self._lock = None

    # --- what runs --------------------------------------------------------------------------

    def _program(self, name: str, *command: str) -> Program:
        return Program(
            name=name,
            command=(sys.executable, "-m", *command),
            log=self.places.logs / f"{name}.log",
            environment=os.environ | self.extra_environment,
            directory=Path(ROOT),
        )

    def _web(self) -> Program:
        # fmt: off
        return self._program(
            "web", "granian", "--interface", "wsgi", "--host", self.host, "--port", str(self.port),
            "--workers", "1", "--blocking-threads", "8", "--backlog", "1024", "--no-access-log",
            "--log-level", "warning", "--respawn-failed-workers", "config.wsgi:application",
        )
        # fmt: on

    def _workers(self) -> list[Program]:
        """Workers on threads: their work is waiting for the channel and for PostgreSQL.

        A thread costs no memory worth naming, but the threads of a process share one core: two
        processes send letters while each waits for the other's writes. Some threads of the bulk
        queue may sleep while WeCom pauses an endpoint; there are enough for everything else.
        """
        celery = ("celery", "--app", "config", "--quiet")
        quiet = ("--loglevel", "INFO", "--without-gossip", "--without-mingle")
        more = {f"bulk-{number}": "bulk" for number in range(2, BULK_WORKERS + 1)}
        names = {"realtime": "realtime", "bulk": "bulk", **more}
        workers = [
            self._program(
                f"worker-{name}",
                *celery,
                *("worker", "--queues", queue, "--hostname", f"{name}@%h"),
                *("--pool", "threads", "--concurrency", THREADS, *quiet),
            )
            for name, queue in names.items()
        ]
        schedule = str(self.places.data / "scheduler.db")
        scheduler = self._program(
            "scheduler",
            *celery,
            *("beat", "--loglevel", "WARNING", "--schedule", schedule, "--pidfile="),
        )
        return [*workers, scheduler]

    # --- starting ---------------------------------------------------------------------------

    def _take_lock(self) -> None:
        lock = (self.places.data / "up.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise CannotStart(
                f"Liuke already runs on {self.places.data} ({holder}): "
                "stop it with Ctrl-C there or with `python3 manage.py down`."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, {self.url}\n")
        lock.flush()
        self._lock = lock

    def _start_servers(self) -> None:
        if not os.environ.get("DATABASE_URL"):
            self._run(embedded.postgres_program(self.places))
        if not os.environ.get("REDIS_URL"):
            self._run(embedded.valkey_program(self.places))

    def _wait_for_servers(self) -> None:
        if "postgres" in self._children:
            embedded.wait_for_postgres(self.places, lambda: self._is_alive("postgres"))
        if "valkey" in self._children:
            embedded.wait_for_valkey(self.places, lambda: self._is_alive("valkey"))

    def _migrate(self) -> None:
        from config.health import migrations_wait  # noqa: PLC0415 -- needs Django, which is slow

        if not migrations_wait():
            return
        self._say("preparing the database")
        program = self._program("migrate", str(ROOT / "manage.py"), "migrate", "--no-color")
        program = Program(**{**vars(program), "command": (sys.executable, *program.command[2:])})
        self._run(program)
        child = self._children["migrate"]
        self._until(lambda: child.process.poll() is not None)
        del self._children["migrate"]
        if child.process.returncode:
            what = "The database could not be prepared"
            raise CannotStart(embedded.explain(self.places, "migrate", what))

    def _web_answers(self) -> bool:
        log = self._children["web"].program.log
        if not self._is_alive("web"):
            raise CannotStart(f"The web server ended; see {log}.")
        try:
            urllib.request.urlopen(f"{self.url}healthz", timeout=2).close()  # noqa: S310 -- http, ours
        except urllib.error.HTTPError as error:
            if error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise CannotStart(f"The web answers with errors; see {log}.") from error
        except OSError:
            return False
        return True

    def _until(self, done: Callable[[], bool]) -> None:
        while not done():
            if self.stopping.wait(0.05):
                raise Interrupted

    # --- running and ending -----------------------------------------------------------------

    def _run(self, program: Program, falls: int = 0) -> None:
        if self.stopping.is_set():
            raise Interrupted
        process = program.start()
        self._children[program.name] = _Child(program, process, time.monotonic(), falls)
        self._register.add(program.name, process.pid, program.stop_signal)

    def _is_alive(self, name: str) -> bool:
        return self._children[name].process.poll() is None

    def _tend(self, child: _Child) -> None:
        if child.process.poll() is None:
            return
        now = time.monotonic()
        if child.start_again_at is None:
            end_group(child.process.pid, signal.SIGKILL)  # what it had started itself
            falls = child.falls if now - child.began < STEADY else 0
            pause = min(LONGEST_PAUSE, 2.0**falls - 1)
            child.falls, child.start_again_at = falls + 1, now + pause
            self._say(
                f"{child.program.name} ended ({_ending(child.process.returncode)}), "
                f"starting it again{f' in {pause:.0f} s' if pause else ''}; "
                f"its log is {child.program.log}"
            )
        if now >= child.start_again_at:
            with contextlib.suppress(Interrupted):
                self._run(child.program, child.falls)

    def _end(self, children: list[_Child], grace: float) -> None:
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(child.program.stop_signal)
        deadline = time.monotonic() + grace
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            if child.process.poll() is None or group_lives(child.process.pid):
                end_group(child.process.pid, signal.SIGKILL)
                child.process.wait()


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C, SIGTERM and a closed terminal set, however often."""
    stopping = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(wanted, lambda *_: stopping.set())
    return stopping


def _split(bind: str) -> tuple[str, int]:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise CannotStart(f"LIUKE_BIND must look like 127.0.0.1:8000, not {bind!r}.")
    return host.strip("[]"), int(port)


def _reachable(host: str) -> str:
    """The host as this machine itself reaches it, in the form of a URL."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared only
    return f"[{host}]" if ":" in host else host


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"Port {port} of {host} is taken by another program: stop that one, "
                    f"or choose another with LIUKE_BIND={host}:{port + 1}."
                ) from error
            raise CannotStart(f"{host}:{port} cannot be served: {error.strerror}.") from error


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
