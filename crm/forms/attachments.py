"""Attachments as inputs: one list an input, one place in each list an attachment.

So they live in a draft like everything else that is typed, and a page without scripts can add one
and take one away.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.datastructures import MultiValueDict

from campaigns.attachments import MEDIA_FIELDS, MOST, Attachment
from campaigns.models import MediaFile

INPUTS = {
    "att_kind": "kind",
    "att_media": "media",
    "att_title": "title",
    "att_url": "url",
    "att_text": "description",
    "att_app_id": "app_id",
    "att_page": "page",
}
"""Inputs, and what each means; ``att_media`` is the picture of a card."""

Typed = dict[str, list[str]]

_FIELD_OF_MEDIA = {"link": "picture", "mini_program": "cover"}


def storable(text: str) -> str:
    """Leave out what no database stores: NUL, lone surrogates."""
    return text.replace("\0", "").encode(errors="ignore").decode()


def lists_in(data: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return what a form was given as lists, whether it came from a request or from a program."""
    if isinstance(data, MultiValueDict):
        return dict(data.lists())
    return {name: value if isinstance(value, list) else [value] for name, value in data.items()}


def attachments_typed(typed: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the attachments that the inputs say, in their order; whether they are sound or not."""
    rows = []
    for row in _rows(typed):
        kind, media, title, url, text, app_id, page = (storable(said).strip() for said in row)
        fields = {"title": title, "url": url, "description": text, "app_id": app_id, "page": page}
        found: dict[str, Any] = {
            "kind": kind,
            **{name: said for name, said in fields.items() if said},
        }
        if media.isascii() and media.isdecimal() and len(media) < 19:
            found[_FIELD_OF_MEDIA.get(kind, "media")] = int(media)
        rows.append(found)
    return rows


def inputs_of(attachments: Iterable[Attachment]) -> Typed:
    """Return attachments as the inputs that say them."""
    typed: Typed = {name: [] for name in INPUTS}
    for item in attachments:
        media = next((item[name] for name in MEDIA_FIELDS if item.get(name)), "")
        for name, field in INPUTS.items():
            typed[name].append(str(media if name == "att_media" else item.get(field, "")))
    return typed


def with_one_more(typed: Typed, kind: str, media: MediaFile | None = None) -> Typed:
    """Return the inputs with an empty attachment of a kind, or a file, behind the others."""
    if len(typed.get("att_kind", [])) >= MOST or kind not in {"link", "mini_program", *_FILES}:
        return typed
    rows = [list(row) for row in _rows(typed)]
    rows.append([kind, str(media.pk) if media else "", "", "", "", "", ""])
    return _columns(rows)


def without_one(typed: Typed, place: int) -> Typed:
    """Return the inputs without the attachment at a place, counted from 0."""
    return _columns([list(row) for n, row in enumerate(_rows(typed)) if n != place])


_FILES = ("image", "video", "file")


def _rows(typed: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """The inputs by attachment; shorter lists count as if they went on empty."""
    kinds = list(typed.get("att_kind", []))[:MOST]
    columns = [[*typed.get(name, []), *[""] * len(kinds)][: len(kinds)] for name in INPUTS]
    return list(zip(*columns, strict=True))


def _columns(rows: list[list[str]]) -> Typed:
    return {name: [row[n] for row in rows] for n, name in enumerate(INPUTS)}


def rows_to_show(typed: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the attachments for the page: what was typed, and the file that each names."""
    names = [name.removeprefix("att_") for name in INPUTS]
    shown: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in _rows(typed)]
    numbers = {int(row["media"]) for row in shown if row["media"].isdecimal()}
    files = MediaFile.objects.in_bulk([number for number in numbers if number < 2**63])
    for row in shown:
        row["file"] = files.get(int(row["media"])) if row["media"].isdecimal() else None
    return shown
