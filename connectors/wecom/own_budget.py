"""The share of the calls that one process allows itself while Redis does not count them."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable

SHARE = 0.1
"""Ten processes on their own stay within the company's limits; an installation has fewer."""


class OwnBudget:
    """Buckets and turns like those in Redis, for the threads of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, list[float]]] = {}
        self.turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def wait_for(self, path: str, limits: Iterable[tuple[float, float]]) -> float:
        """Take one call and return 0, or the seconds until there is one.

        A limit is its burst and its calls per millisecond, as the whole company may use them.
        """
        own = [(max(1.0, burst * SHARE), rate * SHARE) for burst, rate in limits]
        with self._lock:
            now = time.monotonic() * 1000
            at, levels = self._levels.get(path, (now, [burst for burst, _rate in own]))
            levels = [
                min(burst, level + (now - at) * rate)
                for level, (burst, rate) in zip(levels, own, strict=True)
            ]
            pairs = zip(levels, own, strict=True)
            wait = max(0.0, *((1 - level) / rate for level, (_burst, rate) in pairs))
            self._levels[path] = (now, levels if wait else [level - 1 for level in levels])
        return wait / 1000
