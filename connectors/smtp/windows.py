"""Times in calls of mail providers, not to be trusted before they are signed."""

import re
from datetime import UTC, datetime, timedelta

_FINE = re.compile(r"(\.\d{6})\d+")
"""More of a second than there is room for."""

AHEAD = timedelta(minutes=5)
"""How far a provider's clock may be in front of ours."""


def is_recent(seconds: str, *, oldest: timedelta, now: datetime) -> bool:
    """Whether a call was signed in the time in which its provider tries to tell."""
    if not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 11:
        return False
    at = datetime.fromtimestamp(int(seconds), tz=UTC)
    return now - oldest <= at <= now + AHEAD


def is_recent_iso(text: str, *, oldest: timedelta, now: datetime) -> bool:
    """Whether a time as ISO 8601 has it lies in that span; one without a zone lies nowhere."""
    at = _iso(text)
    return at is not None and now - oldest <= at <= now + AHEAD


def iso_moment(text: object, *, now: datetime) -> datetime:
    """Return when an event happened, and this moment if that makes no sense."""
    at = _iso(text) if isinstance(text, str) else None
    return at if at is not None and at < now else now


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(_FINE.sub(r"\1", text[:40]))
    except ValueError:
        return None
    return at if at.tzinfo else None


def moment(seconds: object, *, now: datetime) -> datetime:
    """Return when an event happened, and this moment if that makes no sense."""
    if isinstance(seconds, int | float) and 0 < seconds < now.timestamp():
        return datetime.fromtimestamp(seconds, tz=UTC)
    return now
