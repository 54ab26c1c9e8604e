"""What no request may carry: text that PostgreSQL cannot store, numbers that JSON cannot hold."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

DEEPEST = 12
"""Levels of lists and objects in one body; a segment rule needs four."""


def check_address(request: HttpRequest) -> None:
    """Raise ``ParseError`` unless path and query are UTF-8 without NUL."""
    for part in (request.path_info, request.META.get("QUERY_STRING", "")):
        try:
            text = unquote_to_bytes(part).decode()
        except UnicodeError as error:
            raise ParseError(_("The address is not valid UTF-8.")) from error
        if "\0" in text:
            raise ParseError(_("The address contains a NUL character."))


class StrictJsonParser(BaseParser):
    """JSON as RFC 8259 means it: no NaN, no NUL, no lone surrogates, no bottomless nesting."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body; raises ``ParseError`` for anything else."""
        try:
            parsed = json.loads(
                stream.read().decode(), parse_constant=_no_constant, parse_float=_finite
            )
            _check([parsed], depth=0)
        except RecursionError as error:
            raise ParseError(_("The body is nested too deeply.")) from error
        except ValueError as error:
            raise ParseError(_("The body is not valid JSON: %(why)s") % {"why": error}) from error
        return parsed


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _check(values: Iterable[Any], *, depth: int) -> None:
    if depth > DEEPEST:
        raise RecursionError
    for value in values:
        if isinstance(value, str):
            _check_text(value)
        elif isinstance(value, list):
            _check(value, depth=depth + 1)
        elif isinstance(value, dict):
            _check([*value.keys(), *value.values()], depth=depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text contains a NUL character")
    text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
