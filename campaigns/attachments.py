"""Attachments of a message in the channel-neutral shape: what is sound, and what a channel gets.

| kind | fields |
|---|---|
| ``link`` | ``title``, ``url``; ``description``, ``picture`` (a media file) or ``picture_url`` |
| ``image``, ``video``, ``file`` | ``media`` (a media file), or an ``url`` where it lies |
| ``mini_program`` | ``title``, ``app_id``, ``page``, ``cover`` (a picture among the media files) |
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.urls import reverse

from campaigns.enums import MediaKind, MediaUse
from campaigns.models import MediaFile
from connectors.base import Abilities
from contacts.errors import RuleBroken
from contacts.saying import gettext as _

Attachment = Mapping[str, Any]

MOST = 9
FIELDS = {
    "link": {"title", "url", "description", "picture", "picture_url"},
    "image": {"media", "url"},
    "video": {"media", "url"},
    "file": {"media", "url"},
    "mini_program": {"title", "app_id", "page", "cover"},
}
MEDIA_FIELDS = {"media": None, "picture": MediaKind.IMAGE, "cover": MediaKind.IMAGE}
"""Fields that name a media file, and of which kind it must be; ``None``: of the attachment's."""

_LONGEST = {
    "title": 128,
    "description": 512,
    "url": 2048,
    "picture_url": 2048,
    "page": 1024,
    "app_id": 64,
}
_LONGEST_TITLE_OF_MINI_PROGRAM = 64
_KINDS = {
    "link": "Link card",
    "image": "picture",
    "video": "video",
    "file": "file",
    "mini_program": "Mini-program card",
}
"""What people call a kind; the library's pages have these words in both languages."""

_INPUTS = {
    "title": "Title",
    "description": "Description",
    "url": "Address",
    "picture_url": "Picture",
    "page": "Page",
    "app_id": "App id of the mini-program",
}
"""What the inputs of a field are called, likewise."""


def media_in(attachments: Iterable[Attachment]) -> set[int]:
    """Return the ids of the media files that the attachments name."""
    return {item[name] for item in attachments for name in MEDIA_FIELDS if item.get(name)}


def check_attachments(attachments: Sequence[Attachment]) -> None:
    """Raise ``RuleBroken``, saying what to change, if these could be sent through no channel."""
    if len(attachments) > MOST:
        raise RuleBroken(_("A message takes at most %(most)s attachments.") % {"most": MOST})
    for number, item in enumerate(attachments, 1):
        with _naming(number, of=len(attachments)):
            _check_fields(item)
    kinds = dict(MediaFile.objects.filter(pk__in=media_in(attachments)).values_list("pk", "kind"))
    for number, item in enumerate(attachments, 1):
        with _naming(number, of=len(attachments)):
            _check_files(item, kinds)


def check_for_channel(attachments: Sequence[Attachment], abilities: Abilities) -> None:
    """Refuse what the channel cannot send now, rather than batch after batch later."""
    check_attachments(attachments)
    for item in attachments:
        if item["kind"] not in abilities.attachment_kinds:
            called = _KINDS[item["kind"]]
            raise RuleBroken(
                _("This channel cannot send attachments of the kind “%(kind)s”.")
                % {"kind": _(called)}
            )
    if abilities.keeps_media:
        check_files_are_here(attachments)


def check_files_are_here(attachments: Sequence[Attachment]) -> None:
    """Refuse addresses of files, for a channel to which the files themselves are uploaded."""
    if any(item["kind"] in MediaKind.values and not item.get("media") for item in attachments):
        raise RuleBroken(_("This channel wants the file itself, not its address. Upload it."))


def in_public_form(attachments: Sequence[Attachment]) -> list[dict[str, Any]]:
    """Return the attachments with the public address of each file in place of its number."""
    files = MediaFile.objects.in_bulk(media_in(attachments))
    return [
        {
            **{name: value for name, value in item.items() if name not in MEDIA_FIELDS},
            **{
                _ADDRESS_FIELDS[name]: media_url(files[item[name]])
                for name in MEDIA_FIELDS
                if item.get(name) in files
            },
        }
        for item in attachments
    ]


_ADDRESS_FIELDS = {"media": "url", "picture": "picture_url", "cover": "cover_url"}


def needed_in_channel(
    attachments: Iterable[Attachment], use: MediaUse = MediaUse.MESSAGE
) -> set[tuple[int, MediaUse]]:
    """Return the files that a channel which keeps media must have, each with its use.

    The picture of a link card is one of them in moments; elsewhere its public address does.
    """
    names = ("media", "cover", "picture") if use == MediaUse.MOMENT else ("media", "cover")
    return {
        (item[name], MediaUse.COVER if name == "cover" else use)
        for item in attachments
        for name in names
        if item.get(name)
    }


def with_references(
    attachments: Sequence[Attachment],
    references: Mapping[tuple[int, MediaUse], str],
    use: MediaUse = MediaUse.MESSAGE,
) -> list[dict[str, Any]]:
    """Return the attachments in public form, with what the channel calls each file beside it."""
    shown = in_public_form(attachments)
    for item, its in zip(attachments, shown, strict=True):
        for needed in needed_in_channel([item], use):
            if needed in references:
                its["reference"] = references[needed]
    return shown


def media_url(media: MediaFile) -> str:
    """Return the address at which everybody who knows it gets the file."""
    return settings.PUBLIC_URL + reverse("media_file", args=[media.token, media.name])


@contextmanager
def _naming(number: int, *, of: int) -> Iterator[None]:
    """Say of which attachment a refusal is, where there are several."""
    try:
        yield
    except RuleBroken as error:
        if of == 1:
            raise
        said = _("Attachment %(number)s: %(why)s") % {"number": number, "why": error.args[0]}
        raise RuleBroken(said) from error


def _check_files(item: Attachment, kinds: Mapping[int, str]) -> None:
    for name, kind in MEDIA_FIELDS.items():
        if item.get(name) and kinds.get(item[name]) != (kind or item["kind"]):
            raise RuleBroken(_("An attachment names a file that is gone or of another kind."))


def _check_fields(item: Attachment) -> None:
    known = FIELDS.get(str(item.get("kind")))
    if known is None:
        raise RuleBroken(_("There is no such kind of attachment."))
    if unknown := sorted(set(item) - known - {"kind"}):
        raise RuleBroken(_("An attachment has no field “%(name)s”.") % {"name": unknown[0]})
    for name, most in _LONGEST.items():
        value = item.get(name, "")
        if not isinstance(value, str) or len(value.encode()) > most:
            raise RuleBroken(
                _("“%(name)s” of an attachment takes at most %(most)s bytes.")
                % {"name": _(_INPUTS[name]), "most": most}
            )
        if name.endswith("url") and value and not value.startswith(("http://", "https://")):
            raise RuleBroken(_("An address begins with https:// or http://."))
    for name in MEDIA_FIELDS:
        if not isinstance(item.get(name, 0), int):
            raise RuleBroken(_("An attachment names a file that is gone or of another kind."))
    _check_needed(item)


def _check_needed(item: Attachment) -> None:
    match item["kind"]:
        case "link" if not (item.get("title") and item.get("url")):
            raise RuleBroken(_("A link card needs a title and an address."))
        case "mini_program" if not all(
            item.get(name) for name in ("title", "app_id", "page", "cover")
        ):
            raise RuleBroken(_("A mini-program card needs a title, an app id, a page and a cover."))
        case "mini_program" if len(item["title"].encode()) > _LONGEST_TITLE_OF_MINI_PROGRAM:
            raise RuleBroken(
                _("The title of a mini-program card takes at most %(most)s bytes.")
                % {"most": _LONGEST_TITLE_OF_MINI_PROGRAM}
            )
        case "image" | "video" | "file" if not (item.get("media") or item.get("url")):
            raise RuleBroken(_("An attachment needs a file."))
