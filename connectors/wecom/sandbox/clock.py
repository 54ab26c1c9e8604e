"""The sandbox's time and what is due in it."""

import heapq
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
HOUR = 3600
DAY = 24 * HOUR

Due = Callable[[float], None]


class Clock:
    """Real time plus an offset, in epoch seconds; it never goes back."""

    def __init__(self, real: Callable[[], float] = time.time) -> None:
        self._real = real
        self._latest = 0.0
        self.offset = 0.0

    def now(self) -> float:
        """The time, in milliseconds steps so that a journal holds it exactly."""
        self._latest = max(self._latest, round(self._real() + self.offset, 3))
        return self._latest

    def seen(self, at: float) -> None:
        """Continue from ``at``, a moment that a journal says has been."""
        self._latest = max(self._latest, at)

    def reset(self) -> None:
        self.offset = 0.0
        self._latest = 0.0


class Agenda:
    """Things that will happen by themselves, in the order of their time and of their making.

    Each action is told the moment it was due, not the moment somebody looked:
    so a replay, an idle night and a jump of the clock all give the same state.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Due]] = []
        self._made = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, at: float, action: Due) -> None:
        self._made += 1
        heapq.heappush(self._waiting, (at, self._made, action))

    def run(self, until: float) -> None:
        while self._waiting and self._waiting[0][0] <= until:
            at, _, action = heapq.heappop(self._waiting)
            action(at)


def local_day(at: float) -> datetime:
    """The Shanghai wall-clock moment of ``at``, which is what quotas are counted by."""
    return datetime.fromtimestamp(at, UTC).astimezone(CHINA)
