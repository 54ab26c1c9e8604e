"""SendGrid's event webhook: a signed list of what became of letters.

The signature (ECDSA over P-256 with SHA-256) covers the time and the body as it came in. Events
name our key in the argument that letters bring along, or by the Message-ID; those that name none
of our letters speak of other mail of the same account and are left out.
"""

import base64
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from connectors.base import Receipt, ReceiptKind
from connectors.smtp.mails import ARGUMENT, key_in
from connectors.smtp.statuses import is_dead
from connectors.smtp.windows import is_recent, moment

logger = logging.getLogger(__name__)

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"

OLDEST = timedelta(hours=25)
"""SendGrid tries for 24 hours to tell; the same call again has no effect in that time."""

Event = Mapping[str, Any]


def is_signed(headers: Mapping[str, str], body: bytes, *, key: str, now: datetime) -> bool:
    """Whether a call is SendGrid's and recent; ``key`` is the verification key it shows."""
    timestamp = headers.get(TIMESTAMP, "")
    public = _public_key(key)
    if public is None or not is_recent(timestamp, oldest=OLDEST, now=now):
        return False
    try:
        signature = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
        public.verify(signature, timestamp.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def receipts_in(events: object, *, now: datetime) -> list[Receipt]:
    """Read the events of one call; those that change nothing are left out."""
    found = []
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        key = key_in(event.get(ARGUMENT)) or key_in(event.get("smtp-id"))
        read = _KINDS.get(str(event.get("event")))
        if not key or read is None:
            continue
        at = moment(event.get("timestamp"), now=now)
        why = str(event.get("status") or "")[:20]
        found += [Receipt(kind, at=at, key=key, why=why) for kind in read(event)]
    return found


def _public_key(key: str) -> EllipticCurvePublicKey | None:
    lines = [line for line in key.split() if line]
    words = "".join(lines).replace("-----BEGINPUBLICKEY-----", "")
    try:
        public = load_der_public_key(
            base64.b64decode(words.replace("-----ENDPUBLICKEY-----", ""), validate=True)
        )
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, EllipticCurvePublicKey):
        logger.error("SENDGRID_WEBHOOK_KEY is not the verification key that SendGrid shows")
        return None
    return public


def _delivered(_event: Event) -> list[ReceiptKind]:
    return [ReceiptKind.DELIVERED]


def _opened(event: Event) -> list[ReceiptKind]:
    return [] if event.get("sg_machine_open") is True else [ReceiptKind.OPENED]


def _bounced(event: Event) -> list[ReceiptKind]:
    """Only some of what SendGrid calls a bounce says that nothing will ever get there."""
    if event.get("type") != "blocked" and (
        is_dead(str(event.get("status") or ""))
        or event.get("bounce_classification") == "Invalid Address"
    ):
        return [ReceiptKind.BOUNCED]
    return [ReceiptKind.FAILED]


_DROPPED = {
    "bounced address": [ReceiptKind.BOUNCED],
    "invalid": [ReceiptKind.BOUNCED],
    "unsubscribed address": [ReceiptKind.FAILED, ReceiptKind.UNSUBSCRIBED],
    "spam reporting address": [ReceiptKind.FAILED, ReceiptKind.COMPLAINED],
}
"""Why SendGrid did not even try: it remembers what became of mails before."""


def _dropped(event: Event) -> list[ReceiptKind]:
    return _DROPPED.get(str(event.get("reason") or "").lower(), [ReceiptKind.FAILED])


def _complained(_event: Event) -> list[ReceiptKind]:
    return [ReceiptKind.COMPLAINED]


def _unsubscribed(_event: Event) -> list[ReceiptKind]:
    return [ReceiptKind.UNSUBSCRIBED]


_KINDS: dict[str, Callable[[Event], list[ReceiptKind]]] = {
    "delivered": _delivered,
    "open": _opened,
    "bounce": _bounced,
    "dropped": _dropped,
    "spamreport": _complained,
    "unsubscribe": _unsubscribed,
    "group_unsubscribe": _unsubscribed,
}
