"""Reading a request body as strictly as the documentation words it.

A missing or misshapen field is errcode 40058. One that is too long or too many
is also a breach: the client could have known.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Json, World

Row = TypeVar("Row")


def text(body: Json, name: str, *, chars: int = 0, octets: int = 0, errcode: int = 40058) -> str:
    """The string called ``name``, or "" ; longer than ``chars`` or ``octets`` (UTF-8) is a breach."""
    value = body.get(name, "")
    if not isinstance(value, str):
        raise Refusal(40058, f"{name} is not a string")
    if (chars and len(value) > chars) or (octets and len(value.encode()) > octets):
        limit = f"{chars} characters" if chars else f"{octets} bytes"
        raise Refusal(errcode, f"{name} too long", breach=f"{name} longer than {limit}")
    return value


def needed(body: Json, name: str, *, errcode: int = 40058) -> str:
    value = text(body, name)
    if not value:
        raise Refusal(errcode, f"missing {name}")
    return value


def strings(body: Json, name: str, *, most: int, least: int = 0, errcode: int = 40058) -> list[str]:
    """The list of strings called ``name``; more than ``most`` is a breach."""
    value = body.get(name, [])
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise Refusal(40058, f"{name} is not a list of strings")
    if len(value) > most:
        raise Refusal(
            errcode, f"{name} too many", breach=f"{len(value)} {name} in one call, {most} allowed"
        )
    if len(value) < least:
        raise Refusal(40058, f"missing {name}")
    return value


def number(body: Json, name: str, default: int = 0) -> int:
    value: Any = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(40058, f"{name} is not a number")
    return value


def records(body: Json, name: str, *, most: int) -> list[Json]:
    value = body.get(name, [])
    if not isinstance(value, list) or any(not isinstance(item, dict) for item in value):
        raise Refusal(40058, f"{name} is not a list of objects")
    if len(value) > most:
        raise Refusal(
            40058, f"{name} too many", breach=f"{len(value)} {name} in one call, {most} allowed"
        )
    return value


def record(body: Json, name: str) -> Json:
    value = body.get(name, {})
    if not isinstance(value, dict):
        raise Refusal(40058, f"{name} is not an object")
    return value


def page(
    world: World,
    body: Json,
    rows: Sequence[Row],
    seq: Callable[[Row], int],
    *,
    most: int,
    default: int,
    size_name: str = "limit",
) -> tuple[list[Row], str]:
    """One page of ``rows`` (any order) after the body's cursor, and the cursor of the next or "".

    More than ``most`` asked for is a breach, refused with 40058.
    """
    size = number(body, size_name, default) or default
    if size > most:
        raise Refusal(40058, f"{size_name} too large", breach=f"page of {size}, {most} allowed")
    return cut(world, rows, seq, size, text(body, "cursor"))


def cut(
    world: World, rows: Sequence[Row], seq: Callable[[Row], int], size: int, cursor: str
) -> tuple[list[Row], str]:
    if cursor and not (cursor[0] == "c" and cursor[1:].isdecimal()):
        raise Refusal(40058, "invalid cursor", breach=f"made-up cursor {cursor[:40]!r}")
    after = int(cursor[1:]) if cursor else -1
    size = max(1, min(size, world.knobs.page_size or size))
    rest = sorted((row for row in rows if seq(row) > after), key=seq)
    return rest[:size], f"c{seq(rest[size - 1])}" if len(rest) > size else ""
