"""CSV files that a spreadsheet can open without running anything that a stranger typed."""

import csv
import re
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

_FORMULA = re.compile(r"[\s\ufeff\u200b-\u200d\u2060]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def safe_cell(value: object) -> str:
    """Return the text of a cell, with a ' before whatever a spreadsheet would take for a formula.

    Looks past leading spaces, also full-width and invisible ones, as spreadsheets do, and knows
    the full-width signs that some of them convert.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


class _Echo:
    """A file that gives back what is written to it; ``csv.writer`` needs nothing more."""

    def write(self, line: str) -> str:
        return line


def csv_response(name: str, rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    """Stream the rows as a download; the byte order mark tells Excel that it is UTF-8."""
    response = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])
