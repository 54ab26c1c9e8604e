"""Attachments as inputs: one list an input, one place in each list an attachment.

So they live in a draft like everything else that is typed, and a page without scripts can add one
and take one away.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.datastructures import MultiValueDict

from campaigns.attachments import MEDIA_FIELDS, MOST, Attachment
from campaigns.models import MediaFile
from crm.paging import storable, whole_number

INPUTS = {
    "att_kind": "kind",
    "att_media": "media",
    "att_title": "title",
    "att_url": "url",
    "att_text": "description",
    "att_app_id": "app_id",
    "att_page": "page",
    "att_picture_url": "picture_url",
}
"""Inputs, and what each means; ``att_media`` is the picture of a card. Nobody types where else its
picture lies; what was said of that through the API is kept."""

_TEXTS = tuple(INPUTS.values())[2:]

Typed = dict[str, list[str]]

_FIELD_OF_MEDIA = {"link": "picture", "mini_program": "cover"}


def lists_in(data: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return what a form was given as lists, whether it came from a request or from a program."""
    if isinstance(data, MultiValueDict):
        return dict(data.lists())
    return {name: value if isinstance(value, list) else [value] for name, value in data.items()}


def attachments_typed(typed: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the attachments that the inputs say, in their order; whether they are sound or not."""
    rows = []
    for kind, media, *texts in _rows(typed):
        said = {name: storable(value).strip() for name, value in zip(_TEXTS, texts, strict=True)}
        row: dict[str, Any] = {
            "kind": kind,
            **{name: value for name, value in said.items() if value},
        }
        if number := whole_number(media):
            row[_FIELD_OF_MEDIA.get(kind, "media")] = number
        rows.append(row)
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
    rows.append([kind, str(media.pk) if media else "", *[""] * len(_TEXTS)])
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
    numbers = [whole_number(row["media"]) for row in shown]
    files = MediaFile.objects.in_bulk({number for number in numbers if number})
    for row, number in zip(shown, numbers, strict=True):
        row["file"] = files.get(number) if number else None
    return shown
