"""How a provider of SMS wants to be called, and what its answers mean."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote

from connectors.base import Answer, Letter, Recovery
from connectors.bursts import Call, Reply
from connectors.words import gettext_noop

NOT_A_NUMBER = gettext_noop("not a number")


class Format(Protocol):
    """One provider's way. ``url`` is where every call goes."""

    recovery: Recovery
    url: str

    def call(self, letter: Letter) -> Call:
        """Return the call that sends the letter."""

    def answer(self, key: str, reply: Reply) -> Answer:
        """Say what became of the letter."""

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Ask for it, if the recovery is ``ASKABLE``. Raises ``ChannelBusy``."""


def address_of(parts: SplitResult) -> str:
    """Return where to call: the address without its format, its user and its query."""
    scheme = parts.scheme.partition("+")[2]
    host = parts.netloc.rpartition("@")[2]
    return f"{scheme}://{host}{parts.path or '/'}"


def login_of(parts: SplitResult) -> tuple[str, str]:
    """Return user and password of the address, unquoted."""
    return unquote(parts.username or ""), unquote(parts.password or "")


def options_of(parts: SplitResult, *wanted: str) -> dict[str, str]:
    """Return the query's arguments. Raises ``ValueError`` if one that is needed is missing."""
    found = dict(parse_qsl(parts.query))
    missing: Sequence[str] = [name for name in wanted if not found.get(name)]
    if missing:
        raise ValueError(f"SMS_URL lacks {missing[0]}=… behind the question mark.")
    return found
