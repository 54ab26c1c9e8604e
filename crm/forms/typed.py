"""Inputs as they were typed, name → list of values, sound or not."""

from collections.abc import Mapping, Sequence
from typing import Any

SEVERAL = frozenset({"tags", "stores", "weekdays"})
"""Inputs that hold several values."""


def unfolded(typed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return what was typed as a form's initial values, which shows it without judging it."""
    return {
        name: list(values) if name in SEVERAL else (values[-1] if values else "")
        for name, values in typed.items()
    }
