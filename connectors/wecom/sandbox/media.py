"""A13: uploads. The front door has read the file; here are its name, size and digest."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.clock import DAY
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, World

MEGABYTE = 1024 * 1024
MAX_BYTES = {
    "image": 2 * MEGABYTE,
    "voice": 2 * MEGABYTE,
    "video": 10 * MEGABYTE,
    "file": 20 * MEGABYTE,
}
MIN_BYTES = 5
VALID_SECONDS = 3 * DAY
IMAGES_PER_DAY = 1000


def upload(world: World, call: Call) -> Json:
    """A media_id that is valid for three days."""
    kind = call.query.get("type", "")
    if kind not in MAX_BYTES:
        raise Refusal(40004, kind)
    _check_size(call, MAX_BYTES[kind])
    media_id = world.new_id("media-")
    world.media[media_id] = {**call.body, "type": kind, "expires_at": call.at + VALID_SECONDS}
    return {"type": kind, "media_id": media_id, "created_at": str(int(call.at))}


def upload_attachment(world: World, call: Call) -> Json:
    """A media_id for moments alone, valid for three days."""
    kind = call.query.get("media_type", "")
    if kind not in {"image", "video"}:
        raise Refusal(40004, kind)
    if call.query.get("attachment_type") != "1":
        raise Refusal(40058, "attachment_type")
    _check_size(call, MAX_BYTES[kind])
    media_id = world.new_id("moment-media-")
    expires_at = call.at + VALID_SECONDS
    world.media[media_id] = {
        **call.body, "type": kind, "expires_at": expires_at, "for_moments": True,
    }  # fmt: skip
    return {"type": kind, "media_id": media_id, "created_at": str(int(call.at))}


def uploadimg(world: World, call: Call) -> Json:
    """An address for pic_url that never expires; at most 1,000 a day."""
    _check_size(call, MAX_BYTES["image"])
    today = [m for m in world.media.values() if m["type"] == "img" and m["at"] > call.at - DAY]
    if len(today) >= IMAGES_PER_DAY:
        raise Refusal(45009, breach="more than 1,000 uploadimg in a day")
    url = f"https://img.invalid/{world.new_id('img')}.png"
    world.media[url] = {**call.body, "type": "img", "at": call.at, "expires_at": 0.0}
    world.image_urls.add(url)
    return {"url": url}


def _check_size(call: Call, most: int) -> None:
    size = fields.number(call.body, "size")
    if size <= MIN_BYTES:
        raise Refusal(44001)
    if size > most:
        raise Refusal(40009, breach=f"upload of {size} bytes, {most} allowed")
