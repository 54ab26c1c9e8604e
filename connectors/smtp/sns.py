"""Amazon SNS, which brings what SES publishes: signed calls about topics that we know.

The signature (RSA with SHA-1 or SHA-256) covers what is told, the time and the topic. It is
checked with the certificate that the call names, which must lie at SNS itself, in the region of
the topic, and is fetched over TLS once and kept. A new subscription is confirmed the same way.
"""

import base64
import logging
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from connectors.smtp.windows import is_recent_iso

logger = logging.getLogger(__name__)

OLDEST = timedelta(hours=25)
"""SNS tries for about an hour to tell, unless it is set up otherwise."""

SECONDS = 5.0
"""How long SNS may take to answer."""

_BREATH = 1.0
"""Seconds between two looks for certificates, whoever makes us look."""

_MOST_KEPT = 16
_LARGEST = 65_536
_TOPIC = re.compile(
    r"arn:aws(-cn)?:sns:([a-z]{2}(?:-[a-z]{2,10}){1,3}-\d{1,2}):\d{12}:[\w.-]{1,256}"
)
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9a-f]{16,64}\.pem")
_HASHES = {"1": SHA1, "2": SHA256}
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]


class NotSigned(Exception):
    """The call is not proven to come from SNS, about a topic of ours."""


class Unreachable(Exception):
    """SNS must be asked something and cannot be asked now; the call may come again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One call of SNS, proven."""

    kind: str
    id: str
    topic: str
    text: str
    token: str


class Topics:
    """The topics that we know. Raises ``ValueError`` for what is none.

    ``via`` is where SNS is reached instead of at its own address, for networks without a way out.
    """

    def __init__(self, topics: list[str], *, via: str = "") -> None:
        if not topics or not all(map(_TOPIC.fullmatch, topics)):
            raise ValueError(
                "SES_TOPIC_ARN must look like arn:aws:sns:eu-west-1:123456789012:name."
            )
        self._topics, self._via = frozenset(topics), via.rstrip("/")

    def heard(self, call: object, *, now: datetime) -> Message:
        """Return what a call says. Raises ``NotSigned``, ``Unreachable``."""
        fields = _texts(call)
        kind, topic = fields.get("Type", ""), fields.get("TopicArn", "")
        signed = _SIGNED.get(kind)
        if signed is None or topic not in self._topics:
            raise NotSigned
        if not is_recent_iso(fields.get("Timestamp", ""), oldest=OLDEST, now=now):
            raise NotSigned
        words = "".join(f"{name}\n{fields[name]}\n" for name in signed if name in fields)
        public = self._public_key(fields.get("SigningCertURL", ""), topic, now)
        _check(public, fields, words.encode())
        return Message(
            kind,
            fields.get("MessageId", ""),
            topic,
            fields.get("Message", ""),
            fields.get("Token", ""),
        )

    def confirm(self, message: Message) -> None:
        """Let SNS know that we want to hear of the topic. Raises ``Unreachable``."""
        asked = {"Action": "ConfirmSubscription", "TopicArn": message.topic, "Token": message.token}
        _get(f"{self._via or _home(message.topic)}/?{urlencode(asked)}")
        logger.info("the subscription of %s is confirmed", message.topic)

    def _public_key(self, address: str, topic: str, now: datetime) -> RSAPublicKey:
        home = _home(topic)
        path = address.removeprefix(home)
        if not address.startswith(home) or not _CERTIFICATE.fullmatch(path):
            raise NotSigned
        certificate = _certificates.at(f"{self._via or home}{path}")
        public = certificate.public_key()
        good = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if not good or not isinstance(public, RSAPublicKey):
            raise NotSigned
        return public


class _Certificates:
    """Certificates that were fetched. Strangers cannot make us fetch one after the other."""

    def __init__(self) -> None:
        self._kept: dict[str, x509.Certificate] = {}
        self._lock = threading.Lock()
        self._next_look = 0.0

    def at(self, address: str) -> x509.Certificate:
        """Return the certificate at an address. Raises ``Unreachable``."""
        if (kept := self._kept.get(address)) is not None:
            return kept
        with self._lock:
            if time.monotonic() < self._next_look:
                raise Unreachable
            self._next_look = time.monotonic() + _BREATH
        try:
            found = x509.load_pem_x509_certificate(_get(address))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Unreachable from error
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[address] = found
        return found


_certificates = _Certificates()


def _home(topic: str) -> str:
    found = _TOPIC.fullmatch(topic)
    if found is None:
        raise NotSigned
    return f"https://sns.{found[2]}.amazonaws.com" + (".cn" if found[1] else "")


def _check(public: RSAPublicKey, fields: Mapping[str, str], words: bytes) -> None:
    algorithm = _HASHES.get(fields.get("SignatureVersion", ""))
    if algorithm is None:
        raise NotSigned
    try:
        signature = base64.b64decode(fields.get("Signature", ""), validate=True)
        public.verify(signature, words, PKCS1v15(), algorithm())
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as error:
        raise NotSigned from error


def _texts(call: object) -> dict[str, str]:
    items = call.items() if isinstance(call, dict) else ()
    return {name: value for name, value in items if isinstance(value, str)}


def _get(address: str) -> bytes:
    """Fetch a little from SNS; redirects lead nowhere. Raises ``Unreachable``."""
    here = urlsplit(address).hostname in {"localhost", "127.0.0.1", "::1"}
    received = bytearray()
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=not here) as http,
            http.stream("GET", address) as response,
        ):
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > _LARGEST:
                    raise Unreachable
    except httpx.HTTPError as error:
        logger.warning("SNS cannot be asked: %s", type(error).__name__)
        raise Unreachable from error
    if response.status_code != httpx.codes.OK:
        logger.warning("SNS answered with HTTP %s", response.status_code)
        raise Unreachable
    return bytes(received)
