"""Mailgun's webhooks: one signed event a call.

The signature (HMAC-SHA256) covers the time and a token, not the event: a token therefore counts
once, whatever is told with it. Events name our letters by their Message-ID.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.base import Receipt, ReceiptKind
from connectors.smtp.mails import key_in
from connectors.smtp.statuses import is_dead
from connectors.smtp.windows import is_recent, moment

OLDEST = timedelta(hours=9)
"""Mailgun tries for 8 hours to tell."""

_DEAD_BEFORE = frozenset({"suppress-bounce"})
_TOLD_BEFORE = {
    "suppress-unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "suppress-complaint": ReceiptKind.COMPLAINED,
}
_KINDS = {
    "delivered": ReceiptKind.DELIVERED,
    "complained": ReceiptKind.COMPLAINED,
    "unsubscribed": ReceiptKind.UNSUBSCRIBED,
}


def signed_token(call: object, *, key: str, now: datetime) -> str:
    """Return the token of a call that is Mailgun's and recent, and nothing for any other."""
    signed = _part(call, "signature")
    timestamp, token = str(signed.get("timestamp", "")), signed.get("token")
    signature = signed.get("signature")
    if not isinstance(token, str) or not isinstance(signature, str) or not token:
        return ""
    mine = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mine.encode(), signature.encode()):
        return ""
    return token if is_recent(timestamp, oldest=OLDEST, now=now) else ""


def receipts_in(call: object, *, now: datetime) -> list[Receipt]:
    """Read the event of a call; one that changes nothing gives none."""
    event = _part(call, "event-data")
    headers = _part(_part(event, "message"), "headers")
    key = key_in(headers.get("message-id"))
    if not key:
        return []
    at = moment(event.get("timestamp"), now=now)
    return [Receipt(kind, at=at, key=key, why=_code(event)) for kind in _kinds(event)]


def _kinds(event: Mapping[str, Any]) -> list[ReceiptKind]:
    name = event.get("event")
    if name == "opened":
        is_machine = bool(_part(event, "client-info").get("bot"))
        return [] if is_machine else [ReceiptKind.OPENED]
    if name == "failed":
        return _failed(event)
    kind = _KINDS.get(str(name))
    return [kind] if kind else []


def _failed(event: Mapping[str, Any]) -> list[ReceiptKind]:
    """What failed for the moment goes again at Mailgun, and is no news yet."""
    if event.get("severity") != "permanent":
        return []
    reason = str(event.get("reason"))
    if reason in _TOLD_BEFORE:
        return [ReceiptKind.FAILED, _TOLD_BEFORE[reason]]
    if reason in _DEAD_BEFORE or is_dead(_code(event)):
        return [ReceiptKind.BOUNCED]
    return [ReceiptKind.FAILED]


def _code(event: Mapping[str, Any]) -> str:
    status = _part(event, "delivery-status")
    enhanced = str(status.get("enhanced-code") or "")
    return (enhanced or str(status.get("code") or ""))[:20]


def _part(whole: object, name: str) -> Mapping[str, Any]:
    part = whole.get(name) if isinstance(whole, Mapping) else None
    return part if isinstance(part, Mapping) else {}
