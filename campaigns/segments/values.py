"""The values of conditions: read strictly, and refused in words that say what to do."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from contacts.errors import RuleBroken
from contacts.saying import gettext as _

MOST_VALUES = 200
MOST_DAYS = 3650
LONGEST_TEXT = 100
LARGEST = 10**12


class Kind(StrEnum):
    """What a value looks like, for whoever builds rules."""

    TAGS = "tags"
    STORES = "stores"
    STAFF = "staff"
    CODES = "codes"
    CAMPAIGNS = "campaigns"
    SEGMENTS = "segments"
    DAYS = "days"
    NUMBER = "number"
    AMOUNT = "amount"
    TEXT = "text"
    CHOICE = "choice"
    YES_NO = "yes_no"
    MONTHS = "months"
    AGES = "ages"
    NUMBER_IN_DAYS = "number_in_days"
    AMOUNT_IN_DAYS = "amount_in_days"
    KEYED_TEXT = "keyed_text"
    KEYED_NUMBER = "keyed_number"
    KEY = "key"


def ids(value: object) -> list[int]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= MOST_VALUES
        or not all(type(item) is int and 0 < item < 2**63 for item in value)
    ):
        raise RuleBroken(_("Choose between 1 and %(n)s entries.") % {"n": MOST_VALUES})
    return value


def days(value: object) -> timedelta:
    if type(value) is not int or not 0 < value <= MOST_DAYS:
        raise RuleBroken(_("A number of days lies between 1 and %(n)s.") % {"n": MOST_DAYS})
    return timedelta(days=value)


def number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 1_000_000:
        raise RuleBroken(_("Give a whole number from 0 to 1,000,000."))
    return value


def amount(value: object) -> Decimal:
    # A number by then; a bool is none, which is why ``isinstance`` would not do.
    sound = type(value) in {int, float} and 0 <= value <= LARGEST  # type: ignore[operator]
    if not sound:
        raise RuleBroken(_("Give an amount of at least 0."))
    return Decimal(str(value)).quantize(Decimal("0.01"))


def text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST_TEXT:
        raise RuleBroken(_("Give a text of at most %(n)s characters.") % {"n": LONGEST_TEXT})
    if "\0" in value or not value.isprintable():
        raise RuleBroken(_("Give a text without control characters."))
    return value.strip()


def yes_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise RuleBroken(_("Say yes or no."))
    return value


def months(value: object) -> list[int]:
    if (
        not isinstance(value, list)
        or not 0 < len(value) <= 12
        or not all(type(item) is int and 1 <= item <= 12 for item in value)
    ):
        raise RuleBroken(_("Choose months, from 1 to 12."))
    return value


def ages(value: object) -> tuple[int, int]:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(type(item) is int and 0 <= item <= 130 for item in value)
        or value[0] > value[1]
    ):
        raise RuleBroken(_("Give a youngest and an oldest age."))
    return value[0], value[1]


def one_of(choices: list[str]) -> Callable[[object], str]:
    """Return what reads one of these words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise RuleBroken(_("This is not one of the choices."))
        return value

    return read


def pair(
    first: str,
    read_first: Callable[[object], Any],
    second: str,
    read_second: Callable[[object], Any],
) -> Callable[[object], tuple[Any, Any]]:
    """Return what reads an object of two values."""

    def read(value: object) -> tuple[Any, Any]:
        if not isinstance(value, dict) or set(value) != {first, second}:
            raise RuleBroken(
                _("This value has two parts: %(first)s and %(second)s.")
                % {"first": first, "second": second}
            )
        return read_first(value[first]), read_second(value[second])

    return read


number_in_days = pair("number", number, "days", days)
amount_in_days = pair("amount", amount, "days", days)
keyed_text = pair("key", text, "value", text)
keyed_number = pair("key", text, "value", amount)
