"""Filling the few placeholders a message may hold: a look-up, and nothing else.

No template language and no ``str.format`` ever sees what a person typed.
"""

import re
from collections.abc import Mapping

PLACEHOLDERS = frozenset({"customer", "guide", "store", "company"})
"""Every placeholder there is; other words in braces stay as they were typed."""

SENDER_PLACEHOLDERS = frozenset({"guide", "store", "company"})
"""Those that are the same for all customers of one sender."""

_PLACEHOLDER = re.compile(r"\{(" + "|".join(sorted(PLACEHOLDERS)) + r")\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each known placeholder replaced; one without a value vanishes."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text)


def used_in(text: str) -> frozenset[str]:
    """Return the placeholders that the text uses."""
    return frozenset(_PLACEHOLDER.findall(text))
