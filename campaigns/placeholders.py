"""Filling the few placeholders a message may hold: a look-up, and nothing else.

No template language and no ``str.format`` ever sees what a person typed.
"""

import re
from collections.abc import Mapping

COUPON_CODE = "coupon_code"
"""The code of the coupon that the customer was given last and can still redeem."""

PLACEHOLDERS = frozenset({"customer", "guide", "store", "company", "unsubscribe", COUPON_CODE})
"""Every placeholder there is; other words in braces stay as they were typed."""

SENDER_PLACEHOLDERS = frozenset({"guide", "store", "company"})
"""Those that are the same for all customers of one sender."""

PLACEHOLDER = re.compile(r"\{(" + "|".join(sorted(PLACEHOLDERS)) + r")(?:\|([^{}|\r\n]{0,60}))?\}")
"""``{customer}``, or ``{customer|dear friend}`` with the words for when there is no value."""

_LOOKS_LIKE_ONE = re.compile(r"\{([A-Za-z_ ]{1,30})(?:\|[^{}|\r\n]{0,60})?\}")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the text with each known placeholder replaced.

    One without a value becomes its fallback, or vanishes.
    """
    return PLACEHOLDER.sub(lambda match: values.get(match[1], "") or match[2] or "", text)


def used_in(text: str) -> frozenset[str]:
    """Return the placeholders that the text uses."""
    return frozenset(match[1] for match in PLACEHOLDER.finditer(text))


def unknown_in(text: str) -> list[str]:
    """Return what looks like a placeholder and is none, in the order of the text."""
    found = (match[1] for match in _LOOKS_LIKE_ONE.finditer(text))
    return [name for name in dict.fromkeys(found) if name not in PLACEHOLDERS]
