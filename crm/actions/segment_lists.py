"""Static lists out of what people have: ids and phone numbers, pasted or in a file."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import phonenumbers
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from connectors.spreadsheets import MOST_ROWS, Unreadable, read_table
from contacts.enums import IdentityKind, Role
from contacts.errors import RuleBroken
from contacts.models import Identity
from crm.access import Viewer, customers_of
from crm.paging import LARGEST_ID

ID_HEADINGS = ("id", "customer id", "customer_id", "客户id", "客户编号", "编号")
PHONE_HEADINGS = ("phone", "mobile", "telephone", "手机", "手机号", "电话")
HOME = "CN"
"""Where a number without its country is from."""

NOT_FOUND = gettext_noop("You see no customer of this id or number.")
UNREADABLE = gettext_noop("This is neither an id nor a phone number.")
MASKED = gettext_noop("The number is masked: give it in full, or the id.")
TWICE = gettext_noop("An earlier row is about the same customer.")

_ID = re.compile(r"[0-9]{1,10}")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/-]{5,24}")


class Row(NamedTuple):
    """A row as it was given. What stands under a heading of phone numbers is never an id."""

    number: int
    text: str
    is_phone: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that names nobody who could be put on the list, and why."""

    number: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Whom the rows name, in their order, and which rows name nobody."""

    customers: list[int] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def rows_pasted(text: str) -> list[Row]:
    """Return the lines with something on them, numbered. Raises ``RuleBroken`` if too many."""
    return _few_enough(Row(n, line.strip()) for n, line in enumerate(text.splitlines(), start=1))


def rows_of_file(content: bytes, name: str) -> list[Row]:
    """Return the ids or phone numbers of a CSV or XLSX file, numbered as its rows.

    A heading names the column: an id if there is one, else a phone number; without a heading it
    is the first column. Raises ``RuleBroken`` if the file cannot be read.
    """
    try:
        table = read_table(content, name)
    except Unreadable as error:
        raise RuleBroken(_(str(error))) from error
    columns = _columns(table[0])
    start = 1 if columns else 0
    return _few_enough(
        Row(n, *_first_of(row, columns or {0: False}))
        for n, row in enumerate(table[start:], start=start + 1)
    )


def find_customers(rows: Sequence[Row], viewer: Viewer) -> Reading:
    """Find the customers whom the rows name, as far as the person sees them as a marketer.

    A customer out of sight is not told from one who does not exist.
    """
    keys = [(row.number, row.text, *_key(row.text, is_phone=row.is_phone)) for row in rows]
    found = _found(viewer, (key for _number, _text, key, _why in keys))
    reading, seen = Reading(), set()
    for number, text, key, why in keys:
        pk = found.get(key)
        reason = why or (NOT_FOUND if pk is None else TWICE if pk in seen else "")
        if reason or pk is None:
            reading.left_out.append(LeftOut(number, text[:60], _(reason)))
            continue
        seen.add(pk)
        reading.customers.append(pk)
    return reading


def _few_enough(rows: Iterable[Row]) -> list[Row]:
    kept = [row for row in rows if row.text]
    if len(kept) > MOST_ROWS:
        raise RuleBroken(_("There are more than 20,000 rows. Split them."))
    return kept


def _columns(heading: Sequence[str]) -> dict[int, bool]:
    """Return the columns to look into, ids before phone numbers, and whether each has these.

    There are none without a heading.
    """
    names = [name.strip().lower() for name in heading]
    return {
        names.index(word): words is PHONE_HEADINGS
        for words in (ID_HEADINGS, PHONE_HEADINGS)
        for word in words
        if word in names
    }


def _first_of(row: Sequence[str], columns: Mapping[int, bool]) -> tuple[str, bool]:
    found = ((row[at], phone) for at, phone in columns.items() if at < len(row) and row[at])
    return next(found, ("", False))


def _key(text: str, *, is_phone: bool) -> tuple[int | str, str]:
    """Return the id, or the number as it is stored, and what is wrong with the text."""
    bare = text.removeprefix("'").strip()  # our own CSV files protect a leading + with a '
    if not is_phone and _ID.fullmatch(bare) and 0 < int(bare) <= LARGEST_ID:
        return int(bare), ""
    if "*" in bare:
        return "", MASKED
    if not _PHONE.fullmatch(bare):
        return "", UNREADABLE
    try:
        number = phonenumbers.parse(bare, HOME)
    except phonenumbers.NumberParseException:
        return "", UNREADABLE
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), ""


def _found(viewer: Viewer, keys: Iterable[int | str]) -> dict[int | str, int]:
    wanted = set(keys) - {""}
    ids = [key for key in wanted if isinstance(key, int)]
    numbers = [key for key in wanted if isinstance(key, str)]
    visible = customers_of(viewer, Role.MARKETER)
    found: dict[int | str, int] = {
        pk: pk for pk in visible.filter(pk__in=ids).values_list("pk", flat=True)
    }
    phones = Identity.objects.filter(kind=IdentityKind.PHONE, value__in=numbers)
    return found | dict(_seen(phones.filter(customer__in=visible)))


def _seen(phones: Iterable[Identity]) -> Iterator[tuple[int | str, int]]:
    for row in phones:
        yield row.value, row.customer_id
