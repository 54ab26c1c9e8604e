"""Times in calls of mail providers: seconds since 1970, and not to be trusted before they are signed."""

from datetime import UTC, datetime, timedelta

AHEAD = timedelta(minutes=5)
"""How far a provider's clock may be in front of ours."""


def is_recent(seconds: str, *, oldest: timedelta, now: datetime) -> bool:
    """Whether a call was signed in the time in which its provider tries to tell."""
    if not seconds.isascii() or not seconds.isdecimal() or len(seconds) > 11:
        return False
    at = datetime.fromtimestamp(int(seconds), tz=UTC)
    return now - oldest <= at <= now + AHEAD


def moment(seconds: object, *, now: datetime) -> datetime:
    """Return when an event happened, and this moment if that makes no sense."""
    if isinstance(seconds, int | float) and 0 < seconds < now.timestamp():
        return datetime.fromtimestamp(seconds, tz=UTC)
    return now
