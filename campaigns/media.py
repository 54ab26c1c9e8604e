"""Looking at an uploaded file: what it really is, and whether it may go out.

Nothing that a browser would run ever gets in. Pictures are written anew, which leaves behind
whatever else was in the file: where it was taken, a script, a second file at its end.
"""

import re
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath

from django.utils.translation import gettext as _
from PIL import Image, ImageOps, UnidentifiedImageError

from campaigns.enums import MediaKind
from contacts.errors import RuleBroken

MEGABYTE = 1024 * 1024
LARGEST = {
    MediaKind.IMAGE: 2 * MEGABYTE,
    MediaKind.VIDEO: 10 * MEGABYTE,
    MediaKind.FILE: 20 * MEGABYTE,
}
"""What WeCom takes at most (docs 90253); the other channels go by it too."""

SMALLEST = 6
LARGEST_UPLOAD = 20 * MEGABYTE
MOST_PIXELS = 40_000_000
COVER = (520, 416)
"""Width and height of a mini-program's cover (WeCom docs 92137)."""

_PICTURES = ("JPEG", "PNG", "WEBP", "GIF")
_QUALITIES = (88, 78, 65)
_SIDES = (4096, 2048, 1280)
_DOCUMENTS = {
    ".pdf": (b"%PDF-", "application/pdf"),
    ".docx": (
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    ".xlsx": (b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ".pptx": (
        b"PK\x03\x04",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
}
_NO_VIDEOS = frozenset(
    {
        *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        *(b"avif", b"avis", b"crx ", b"M4A ", b"M4B ", b"M4P ", b"qt  "),
    }
)
"""Brands of pictures, sounds and QuickTime, which come in the same box as MP4."""

DOCUMENT_NAMES = ", ".join(name[1:] for name in _DOCUMENTS)


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may go out."""

    kind: MediaKind
    name: str
    media_type: str
    content: bytes
    width: int | None = None
    height: int | None = None


def examined(name: str, content: bytes) -> Examined:
    """Find out what a file is by what is in it. Raises ``RuleBroken``, saying what would do."""
    name = safe_name(name)
    if not content:
        raise RuleBroken(_("The file is empty."))
    if len(content) < SMALLEST:
        raise _not_to_be_sent()
    if len(content) > LARGEST_UPLOAD:
        raise _too_large(LARGEST_UPLOAD)
    if content[4:8] == b"ftyp" and content[8:12] not in _NO_VIDEOS:
        if len(content) > LARGEST[MediaKind.VIDEO]:
            raise _too_large(LARGEST[MediaKind.VIDEO])
        return Examined(MediaKind.VIDEO, _renamed(name, ".mp4"), "video/mp4", content)
    magic, media_type = _DOCUMENTS.get(PurePosixPath(name).suffix.lower(), (b"", ""))
    if magic and content.startswith(magic):
        return Examined(MediaKind.FILE, name, media_type, content)
    return _picture(name, content)


def cover_of(content: bytes) -> bytes:
    """Return a picture cut to the form of a mini-program's cover, as JPEG."""
    with Image.open(BytesIO(content)) as picture:
        fitted = ImageOps.fit(_flat(picture), COVER)
        return _saved(fitted, "JPEG", quality=_QUALITIES[0])


def safe_name(name: str) -> str:
    """Return a file's name without folders, controls and marks that turn the writing round."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join(
        sign for sign in last if unicodedata.category(sign)[0] not in "CZ" or sign == " "
    )
    path = PurePosixPath(re.sub(r'[<>:"|?*]', "", shown).strip(" .") or "file")
    return path.stem[: 110 - len(path.suffix)] + path.suffix[:10]


def _picture(name: str, content: bytes) -> Examined:
    try:
        with Image.open(BytesIO(content), formats=_PICTURES) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise RuleBroken(
                    _("The picture has more than %(limit)s million pixels. Make it smaller.")
                    % {"limit": MOST_PIXELS // 1_000_000}
                )
            turned = ImageOps.exif_transpose(opened) or opened
            see_through = turned.has_transparency_data
            made = turned.convert("RGBA" if see_through else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError):
        raise _not_to_be_sent() from None
    body, size, is_jpeg = _small_enough(made)
    ending, media_type = (".jpg", "image/jpeg") if is_jpeg else (".png", "image/png")
    return Examined(MediaKind.IMAGE, _renamed(name, ending), media_type, body, *size)


def _small_enough(made: Image.Image) -> tuple[bytes, tuple[int, int], bool]:
    """Write a picture as large as it fits: PNG if one sees through it, else JPEG."""
    for side in _SIDES:
        made.thumbnail((side, side))
        if made.mode == "RGBA":
            body = _saved(made, "PNG", optimize=True)
            if len(body) <= LARGEST[MediaKind.IMAGE]:
                return body, made.size, False
        flat = _flat(made)
        for quality in _QUALITIES:
            body = _saved(flat, "JPEG", quality=quality)
            if len(body) <= LARGEST[MediaKind.IMAGE]:
                return body, made.size, True
    raise _too_large(LARGEST[MediaKind.IMAGE])


def _flat(picture: Image.Image) -> Image.Image:
    """Return the picture on white, where one sees through it."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    written = BytesIO()
    picture.save(written, form, **options)
    return written.getvalue()


def _renamed(name: str, ending: str) -> str:
    return PurePosixPath(name).stem + ending


def _not_to_be_sent() -> RuleBroken:
    return RuleBroken(
        _(
            "This is no file that can be sent. Take a picture (JPEG, PNG, WebP, GIF), an MP4 video, or a document: %(names)s."
        )
        % {"names": DOCUMENT_NAMES}
    )


def _too_large(limit: int) -> RuleBroken:
    return RuleBroken(
        _("The file is too large: at most %(limit)s MB can be sent.") % {"limit": limit // MEGABYTE}
    )
