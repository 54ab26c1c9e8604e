"""Signatures after Standard Webhooks: HMAC-SHA256 over id, time and body."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
RANDOM_BYTES = 32


def make_secret() -> str:
    """Return a new secret of 256 random bits: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(RANDOM_BYTES)).decode()


def signed_headers(
    message_id: str, timestamp: int, body: bytes, secrets_now: Iterable[str]
) -> dict[str, str]:
    """Return the three headers; with several secrets the receiver finds theirs among them.

    Raises ``ValueError`` for a secret that is none.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets_now),
    }


def _signature(secret: str, content: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not a secret of a webhook") from error
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
