"""How fast letters may go through a channel: its rate, and its rests after trouble.

One row a channel, so that all workers share it; read and moved by single statements.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from campaigns.models import ChannelPace

SHORTEST_REST = 5.0
LONGEST_REST = 3600.0
AHEAD = timedelta(seconds=0.5)
"""A worker may reserve letters that fit into the rate so soon, and waits for them."""

A_BLOCK = 0.2
"""Seconds' worth of letters that are reserved at once."""

_RESERVE = """
INSERT INTO campaigns_channelpace AS pace (channel, streak, why, next_at)
VALUES (%(channel)s, 0, '', %(now)s::timestamptz + %(block)s::interval)
ON CONFLICT (channel) DO UPDATE
SET next_at = greatest(pace.next_at, %(now)s::timestamptz) + %(block)s::interval
WHERE pace.next_at IS NULL OR pace.next_at <= %(latest)s
RETURNING next_at
"""


@dataclass(slots=True)
class Rate:
    """Letters a second of one channel, reserved in blocks; 0 is as fast as it goes."""

    channel: str
    per_second: int
    _left: int = 0
    _from: datetime | None = None

    @classmethod
    def of(cls, channel: str) -> "Rate":
        """Return the rate as it is set up."""
        return cls(channel, settings.CHANNEL_RATES.get(channel, 0))

    def take(self) -> bool:
        """Whether one more letter may go now; it counts if so."""
        if not self.per_second:
            return True
        now = timezone.now()
        if self._left <= 0 and not self._reserve(now):
            return False
        if self._from and now < self._from:
            return False
        self._left -= 1
        return True

    def _reserve(self, now: datetime) -> bool:
        size = max(1, int(self.per_second * A_BLOCK))
        block = timedelta(seconds=size / self.per_second)
        values: dict[str, Any] = {
            "channel": self.channel,
            "now": now,
            "block": block,
            "latest": now + AHEAD,
        }
        with connection.cursor() as cursor:
            cursor.execute(_RESERVE, values)
            row = cursor.fetchone()
        if row is None:
            return False
        self._left, self._from = size, row[0] - block
        return True


def let_rest(channel: str, *, seconds: float, why: str, now: datetime, anew: bool = False) -> None:
    """Let a channel rest: at least so long, and twice as long as the time before.

    It is a trouble of its own, and the rest the shortest, if letters got through since (`anew`).
    """
    pace, _made = ChannelPace.objects.get_or_create(channel=channel)
    if pace.rest_until and pace.rest_until > now:
        return  # another worker has just said the same
    streak = 0 if anew else pace.streak
    rest = min(LONGEST_REST, max(seconds, SHORTEST_REST * 2**streak))
    ChannelPace.objects.filter(pk=channel, streak=pace.streak).update(
        rest_until=now + timedelta(seconds=rest), streak=min(streak + 1, 12), why=why[:300]
    )


def went_through(channel: str) -> None:
    """Forget the trouble a channel had."""
    ChannelPace.objects.filter(pk=channel, streak__gt=0).update(streak=0, rest_until=None, why="")


def is_resting(channel: str, *, now: datetime) -> bool:
    """Whether nothing is to be sent through a channel now."""
    return ChannelPace.objects.filter(pk=channel, rest_until__gt=now).exists()
