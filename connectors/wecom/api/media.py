"""Files (WeCom docs 90253, 90256, 95098)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectors.wecom.api.fields import moment, require, text
from connectors.wecom.client import WeComClient

MEGABYTE = 1024 * 1024
SMALLEST = 6


class MediaKind(StrEnum):
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"


LARGEST = {
    MediaKind.IMAGE: 2 * MEGABYTE,
    MediaKind.VOICE: 2 * MEGABYTE,
    MediaKind.VIDEO: 10 * MEGABYTE,
    MediaKind.FILE: 20 * MEGABYTE,
}


@dataclass(frozen=True, slots=True)
class MediaFile:
    name: str
    content: bytes
    mime_type: str


@dataclass(frozen=True, slots=True)
class Media:
    """A file that WeCom keeps for three days from ``created_at``."""

    media_id: str
    created_at: datetime | None


def upload_media(client: WeComClient, kind: MediaKind, file: MediaFile) -> Media:
    """Upload a file to attach to messages. Raises ``ValueError`` if WeCom takes none of its size."""
    _require_size(file, LARGEST[kind])
    sent = (file.name, file.content, file.mime_type)
    answer = client.upload("media/upload", sent, params={"type": kind.value})
    return Media(text(answer, "media_id"), moment(answer, "created_at"))


def upload_for_moments(client: WeComClient, kind: MediaKind, file: MediaFile) -> Media:
    """Upload a picture or a video to attach to moments, which take no other files (docs 95098)."""
    _require_size(file, LARGEST[kind])
    sent = (file.name, file.content, file.mime_type)
    params = {"media_type": kind.value, "attachment_type": "1"}
    answer = client.upload("media/upload_attachment", sent, params=params)
    return Media(text(answer, "media_id"), moment(answer, "created_at"))


def upload_image(client: WeComClient, file: MediaFile) -> str:
    """Upload an image for good and return its address, which only WeCom's messages may show."""
    _require_size(file, LARGEST[MediaKind.IMAGE])
    sent = (file.name, file.content, file.mime_type)
    return text(client.upload("media/uploadimg", sent), "url")


def _require_size(file: MediaFile, most: int) -> None:
    size = len(file.content)
    why = f"a file of {size} bytes: WeCom takes {SMALLEST} to {most}"
    require(sound=SMALLEST <= size <= most, why=why)
