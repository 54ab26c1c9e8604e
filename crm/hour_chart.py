"""The chart of when the recipients of a campaign opened and clicked, over an axis of time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.tracking.queries import Hour

_MOST_BARS = 48
_FEWEST = 12
"""Places along the axis even when nearly everything happened at once."""
_HOURS_A_BAR = (1, 2, 3, 6, 12, 24)
_COVERED = 0.9
"""Of all that happened this much is within the axis; a long tail does not flatten the beginning."""
_HEIGHTS = (1, 2, 4, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened from ``at`` on, drawn from its top ``y``."""

    x: int
    y: float
    height: float
    at: datetime
    n: int


@dataclass(frozen=True, slots=True)
class HourChart:
    """Bars in a field of ``width`` by 100, and what its axes say."""

    bars: list[Bar]
    width: int
    hours: int
    top: int
    ticks: list[datetime]
    later: int

    @property
    def half(self) -> int:
        """What is written halfway up; 0 where nothing can be."""
        return self.top // 2

    @property
    def best(self) -> Bar:
        """The highest bar, the first of several."""
        return max(self.bars, key=lambda bar: bar.n)


def chart_of(hours: Iterable[Hour]) -> HourChart | None:
    """Return the chart of these hours, or nothing if nobody opened or clicked."""
    counted = [(hour.at, hour.opened + hour.clicked) for hour in hours]
    happened = [(at, n) for at, n in counted if n]
    if not happened:
        return None
    begin = happened[0][0]
    offsets = [((at - begin) // timedelta(hours=1), n) for at, n in happened]
    span = _span(offsets)
    wide = next(
        (wide for wide in _HOURS_A_BAR if span <= wide * _MOST_BARS), -(-span // _MOST_BARS)
    )
    places = min(max(-(-(offsets[-1][0] + 1) // wide), _FEWEST), _MOST_BARS)
    sums: Counter[int] = Counter()
    for offset, n in offsets:
        sums[offset // wide] += n
    later = sum(n for place, n in sums.items() if place >= places)
    top = _top(max(n for place, n in sums.items() if place < places))
    bars = [
        Bar(place * 10 + 1, 100 - 100 * n / top, 100 * n / top, _after(begin, place * wide), n)
        for place, n in sorted(sums.items())
        if place < places
    ]
    ticks = [_after(begin, places * wide * part // 2) for part in range(3)]
    return HourChart(bars, places * 10, wide, top, ticks, later)


def _span(offsets: list[tuple[int, int]]) -> int:
    """Return within how many hours nearly everything happened."""
    wanted = _COVERED * sum(n for _offset, n in offsets)
    so_far = 0
    for offset, n in offsets:
        so_far += n
        if so_far >= wanted:
            return offset + 1
    return offsets[-1][0] + 1


def _top(most: int) -> int:
    """Return a round number, not below the most."""
    scale = 1
    while most > _HEIGHTS[-1] * scale:
        scale *= 10
    return next(height * scale for height in _HEIGHTS if most <= height * scale)


def _after(begin: datetime, hours: int) -> datetime:
    return begin + timedelta(hours=hours)
