"""What a message or a welcome may hold (A5, A9): text in bytes, up to nine attachments."""

from dataclasses import dataclass

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Json, World

TEXT_BYTES = 4000
MAX_ATTACHMENTS = 9


@dataclass(frozen=True)
class Content:
    text: str
    attachments: list[Json]


def read_content(world: World, body: Json, at: float) -> Content:
    """The content of a call, checked. Raises ``Refusal``: too large, empty, unknown or expired media."""
    text = fields.text(fields.record(body, "text"), "content", octets=TEXT_BYTES, errcode=45002)
    attachments = fields.records(body, "attachments", most=MAX_ATTACHMENTS)
    if not text and not attachments:
        raise Refusal(40058, "neither text nor attachments", breach="message without content")
    for attachment in attachments:
        kind = fields.text(attachment, "msgtype")
        check = CHECKS.get(kind)
        if check is None:
            raise Refusal(41065, kind)
        check(world, fields.record(attachment, kind), at)
    return Content(text, attachments)


def check_media(world: World, media_id: str, at: float, *, for_moments: bool = False) -> None:
    media = world.media.get(media_id)
    if media is None or media["expires_at"] <= at:
        raise Refusal(40007)
    if media.get("for_moments", False) != for_moments:
        raise Refusal(41072, breach="media uploaded for another purpose")


def _check_image(world: World, part: Json, at: float) -> None:
    picture = fields.text(part, "pic_url")
    if not picture:
        check_media(world, fields.text(part, "media_id"), at)
    elif picture not in world.image_urls:
        raise Refusal(40007, "pic_url", breach="pic_url that did not come from uploadimg")


def _check_link(world: World, part: Json, at: float) -> None:
    if not fields.needed(part, "title") or not fields.needed(part, "url").startswith(
        ("http://", "https://")
    ):
        raise Refusal(45034)
    fields.text(part, "title", octets=128, errcode=45002)
    fields.text(part, "desc", octets=512, errcode=45002)


def _check_miniprogram(world: World, part: Json, at: float) -> None:
    for name in ("title", "appid", "page"):
        fields.needed(part, name)
    fields.text(part, "title", octets=64, errcode=45002)
    check_media(world, fields.text(part, "pic_media_id"), at)


def _check_media(world: World, part: Json, at: float) -> None:
    check_media(world, fields.text(part, "media_id"), at)


CHECKS = {
    "image": _check_image,
    "link": _check_link,
    "miniprogram": _check_miniprogram,
    "video": _check_media,
    "file": _check_media,
}
