"""Keyset pages: flat in time however deep, and without counting the rows."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
LARGEST_ID = 2**63 - 1
LONGEST_SEARCH = 80


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list; ``last`` is its last row when more rows follow."""

    rows: list[Row]
    last: Row | None


def page_of(rows: QuerySet[Row], size: int) -> Page[Row]:
    """Return the first ``size`` rows; the caller has ordered them and starts after the anchor."""
    found = list(rows[: size + 1])
    shown = found[:size]
    return Page(shown, shown[-1] if len(found) > size else None)


def search_words(text: str | None) -> str:
    """Return what somebody looks for, as far as a database can."""
    return storable(text or "").strip()[:LONGEST_SEARCH]


def storable(text: str) -> str:
    """Leave out what no database stores: NUL, lone surrogates."""
    return text.replace("\0", "").encode(errors="ignore").decode()


def whole_number(text: str | None) -> int | None:
    """Read an id or a figure from an address; anything else counts as not given."""
    if not text or not text.isascii() or not text.isdigit():
        return None
    number = int(text[:20])
    return number if 0 < number <= LARGEST_ID else None
