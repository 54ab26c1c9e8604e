"""One sandbox: the world under its lock, the journal in front of it.

Every API call and every POST to the control side is a *call*: written to the journal
with its time, then handled. A start handles the journal's calls again, in order and at
their times, so the state and the ledger are those of before, to the last counter.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from connectors.wecom.sandbox import control, pages, reports
from connectors.wecom.sandbox.clock import Clock
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.faults import lost_answer
from connectors.wecom.sandbox.gateway import answer_api
from connectors.wecom.sandbox.journal import Journal
from connectors.wecom.sandbox.limits import CROWDED
from connectors.wecom.sandbox.settings import SandboxSettings
from connectors.wecom.sandbox.state import Call, Callback, Json, World

API = "/cgi-bin/"
RESET = "/sandbox/reset"
SETTLE = "settle"

logger = logging.getLogger(__name__)


class Sandbox:
    """Thread-safe. ``clock`` may be given with another idea of real time."""

    def __init__(self, settings: SandboxSettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.changed = threading.Event()
        self._lock = threading.RLock()
        self._under_way: Counter[str] = Counter()
        self._world = World(settings, self.clock)
        self._journal = Journal(settings.journal) if settings.journal else None
        if not self._replay():
            self.perform("POST", RESET, {}, {})

    def close(self) -> None:
        if self._journal:
            self._journal.close()

    def perform(
        self, method: str, path: str, query: dict[str, str], body: Json, trouble: str = ""
    ) -> tuple[Json, str]:
        """Answer an API call or a change of the control side, and how the answer is to get lost ("" or a way).

        Raises ``Refusal`` for control calls only, after the entry was written.
        """
        with self._lock:
            call = Call(self.clock.now(), method, path, query, body, trouble)
            if self._journal and path == RESET:
                self._journal.restart()
            self._write(asdict(call))
            try:
                return self._handle(call)
            finally:
                self.changed.set()

    def read(self, path: str, query: dict[str, str]) -> Json:
        """A report of the control side; raises ``KeyError`` for a path that is none."""
        with self._lock:
            at = self._catch_up()
            if path == "/sandbox/clock":
                return control.clock(self._world, at)
            if path == "/sandbox/ledger":
                return reports.summary(self._world, at)
            return reports.part(self._world, path, query)

    def page(self) -> str:
        """The page for a person."""
        with self._lock:
            return pages.overview(self._world, self._catch_up())

    @contextmanager
    def door(self, path: str) -> Iterator[str]:
        """Count a call as under way; yields ``CROWDED`` when it is one too many."""
        with self._lock:
            self._under_way[path] += 1
            crowded = self._under_way[path] > self._world.knobs.concurrency
        try:
            yield CROWDED if crowded else ""
        finally:
            with self._lock:
                self._under_way[path] -= 1

    def latency(self) -> float:
        return self._world.knobs.latency_ms / 1000

    def waiting_callbacks(self) -> tuple[list[Callback], int]:
        """What is to be sent as of now, oldest first, and how many are to be held back to shuffle."""
        with self._lock:
            self._catch_up()
            return list(self._world.unsent.values()), self._world.knobs.shuffle

    def settle(self, callback: Callback, state: str, attempts: int) -> None:
        """Write down what came of a callback; one from before a reset is of no interest any more."""
        with self._lock:
            if self._world.callbacks.get(callback.seq) is callback:
                entry = {"seq": callback.seq, "state": state, "attempts": attempts}
                self._write(asdict(Call(self.clock.now(), "", SETTLE, {}, entry)))
                self._settle(entry)

    def _handle(self, call: Call) -> tuple[Json, str]:
        self._world.agenda.run(call.at)
        if call.path == RESET:
            self.clock.reset()
            self._world = World(self.settings, self.clock, call.at)
            return {}, ""
        if call.path.startswith(API):
            short = call.path.removeprefix(API)
            answer = answer_api(self._world, Call(**{**vars(call), "path": short}))
            return answer, lost_answer(self._world, short)
        return control.ROUTES[call.path](self._world, call), ""

    def _catch_up(self) -> float:
        at = self.clock.now()
        self._world.agenda.run(at)
        return at

    def _settle(self, entry: Json) -> None:
        callback = self._world.unsent.pop(entry["seq"])
        callback.state, callback.attempts = entry["state"], entry["attempts"]

    def _write(self, entry: Json) -> None:
        if self._journal:
            self._journal.append(entry)

    def _replay(self) -> bool:
        """Handle all calls of the journal again; whether there were any."""
        if not self._journal:
            return False
        call = None
        for entry in self._journal.entries():
            call = Call(**entry)
            self.clock.seen(call.at)
            try:
                if call.path == SETTLE:
                    self._world.agenda.run(call.at)
                    self._settle(call.body)
                else:
                    self._handle(call)
            except Refusal as refusal:
                logger.debug("Replayed a refused call: %s", refusal)
            except Exception:  # it failed in the same way when it was made, and was answered 500
                logger.exception("Replayed a call that fails: %s", call.path)
        return call is not None
