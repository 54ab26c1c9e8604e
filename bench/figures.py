"""One measured figure, and how it is printed and saved."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, beside a reference of the same run where there is one.

    Goals are upper limits, ``at_most`` in the figure's unit and ``times`` in references, or lower
    ones, ``at_least`` and ``times_least``.
    """

    name: str
    ours: float
    unit: str
    reference: float | None = None
    at_most: float | None = None
    times: float | None = None
    at_least: float | None = None
    times_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours in references."""
        return self.ours / self.reference if self.reference else None

    @property
    def goal(self) -> str:
        """The goal in words."""
        goals = []
        if self.at_most is not None:
            goals.append(f"≤ {self.at_most:g} {self.unit}".strip())
        if self.times is not None:
            goals.append(f"≤ {self.times:g} times the reference")
        if self.at_least is not None:
            goals.append(f"≥ {self.at_least:g} {self.unit}".strip())
        if self.times_least is not None:
            goals.append(f"≥ {self.times_least:g} times the reference")
        return " and ".join(goals)

    @property
    def met(self) -> bool:
        """Whether every goal is reached."""
        ratio = self.ratio or 0.0
        return (
            (self.at_most is None or self.ours <= self.at_most)
            and (self.times is None or ratio <= self.times)
            and (self.at_least is None or self.ours >= self.at_least)
            and (self.times_least is None or ratio >= self.times_least)
        )


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as lines for people."""
    rows = [("figure", "ours", "reference", "ratio", "goal", "")]
    for figure in figures:
        reference = "" if figure.reference is None else f"{figure.reference:.3g} {figure.unit}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        ours = f"{figure.ours:.3g} {figure.unit}"
        rows.append(
            (figure.name, ours, reference, ratio, figure.goal, "met" if figure.met else "MISSED")
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def save(figures: Iterable[Figure], file: Path) -> None:
    """Write one JSON object per figure."""
    rows = [
        {
            "name": figure.name,
            "ours": figure.ours,
            "reference": figure.reference,
            "unit": figure.unit,
            "ratio": figure.ratio,
            "goal": figure.goal,
            "met": figure.met,
        }
        for figure in figures
    ]
    file.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
