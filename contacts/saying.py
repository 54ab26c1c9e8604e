"""Sentences that are kept now and read later, in the language of whoever reads them.

What an action refuses to a person is said in that person's language and forgotten. What a worker
refuses is kept, and nobody knows who reads it: so the sentence remembers what it was made of.
"""

import json
import re
from typing import Any

from django.utils import translation

Kept = str | dict[str, Any]
"""A sentence in a JSON column: as it is, or its English and what stands in its gaps."""


_FRAMED = re.compile(
    r"((?:\w+(?:/\w+)*(?: \d+)?: )?)(.+?)((?: \[.*\])?(?: \([^()]*\))?)", re.DOTALL
)


class Saying(str):
    """A sentence in the language of the moment that knows its English and what fills its gaps."""

    msgid: str
    values: dict[str, object]

    def __new__(cls, msgid: str, values: dict[str, object] | None = None) -> "Saying":
        """Say it in the language of the moment."""
        said = translation.gettext(msgid)
        found = super().__new__(cls, said if values is None else said % values)
        found.msgid, found.values = msgid, values or {}
        return found

    def __mod__(self, values: Any) -> "Saying":
        """Fill the gaps."""
        return Saying(self.msgid, dict(values))


def gettext(msgid: str) -> Saying:
    """Translate as Django's does; import it as ``_`` where what is refused may be kept."""
    return Saying(msgid)


def kept(error: Exception) -> Kept:
    """Return what is to be kept of a refusal, so that ``read`` says it in any language."""
    said = error.args[0] if error.args else ""
    return said.msgid if isinstance(said, Saying) and not said.values else _kept(said)


def kept_text(error: Exception, *, longest: int) -> str:
    """Return the same for a column of text; only in English if it is too long for that."""
    sentence = kept(error)
    if isinstance(sentence, str):
        return sentence[:longest]
    text = json.dumps(sentence, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= longest else english(sentence)[:longest]


def read(sentence: Kept) -> str:
    """Say what was kept in the language of the moment; a plain sentence may be an English one."""
    if not isinstance(sentence, str):
        return str(_read(sentence))
    return translation.gettext(sentence) if sentence else ""


def read_text(text: str) -> str:
    """Say what ``kept_text`` has kept."""
    if not text.startswith('{"say":'):
        return read(text)
    return read(json.loads(text))


def read_channel(text: str) -> str:
    """Say what a channel said of a failure, which is kept as a plain sentence in English.

    What stands before the sentence (an address, a provider's code) and after it (details, a code)
    stays as it is.
    """
    framed = _FRAMED.fullmatch(text)
    return f"{framed[1]}{translation.gettext(framed[2])}{framed[3]}" if framed else text


def english(sentence: Kept) -> str:
    """Say what was kept in English, for logs and other systems."""
    with translation.override("en"):
        return read(sentence)


def _kept(value: object) -> Any:
    if not isinstance(value, Saying):
        return value if isinstance(value, int | float) else str(value)
    found: dict[str, Any] = {"say": value.msgid}
    if value.values:
        found["with"] = {name: _kept(one) for name, one in value.values.items()}
    return found


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    gaps = {name: _read(one) for name, one in value.get("with", {}).items()}
    msgid = value["say"]
    said = translation.gettext(msgid)
    return said % gaps if gaps else said
