"""Postmark's webhooks: one event a call, from a caller who knows the password in the address.

Postmark signs nothing: its address carries a user and a password (RFC 7617), over TLS. Events
repeat the key that letters bring along as metadata; those that name none of our letters speak of
other mail of the same server and are left out.
"""

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.base import Receipt, ReceiptKind
from connectors.smtp.mails import ARGUMENT, key_in
from connectors.smtp.windows import iso_moment

Event = Mapping[str, Any]

_TIMES = ("BouncedAt", "DeliveredAt", "ReceivedAt", "ChangedAt")
_DEAD = frozenset({"HardBounce", "BadEmailAddress"})
_NO_NEWS = frozenset(
    {"Transient", "AutoResponder", "AddressChange", "Subscribe", "ChallengeVerification"}
)
"""Kinds of bounces after which the letter may have arrived, or is still tried."""

_WISHES = {"Unsubscribe": ReceiptKind.UNSUBSCRIBED, "SpamComplaint": ReceiptKind.COMPLAINED}
_KINDS = {
    "Delivery": ReceiptKind.DELIVERED,
    "Open": ReceiptKind.OPENED,
    "SpamComplaint": ReceiptKind.COMPLAINED,
}


def is_let_in(headers: Mapping[str, str], *, key: str) -> bool:
    """Whether a call brings the password, whatever user it names."""
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    try:
        login = base64.b64decode(given.strip(), validate=True)
    except ValueError:
        return False
    password = login.partition(b":")[2]
    return scheme.lower() == "basic" and hmac.compare_digest(password, key.encode())


def receipts_in(event: object, *, now: datetime) -> list[Receipt]:
    """Read the event of a call; one that changes nothing gives none."""
    if not isinstance(event, Mapping):
        return []
    metadata = event.get("Metadata")
    key = key_in(metadata.get(ARGUMENT)) if isinstance(metadata, Mapping) else ""
    kind = _kind(event)
    if not key or kind is None:
        return []
    at = next((event[name] for name in _TIMES if name in event), None)
    why = str(event.get("Type") or "")[:20]
    return [Receipt(kind, at=iso_moment(at, now=now), key=key, why=why)]


def _kind(event: Event) -> ReceiptKind | None:
    name = str(event.get("RecordType"))
    if name == "Bounce":
        return _bounced(str(event.get("Type")))
    if name == "SubscriptionChange":
        return _changed(event)
    return _KINDS.get(name)


def _bounced(kind: str) -> ReceiptKind | None:
    if kind in _WISHES:
        return _WISHES[kind]
    if kind in _NO_NEWS:
        return None
    return ReceiptKind.BOUNCED if kind in _DEAD else ReceiptKind.FAILED


def _changed(event: Event) -> ReceiptKind | None:
    """Who was put on the list of no more mails by themselves; bounces are told apart."""
    if event.get("SuppressSending") is not True:
        return None
    if event.get("SuppressionReason") == "SpamComplaint":
        return ReceiptKind.COMPLAINED
    own = event.get("SuppressionReason") == "ManualSuppression"
    return ReceiptKind.UNSUBSCRIBED if own and event.get("Origin") == "Recipient" else None
