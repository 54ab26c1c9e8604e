"""What a company knows of its customers beyond the columns: names with a text, number or yes/no.

What is kept here is what segments can ask for, so nothing else is taken in.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from django.utils.translation import gettext as _

from contacts.errors import RuleBroken

MOST = 100
LONGEST_NAME = 40
LONGEST_TEXT = 100
LARGEST = 10**12
DECIMALS = 4


def check_attributes(attributes: Mapping[str, Any]) -> None:
    """Raise ``RuleBroken``, saying what to change, if segments could not ask for one of these."""
    for name, value in attributes.items():
        if not _is_name(name):
            raise RuleBroken(
                _("The name of an attribute begins with a letter and has at most %(n)s characters.")
                % {"n": LONGEST_NAME}
            )
        if value is not None and not _is_value(value):
            raise RuleBroken(
                _(
                    "The attribute “%(name)s” is a text of at most %(n)s characters, a number of at"
                    " most %(decimals)s decimals, or yes or no."
                )
                % {"name": name, "n": LONGEST_TEXT, "decimals": DECIMALS}
            )


def merged(held: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes with what was said; ``None`` takes one away. Raises ``RuleBroken``."""
    check_attributes(said)
    both = dict(held) | dict(said)
    kept = {name: value for name, value in both.items() if value is not None}
    if len(kept) > MOST:
        raise RuleBroken(_("A customer has at most %(n)s attributes.") % {"n": MOST})
    return kept


def _is_name(name: object) -> bool:
    return (
        isinstance(name, str)
        and 0 < len(name) <= LONGEST_NAME
        and name[0].isalpha()
        and name == name.strip()
        and name.isprintable()
    )


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return 0 < len(value.strip()) <= LONGEST_TEXT and value.isprintable()
    if isinstance(value, bool):
        return True
    if not isinstance(value, (int, float)) or not isfinite(value):
        return False
    return abs(value) < LARGEST and round(value, DECIMALS) == value
