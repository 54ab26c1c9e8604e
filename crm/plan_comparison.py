"""Two plans side by side: what each gives to whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from crm.templatetags.liuke import money

Figures = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Side:
    """What one of the two plans gives to a receiver."""

    customers: int = 0
    value: Decimal = Decimal(0)
    conflicts: int = 0

    @property
    def value_words(self) -> str:
        """The value as it is shown."""
        return money(self.value.quantize(Decimal(1)))


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One receiver in both plans."""

    name: str
    left: Side
    right: Side

    @property
    def difference(self) -> int:
        """How many customers more the right plan gives."""
        return self.right.customers - self.left.customers


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both plans, receiver by receiver, and their sums."""

    rows: list[ComparedRow]
    total: ComparedRow


def compared(left: Figures, right: Figures) -> Comparison:
    """Lay the figures of two plans side by side, receivers by name and nobody's last."""
    sides = [{row["staff"]: row for row in figures} for figures in (left, right)]
    names = {pk: row["name"] for side in sides for pk, row in side.items()}
    order = sorted(names, key=lambda pk: (pk is None, names[pk], pk or 0))
    rows = [
        ComparedRow(names[pk] or _("Nobody"), *(_side(side.get(pk)) for side in sides))
        for pk in order
    ]
    return Comparison(rows, ComparedRow(_("All"), _sum(left), _sum(right)))


def _side(row: Mapping[str, Any] | None) -> Side:
    if row is None:
        return Side()
    return Side(row["customers"], Decimal(row["value"]), row["conflicts"])


def _sum(figures: Figures) -> Side:
    sides = [_side(row) for row in figures]
    return Side(
        sum(side.customers for side in sides),
        sum((side.value for side in sides), Decimal(0)),
        sum(side.conflicts for side in sides),
    )
