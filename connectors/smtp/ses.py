"""What Amazon SES publishes of letters: events of a configuration set, or notifications.

Events repeat the key that letters bring along as a tag; both bring the headers of the letter,
where our Message-ID stands. Those that name none of our letters speak of other mail of the same
account and are left out.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import Receipt, ReceiptKind
from connectors.smtp.mails import ARGUMENT, key_in
from connectors.smtp.statuses import is_dead
from connectors.smtp.windows import iso_moment

_MOST = 50
"""Entries that are looked at in one list."""

_GONE = frozenset({"NoEmail", "Suppressed"})
"""Kinds of permanent bounces that say themselves that nothing gets there."""

_KINDS = {
    "Delivery": ReceiptKind.DELIVERED,
    "Open": ReceiptKind.OPENED,
    "Reject": ReceiptKind.FAILED,
    "Rendering Failure": ReceiptKind.FAILED,
}


def receipts_in(message: str, *, now: datetime) -> list[Receipt]:
    """Read one published record; one that changes nothing, or makes no sense, gives none."""
    try:
        record = json.loads(message)
    except (ValueError, RecursionError):
        return []
    if not isinstance(record, dict):
        return []
    name = str(record.get("eventType") or record.get("notificationType"))
    told = _part(record, name.lower())
    key = _key(_part(record, "mail"))
    kind, why = _judged(name, told)
    if not key or kind is None:
        return []
    return [Receipt(kind, at=iso_moment(told.get("timestamp"), now=now), key=key, why=why)]


def _key(mail: Mapping[str, Any]) -> str:
    tags = _part(mail, "tags").get(ARGUMENT)
    named = [
        *(tags[:1] if isinstance(tags, list) else ()),
        *(
            header.get("value")
            for header in _rows(mail.get("headers"))
            if str(header.get("name")).lower() == "message-id"
        ),
        _part(mail, "commonHeaders").get("messageId"),
    ]
    return next(filter(None, map(key_in, named)), "")


def _judged(name: str, told: Mapping[str, Any]) -> tuple[ReceiptKind | None, str]:
    if name == "Bounce":
        return _bounced(told)
    if name == "Complaint":
        is_none = told.get("complaintFeedbackType") == "not-spam"
        return (None if is_none else ReceiptKind.COMPLAINED), ""
    if name == "Subscription":
        ends = _part(told, "newTopicPreferences").get("unsubscribeAll") is True
        return (ReceiptKind.UNSUBSCRIBED if ends else None), ""
    return _KINDS.get(name), ""


def _bounced(told: Mapping[str, Any]) -> tuple[ReceiptKind | None, str]:
    """Answers of machines come as bounces that pass, and say of no recipient that it failed."""
    rows = _rows(told.get("bouncedRecipients"))
    codes = [str(row.get("status") or "")[:20] for row in rows]
    why = next(filter(None, codes), "")
    if told.get("bounceType") == "Permanent":
        gone = told.get("bounceSubType") in _GONE or is_dead(why)
        return (ReceiptKind.BOUNCED if gone else ReceiptKind.FAILED), why
    failed = any(row.get("action") == "failed" for row in rows)
    return (ReceiptKind.FAILED if failed else None), why


def _rows(found: object) -> list[dict[str, Any]]:
    listed = found[:_MOST] if isinstance(found, list) else []
    return [row for row in listed if isinstance(row, dict)]


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
