"""How many parts an SMS takes, which is what operators charge for (3GPP TS 23.038, 23.040).

In the 7-bit alphabet a single one holds 160 signs and each of several 153; in any other
language 70 and 67 UTF-16 units.
"""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")
"""These take two places."""

SINGLE, EACH = 160, 153
SINGLE_WIDE, EACH_WIDE = 70, 67


def parts_of(text: str) -> int:
    """Return how many parts the text goes out in; none if it is empty."""
    if not text:
        return 0
    if all(sign in _BASIC or sign in _EXTENDED for sign in text):
        return _cut([2 if sign in _EXTENDED else 1 for sign in text], SINGLE, EACH)
    return _cut([2 if ord(sign) > 0xFFFF else 1 for sign in text], SINGLE_WIDE, EACH_WIDE)


def _cut(widths: list[int], single: int, each: int) -> int:
    """Count parts; no sign is cut in two."""
    if sum(widths) <= single:
        return 1
    parts, room = 1, each
    for width in widths:
        if width > room:
            parts, room = parts + 1, each
        room -= width
    return parts
