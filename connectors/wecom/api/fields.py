"""Read WeCom's answers without trusting their shape.

Texts come from customers (nicknames) and numbers from a server that changes without notice: what
is missing or of another type reads as empty, and what no database stores is taken out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

LATEST = 253_402_300_799
"""The last second of the year 9999, in epoch seconds."""


def storable(text: str) -> str:
    """Return the text without NUL and with lone surrogates replaced: PostgreSQL takes neither."""
    return text.replace("\x00", "").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    return storable(value) if isinstance(value, str) else ""


def number(row: Mapping[str, Any], name: str, default: int = 0) -> int:
    try:
        return int(row.get(name, default))
    except (TypeError, ValueError, OverflowError):
        return default


def moment(row: Mapping[str, Any], name: str) -> datetime | None:
    """Read epoch seconds; nothing and 0 mean that there is no such time."""
    seconds = number(row, name)
    return datetime.fromtimestamp(seconds, tz=UTC) if 0 < seconds <= LATEST else None


def texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name)
    if not isinstance(value, list):
        return ()
    return tuple(storable(item) for item in value if isinstance(item, str) and item)


def numbers(row: Mapping[str, Any], name: str) -> tuple[int, ...]:
    value = row.get(name)
    return tuple(item for item in value if isinstance(item, int)) if isinstance(value, list) else ()


def rows(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    value = row.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def record(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def rows_of(pages: Iterable[Mapping[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one page after the other."""
    for page in pages:
        yield from rows(page, name)


def without_empty(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is empty: WeCom refuses an empty ``group_id`` and the like."""
    return {name: value for name, value in payload.items() if value not in ("", None, [], (), {})}


def clamp(limit: int, most: int) -> int:
    """Keep a page size in WeCom's bounds; some endpoints silently change one that is not."""
    return max(1, min(limit, most))


def require(*, sound: bool, why: str) -> None:
    """Raise ``ValueError`` before a call that WeCom would refuse as a whole."""
    if not sound:
        raise ValueError(why)


def require_at_most(items: Sequence[object], most: int, what: str) -> None:
    require(sound=len(items) <= most, why=f"{len(items)} {what}: WeCom takes at most {most}")


def require_bytes(value: str, most: int, what: str) -> None:
    """Like ``require_at_most``, counted in bytes of UTF-8 as WeCom counts contents."""
    size = len(value.encode())
    require(sound=size <= most, why=f"{what} of {size} bytes: WeCom takes at most {most}")
