"""Reading tables out of CSV and XLSX files that strangers may have made."""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime

from python_calamine import CalamineError, CalamineWorkbook

LARGEST = 5 * 1024 * 1024
LARGEST_UNPACKED = 100 * 1024 * 1024
MOST_RATIO = 100
MOST_ROWS = 20_000
MOST_COLUMNS = 100
LONGEST_CELL = 1000

_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ",;\t|"


def gettext_noop(text: str) -> str:
    """Mark a text for the catalogues; connectors know no Django."""
    return text


class Unreadable(Exception):
    """The file is not a table we can read; the message says why, to be translated."""


def read_table(content: bytes, name: str) -> list[list[str]]:
    """Return the rows of the first sheet as texts, the heading first, without empty rows.

    An XLSX file is recognised by its content, whatever its name. Formulas are never evaluated;
    dates come as ``2026-03-31``. Raises ``Unreadable``.
    """
    if not content.strip():
        raise Unreadable(gettext_noop("The file is empty."))
    if len(content) > LARGEST:
        raise Unreadable(gettext_noop("The file is larger than 5 MB. Split it."))
    rows = _sheet(content) if content.startswith(b"PK") else _lines(content, name)
    table = [row for row in rows if any(row)]
    if not table:
        raise Unreadable(gettext_noop("The file is empty."))
    if len(table) > MOST_ROWS + 1:
        raise Unreadable(gettext_noop("The file has more than 20,000 rows. Split it."))
    return table


def _sheet(content: bytes) -> Iterator[list[str]]:
    _refuse_bombs(content)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0).to_python(nrows=MOST_ROWS + 2)
    except (CalamineError, ValueError, IndexError) as error:
        raise Unreadable(
            gettext_noop("This is not an XLSX file, or it is damaged or protected.")
        ) from error
    for row in sheet:
        yield [_text(cell) for cell in row[:MOST_COLUMNS]]


def _refuse_bombs(content: bytes) -> None:
    """Look at what the archive says of itself before anything is unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Unreadable(
            gettext_noop("This is not an XLSX file, or it is damaged or protected.")
        ) from error
    unpacked = sum(part.file_size for part in parts)
    if unpacked > LARGEST_UNPACKED or unpacked > MOST_RATIO * max(len(content), 1):
        raise Unreadable(
            gettext_noop("The file is packed in a way that no spreadsheet does. Save it anew.")
        )


def _lines(content: bytes, name: str) -> Iterator[list[str]]:
    if b"\0" in content and content[:2] not in _MARKS:
        raise Unreadable(gettext_noop("This is neither a CSV nor an XLSX file."))
    text = _decoded(content)
    heading = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=heading.count)
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            yield [_text(cell) for cell in row[:MOST_COLUMNS]]
    except csv.Error as error:
        raise Unreadable(
            gettext_noop("The quotation marks of this CSV file do not match.")
        ) from error


def _decoded(content: bytes) -> str:
    """UTF-8, UTF-16 with its mark, or the GB18030 of Chinese spreadsheets."""
    marked = next((code for mark, code in _MARKS.items() if content.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "gb18030"):
        try:
            return content.decode(encoding or "utf-8")
        except UnicodeDecodeError:
            continue
    raise Unreadable(gettext_noop("The characters of this file cannot be read. Save it as UTF-8."))


def _text(cell: object) -> str:
    if isinstance(cell, datetime):
        cell = cell.date() if not (cell.hour or cell.minute) else cell
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).replace("\0", "").strip()[:LONGEST_CELL]
