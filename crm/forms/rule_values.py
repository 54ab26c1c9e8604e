"""From what stands in the inputs of a condition to its value, and back."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from campaigns.segments.values import Kind

PICKED = frozenset(
    {Kind.TAGS, Kind.STORES, Kind.STAFF, Kind.CODES, Kind.CAMPAIGNS, Kind.SEGMENTS, Kind.MONTHS}
)
"""Kinds of which one ticks several."""

PAIRS: dict[Kind, tuple[str, str]] = {
    Kind.NUMBER_IN_DAYS: ("number", "days"),
    Kind.AMOUNT_IN_DAYS: ("amount", "days"),
    Kind.KEYED_TEXT: ("key", "value"),
    Kind.KEYED_NUMBER: ("key", "value"),
}
"""Kinds whose value is an object of two parts."""

_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")
_ANSWERS = {"yes": True, "no": False}

Typed = tuple[list[str], str]


def value_typed(kind: Kind, first: Sequence[str], second: str) -> object:
    """Return the value that these inputs say.

    What is no number stays the text that it is: the engine refuses it, and says what to do.
    """
    if kind in PICKED:
        return [_whole(text) for text in first]
    last = first[-1] if first else ""
    if kind == Kind.AGES:
        return [_whole(last), _whole(second)]
    if kind in PAIRS:
        names, reads = PAIRS[kind], _PARTS[kind]
        return {names[0]: reads[0](last), names[1]: reads[1](second)}
    return _READS.get(kind, _same)(last)


def typed_for(kind: Kind, value: Any) -> Typed:
    """Return the inputs that say this value; a value of another kind gives empty ones."""
    if kind in PICKED:
        return ([_text(item) for item in value] if isinstance(value, list) else []), ""
    if kind == Kind.AGES:
        ages = [_text(item) for item in value] if isinstance(value, list) else []
        return ages[:1], "".join(ages[1:2])
    if kind in PAIRS:
        parts = value if isinstance(value, dict) else {}
        first, second = (_text(parts.get(name, "")) for name in PAIRS[kind])
        return [first], second
    return [_text(value)], ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _same(text: str) -> object:
    return text.strip()


def _whole(text: str) -> object:
    text = text.strip()
    return int(text) if _WHOLE.fullmatch(text) else text


def _number(text: str) -> object:
    text = text.strip()
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _answer(text: str) -> object:
    return _ANSWERS.get(text, text)


_Read = Callable[[str], object]
_READS: dict[Kind, _Read] = {
    Kind.DAYS: _whole,
    Kind.NUMBER: _whole,
    Kind.AMOUNT: _number,
    Kind.YES_NO: _answer,
}
_PARTS: dict[Kind, tuple[_Read, _Read]] = {
    Kind.NUMBER_IN_DAYS: (_whole, _whole),
    Kind.AMOUNT_IN_DAYS: (_number, _whole),
    Kind.KEYED_TEXT: (_same, _same),
    Kind.KEYED_NUMBER: (_same, _number),
}
