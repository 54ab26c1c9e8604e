"""What an HTTP reply means for the letters of a call, where a gateway has no better words."""

from typing import Any

import orjson

from connectors.base import Answer, Outcome
from connectors.bursts import Broken, Reply
from connectors.words import gettext_noop

REST_SECONDS = 5.0
"""How long a channel rests that is busy or cannot be reached and does not say how long."""

LONGEST_REST = 3600.0
LONGEST_REFERENCE = 120
IS_BUSY = gettext_noop("the far side is busy")
NOT_LET_IN = gettext_noop("the far side does not let us in")
HAS_FAILED = gettext_noop("the far side failed")
REFUSED_IT = gettext_noop("the far side refused it")
BUSY_STATUSES = frozenset({425, 429, 503})
SETTING_STATUSES = frozenset({401, 403, 404, 405})
"""These speak of the address or the password that is set up here, not of one letter."""


def judge(key: str, reply: Reply, *, keyed: bool) -> Answer:
    """Say what became of one letter. ``keyed``: the far side honours our key, so a letter whose fate
    is not known may go again soon."""
    status = reply.status
    if 200 <= status < 300 and reply.broken is None:
        return Answer(key, Outcome.TAKEN, reference_in(reply.body))
    if reply.broken is Broken.NOT_SENT:
        return _rest(key, reply, why=reply.why)
    if reply.broken is Broken.LOST:
        return unknown(key, reply.why, keyed=keyed)
    if status in BUSY_STATUSES:
        return _rest(key, reply, why=f"{IS_BUSY} (HTTP {status})")
    if status in SETTING_STATUSES:
        why = f"{NOT_LET_IN} (HTTP {status})"
        return _rest(key, Reply(retry_after=60.0), why=why)
    if status >= 500 or status == 408:
        return unknown(key, f"{HAS_FAILED} (HTTP {status})", keyed=keyed)
    return Answer(key, Outcome.REFUSED, why=f"{REFUSED_IT} (HTTP {status})")


def unknown(key: str, why: str, *, keyed: bool) -> Answer:
    """A letter whose fate is not known; with a key that is honoured it may go again in a second."""
    return Answer(key, Outcome.UNCLEAR, why=why, retry_after=1.0 if keyed else 0.0)


def _rest(key: str, reply: Reply, *, why: str) -> Answer:
    seconds = min(LONGEST_REST, reply.retry_after or REST_SECONDS)
    return Answer(key, Outcome.BUSY, why=why, retry_after=seconds, is_channel=True)


def fields_in(body: bytes) -> dict[str, Any]:
    """Read a JSON object; anything else reads as an empty one."""
    try:
        found = orjson.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def reference_in(body: bytes) -> str:
    """Return the far side's id of a message, if its answer has one where most put it."""
    if body[:1] != b"{":
        return ""
    found = fields_in(body)
    for name in ("id", "reference", "message_id", "messageId", "sid"):
        value = found.get(name)
        if isinstance(value, str) or type(value) is int:
            return as_reference(value)
    return ""


def as_reference(value: object) -> str:
    """Return a far side's id as it can be kept: without NUL, and not longer than its column."""
    return str(value or "").replace("\0", "")[:LONGEST_REFERENCE]
