"""What gateways and providers tell us by calling: receipts and answers, once it is sure who calls.

Providers whose calls are signed are told by the signature. All others bring the key that stands
in the address which they were given.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.base import Receipt, ReceiptKind
from connectors.sms import aliyun, twilio
from connectors.sms.formats import login_of
from connectors.smtp import mailgun, postmark, sendgrid, ses, sns

MOST = 1000
"""Receipts in one call."""

_LENGTHS = {"reference": 120, "key": 64, "address": 255, "text": 4000, "why": 120}


class NotTheirs(Exception):
    """The call is not proven to come from the provider."""


class Senseless(Exception):
    """The call is the provider's, and cannot be read."""


@dataclass(frozen=True, slots=True)
class Told:
    """One call as it came in. ``has_key`` says whether it brought our key in its address."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    has_key: bool


def read_sms(told: Told, *, sms_url: str, now: datetime) -> list[Receipt]:
    """Read a call about SMS in the format of ``SMS_URL``. Raises ``NotTheirs``, ``Senseless``."""
    parts = urlsplit(sms_url)
    if parts.scheme.startswith("twilio+"):
        return _read_twilio(told, token=login_of(parts)[1], now=now)
    if not told.has_key:
        raise NotTheirs
    if parts.scheme.startswith("aliyun+"):
        return aliyun.receipts_in(_json(told.body), now=now)
    return read_rows(_json(told.body), now=now)


def answer_to_sms(sms_url: str) -> dict[str, Any]:
    """Return what the gateway wants to hear when its call was taken; empty if it wants nothing."""
    return aliyun.RECEIVED if urlsplit(sms_url).scheme.startswith("aliyun+") else {}


def read_mail(told: Told, *, now: datetime) -> list[Receipt]:
    """Read a call about e-mail, in our own format. Raises ``NotTheirs``, ``Senseless``."""
    if not told.has_key:
        raise NotTheirs
    return read_rows(_json(told.body), now=now)


def read_sendgrid(told: Told, *, key: str, now: datetime) -> list[Receipt]:
    """Read a call of SendGrid's event webhook. Raises ``NotTheirs``, ``Senseless``."""
    if not sendgrid.is_signed(told.headers, told.body, key=key, now=now):
        raise NotTheirs
    return sendgrid.receipts_in(_json(told.body), now=now)


def read_mailgun(told: Told, *, key: str, now: datetime) -> tuple[str, list[Receipt]]:
    """Read a call of a Mailgun webhook: the token, which counts once, and what is told with it.

    Raises ``NotTheirs`` also for what cannot be read: there is no signature in it.
    """
    try:
        call = _json(told.body)
    except Senseless as error:
        raise NotTheirs from error
    token = mailgun.signed_token(call, key=key, now=now)
    if not token:
        raise NotTheirs
    return token, mailgun.receipts_in(call, now=now)


def read_postmark(told: Told, *, key: str, now: datetime) -> list[Receipt]:
    """Read a call of a Postmark webhook. Raises ``NotTheirs``, ``Senseless``."""
    if not postmark.is_let_in(told.headers, key=key):
        raise NotTheirs
    return postmark.receipts_in(_json(told.body), now=now)


def read_ses(told: Told, *, topics: sns.Topics, now: datetime) -> tuple[str, list[Receipt]]:
    """Read a call of Amazon SNS: the number of what it tells, and what SES has published with it.

    A subscription is confirmed on the way. Raises ``NotTheirs`` also for what cannot be read, and
    ``sns.Unreachable``.
    """
    try:
        message = topics.heard(_json(told.body), now=now)
    except (Senseless, sns.NotSigned) as error:
        raise NotTheirs from error
    if message.kind == "SubscriptionConfirmation":
        topics.confirm(message)
    if message.kind != "Notification":
        return message.id, []
    return message.id, ses.receipts_in(message.text, now=now)


def read_rows(rows: object, *, now: datetime) -> list[Receipt]:
    """Read a list in our own format: ``[{"kind", "at", "reference", "key", "address", "text"}]``.

    Raises ``Senseless``.
    """
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list) or len(rows) > MOST:
        raise Senseless
    return [_receipt(row, now=now) for row in rows]


def row_of(receipt: Receipt) -> dict[str, str]:
    """Return a receipt as a row that ``read_rows`` reads."""
    row = {"kind": receipt.kind.value, "at": receipt.at.isoformat() if receipt.at else ""}
    return row | {name: getattr(receipt, name) for name in _LENGTHS}


def _receipt(row: Any, *, now: datetime) -> Receipt:
    if not isinstance(row, dict):
        raise Senseless
    texts = {name: row.get(name) or "" for name in _LENGTHS}
    if not all(isinstance(text, str) for text in texts.values()):
        raise Senseless
    cut = {name: texts[name].replace("\0", "")[:most] for name, most in _LENGTHS.items()}
    try:
        kind = ReceiptKind(str(row.get("kind")))
        at = datetime.fromisoformat(row["at"]) if row.get("at") else now
    except (TypeError, ValueError) as error:
        raise Senseless from error
    if at.tzinfo is None:
        raise Senseless
    return Receipt(kind, at=min(at, now), **cut)


def _read_twilio(told: Told, *, token: str, now: datetime) -> list[Receipt]:
    try:
        form = dict(parse_qsl(told.body.decode(), keep_blank_values=True))
    except UnicodeDecodeError as error:
        raise Senseless from error
    signature = told.headers.get("X-Twilio-Signature", "")
    if not token or not signature.isascii():
        raise NotTheirs
    if not twilio.is_signed(told.url, form, signature, token=token):
        raise NotTheirs
    receipt = twilio.receipt_in(form, now=now)
    return [receipt] if receipt else []


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Senseless from error
