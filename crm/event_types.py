"""What an event is that other systems can be told of: a name, whose id, and which figures."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.functional import Promise

from contacts.models import HistoryEntry

_WORD = re.compile(r"[a-z_]{0,40}|\d{4}-\d\d-\d\d", re.ASCII)
_KEY = re.compile(r"[a-z_]{1,40}|\d{1,19}", re.ASCII)
_DEEPEST = 2


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event. ``subject`` is the name under which the id of its row is told.

    ``carries`` are the figures told with it, with an example of each. The id of the customer
    whom it is about and of the colleague who did it stand in every event, or null.
    """

    name: str
    words: str | Promise
    subject: str
    actions: tuple[str, ...] = ()
    carries: Mapping[str, Any] | None = None

    @property
    def recorded_as(self) -> tuple[str, ...]:
        """The actions of history that are this event."""
        return self.actions or (self.name,)

    def data_of(self, entry: HistoryEntry) -> dict[str, Any]:
        """Return what is told about a history entry."""
        ids = {"customer": entry.customer_id, "actor": entry.actor_id}
        ids[self.subject] = entry.subject_id
        return ids | {key: _figure(entry.data.get(key)) for key in self.carries or {}}

    @property
    def example(self) -> dict[str, Any]:
        """Return what such an event looks like."""
        ids = {"customer": None, "actor": 3, self.subject: 12}
        return {
            "id": "evt_4711",
            "type": self.name,
            "timestamp": datetime(2026, 3, 2, 4, 0, tzinfo=UTC).isoformat(timespec="milliseconds"),
            "data": {**ids, **(self.carries or {})},
        }


def _figure(value: Any, depth: int = 0) -> Any:
    """Return ids, figures, dates and words of closed lists; ``None`` for whatever people typed."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else None
    if depth == _DEEPEST:
        return None
    if isinstance(value, list):
        return [_figure(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {key: _figure(one, depth + 1) for key, one in value.items() if _KEY.fullmatch(key)}
    return None
