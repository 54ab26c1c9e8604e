"""What a part of the story reports: figures, and the expectations they are held against."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from crm.demo.terminal import Terminal

Verdict = Literal["ok", "WRONG", "not judged"]


@dataclass(frozen=True)
class Expectation:
    """One figure that must be right. ``why`` says what may keep it from becoming right here."""

    name: str
    found: str
    right: bool
    why: str = ""

    @property
    def verdict(self) -> Verdict:
        """Whether the figure is right, or need not be right yet."""
        if self.right:
            return "ok"
        return "not judged" if self.why else "WRONG"

    @property
    def is_open(self) -> bool:
        """Whether it cannot be judged yet."""
        return self.verdict == "not judged"


@dataclass
class Report:
    """The figures of one part of the story, in the order in which they are shown."""

    title: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    expectations: list[Expectation] = field(default_factory=list)

    def say(self, name: str, value: object) -> None:
        """Add a figure."""
        self.rows.append((name, f"{value:,}" if isinstance(value, int) else str(value)))

    def expect(self, name: str, found: object, wanted: object, *, why_not: str = "") -> None:
        """Hold a figure against what it must be; with ``why_not`` it may also fall short."""
        right = found == wanted
        shown = _shown(found) if right or why_not else f"{_shown(found)}, not {_shown(wanted)}"
        self.expectations.append(Expectation(name, shown, right, why_not))

    def expect_that(self, name: str, found: object, *, right: bool, why_not: str = "") -> None:
        """The same for a figure that has a limit and no one right value."""
        self.expectations.append(Expectation(name, _shown(found), right, why_not))

    @property
    def is_right(self) -> bool:
        """Whether no judged figure is wrong."""
        return all(one.verdict != "WRONG" for one in self.expectations)

    @property
    def not_judged(self) -> int:
        """How many figures fell short of what they must be, for a reason."""
        return sum(one.is_open for one in self.expectations)

    def show(self, terminal: Terminal) -> None:
        """Write the figures, then each expectation with its verdict."""
        judged = [
            (one.name, f"{one.found}  {one.verdict}" + (f" ({one.why})" if one.is_open else ""))
            for one in self.expectations
        ]
        terminal.table(self.title, [*self.rows, *judged])


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


class Book:
    """The reports of the finished parts, kept in the data folder."""

    def __init__(self, path: Path) -> None:
        """The file need not exist; one that cannot be read counts as empty."""
        self._path = path
        self.reports: dict[str, Report] = {name: _read(row) for name, row in self._rows().items()}

    def keep(self, part: str, report: Report) -> None:
        """Remember the report of a finished part."""
        self.reports[part] = report
        draft = self._path.with_suffix(".new")
        rows = {name: asdict(kept) for name, kept in self.reports.items()}
        draft.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
        draft.replace(self._path)

    def _rows(self) -> Mapping[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found


def _read(row: Mapping[str, Any]) -> Report:
    return Report(
        title=row["title"],
        rows=[(name, value) for name, value in row["rows"]],
        expectations=[Expectation(**one) for one in row["expectations"]],
    )
