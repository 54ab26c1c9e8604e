"""Filling the few placeholders a message may hold: a look-up, and nothing else.

No template language and no ``str.format`` ever sees what a person typed.
"""

import re
from collections.abc import Collection, Mapping

PLACEHOLDERS = frozenset({"customer", "guide", "store", "company"})
"""Every placeholder there is; other words in braces stay as they were typed."""

SENDER_PLACEHOLDERS = frozenset({"guide", "store", "company"})
"""Those that are the same for all customers of one sender."""

HANDOVER_PLACEHOLDERS = PLACEHOLDERS | {"former_guide"}
"""Those in the words that go with a change of hands."""

_IN_BRACES = re.compile(r"\{(\w+)\}")


def fill(text: str, values: Mapping[str, str], *, known: Collection[str] = PLACEHOLDERS) -> str:
    """Return the text with each known placeholder replaced; one without a value vanishes."""
    return _IN_BRACES.sub(
        lambda match: values.get(match[1], "") if match[1] in known else match[0], text
    )


def used_in(text: str) -> frozenset[str]:
    """Return the placeholders that the text uses."""
    return frozenset(_IN_BRACES.findall(text)) & PLACEHOLDERS
