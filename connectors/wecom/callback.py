"""What WeCom sends to us: verified first, then decrypted, then read (WeCom docs 90930, 96361).

Answer a ``BadCallback`` with 400 and nothing else, an event with 200 and an empty body within
five seconds, whatever the event is. WeCom repeats a callback byte for byte up to three times:
``Event.key`` is the same each time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from connectors.wecom.api.fields import storable
from connectors.wecom.callback_xml import BadXml, read_fields
from connectors.wecom.config import WeComConfig
from connectors.wecom.crypto import Unreadable, decrypt, encrypt, is_signed, sign

BODY_LIMIT = 64 * 1024
QUERY_LIMIT = 512
MAX_AGE = timedelta(minutes=5)


class BadCallback(Exception):
    """Not a callback of WeCom for us.

    The text is the same for every reason, so that it may be shown; ``reason`` is for our log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("not a callback for us")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """One callback, read. Fields that WeCom left out are empty; ``fields`` has them all.

    ``create_time`` is in epoch seconds, 0 if unknown. ``xml`` is the decrypted text, without
    what no database stores (NUL). ``key`` identifies the callback, however often it is sent.
    """

    event: str
    change_type: str
    user_id: str
    external_user_id: str
    state: str
    welcome_code: str
    fail_reason: str
    source: str
    create_time: int
    xml: str
    key: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed callback: what goes into the query of the address, and the body."""

    query: dict[str, str]
    body: bytes = b""


def verify_url(config: WeComConfig, query: Mapping[str, str]) -> str:
    """Return what to answer, as plain text and nothing else, when WeCom checks our address.

    Raises ``BadCallback``.
    """
    encrypted = query.get("echostr", "").replace(" ", "+")
    return _open(config, query, encrypted, now=None).decode(errors="replace")


def open_envelope(
    config: WeComConfig, query: Mapping[str, str], body: bytes, *, now: datetime | None = None
) -> Event:
    """Return the event in a callback; nothing of it is believed before its signature fits.

    With ``now``, a signed time more than five minutes off is refused too. Raises
    ``BadCallback``; its caller has stored nothing and echoes nothing.
    """
    if len(body) > BODY_LIMIT:
        raise BadCallback("too long")
    try:
        encrypted = read_fields(body).get("Encrypt", "")
    except BadXml as error:
        raise BadCallback(f"envelope: {error}") from error
    return read_event(_open(config, query, encrypted, now=now))


def seal_envelope(
    config: WeComConfig, xml: str, *, timestamp: int, nonce: str, salt: bytes = b""
) -> Envelope:
    """Return the callback that WeCom would send for this XML: for the sandbox and for tests."""
    encrypted = encrypt(config.callback_aes_key, xml.encode(), config.corp_id, salt=salt)
    body = (
        f"<xml><ToUserName>{escape(config.corp_id)}</ToUserName>"
        f"<AgentID>{escape(config.agent_id)}</AgentID><Encrypt>{encrypted}</Encrypt></xml>"
    )
    return Envelope(_query(config, encrypted, timestamp, nonce), body.encode())


def seal_check(
    config: WeComConfig, echo: str, *, timestamp: int, nonce: str, salt: bytes = b""
) -> Envelope:
    """Return the check of our address that WeCom would send: a query without a body."""
    encrypted = encrypt(config.callback_aes_key, echo.encode(), config.corp_id, salt=salt)
    return Envelope({**_query(config, encrypted, timestamp, nonce), "echostr": encrypted})


def _query(config: WeComConfig, encrypted: str, timestamp: int, nonce: str) -> dict[str, str]:
    signature = sign(config.callback_token, str(timestamp), nonce, encrypted)
    return {"msg_signature": signature, "timestamp": str(timestamp), "nonce": nonce}


def _open(
    config: WeComConfig, query: Mapping[str, str], encrypted: str, *, now: datetime | None
) -> bytes:
    names = ("msg_signature", "timestamp", "nonce")
    signature, timestamp, nonce = (query.get(name, "") for name in names)
    if not (signature and encrypted) or len(encrypted) > BODY_LIMIT:
        raise BadCallback("incomplete")
    if any(len(value) > QUERY_LIMIT for value in (signature, timestamp, nonce)):
        raise BadCallback("too long")
    if not is_signed(signature, config.callback_token, timestamp, nonce, encrypted):
        raise BadCallback("signature")
    if now and abs(now.timestamp() - _seconds(timestamp)) > MAX_AGE.total_seconds():
        raise BadCallback("signed too long ago")
    try:
        return decrypt(config.callback_aes_key, encrypted, config.corp_id)
    except Unreadable as error:
        raise BadCallback(str(error)) from error


def read_event(message: bytes) -> Event:
    xml = storable(message.decode(errors="replace"))
    try:
        fields = read_fields(xml)
    except BadXml as error:
        raise BadCallback(f"message: {error}") from error
    return Event(
        event=fields.get("Event", ""),
        change_type=fields.get("ChangeType", ""),
        user_id=fields.get("UserID", ""),
        external_user_id=fields.get("ExternalUserID", ""),
        state=fields.get("State", ""),
        welcome_code=fields.get("WelcomeCode", ""),
        fail_reason=fields.get("FailReason", ""),
        source=fields.get("Source", ""),
        create_time=_seconds(fields.get("CreateTime", "")),
        xml=xml,
        key=hashlib.sha256(message).hexdigest(),
        fields=fields,
    )


def _seconds(text: str) -> int:
    """Read epoch seconds; 0 for anything else, also for numbers that no column holds."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
