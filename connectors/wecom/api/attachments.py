"""What can be attached to a message to customers (WeCom docs 92135, 92137).

Each function returns one attachment in WeCom's form and raises ``ValueError`` for words that are
longer than WeCom takes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.wecom.api.fields import require, require_at_most, require_bytes, without_empty

MAX_TEXT_BYTES = 4000
MAX_ATTACHMENTS = 9

Attachment = Mapping[str, Any]


def image(media_id: str) -> Attachment:
    return {"msgtype": "image", "image": {"media_id": media_id}}


def uploaded_image(url: str) -> Attachment:
    """An image whose address ``upload_image`` gave; WeCom takes no others."""
    return {"msgtype": "image", "image": {"pic_url": url}}


def video(media_id: str) -> Attachment:
    return {"msgtype": "video", "video": {"media_id": media_id}}


def file(media_id: str) -> Attachment:
    return {"msgtype": "file", "file": {"media_id": media_id}}


def link(title: str, url: str, *, description: str = "", picture_url: str = "") -> Attachment:
    require_bytes(title, 128, "title")
    require_bytes(description, 512, "description")
    fields = {"title": title, "url": url, "desc": description, "picurl": picture_url}
    return {"msgtype": "link", "link": without_empty(fields)}


def moment_link(title: str, url: str, *, picture_media_id: str = "") -> Attachment:
    """A link in a moment, whose picture was uploaded for moments (docs 95095)."""
    fields = {"title": title, "url": url, "media_id": picture_media_id}
    return {"msgtype": "link", "link": without_empty(fields)}


def mini_program(title: str, app_id: str, page: str, *, picture_media_id: str) -> Attachment:
    require_bytes(title, 64, "title")
    fields = {"title": title, "appid": app_id, "page": page, "pic_media_id": picture_media_id}
    return {"msgtype": "miniprogram", "miniprogram": fields}


def words(text: str, attachments: Sequence[Attachment]) -> dict[str, Any]:
    """Return text and attachments in WeCom's form.

    Raises ``ValueError`` when both are empty, the text is longer than 4,000 bytes, or there are
    more than nine attachments.
    """
    require(sound=bool(text or attachments), why="a message needs a text or an attachment")
    require_bytes(text, MAX_TEXT_BYTES, "text")
    require_at_most(attachments, MAX_ATTACHMENTS, "attachments")
    content = {"content": text} if text else {}
    return without_empty({"text": content, "attachments": [dict(item) for item in attachments]})
