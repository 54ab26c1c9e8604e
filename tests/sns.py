"""Amazon SNS on this machine: certificates, confirmations, and calls signed as it signs them."""

import base64
import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:eu-west-1:123456789012:letters"
HOME = "https://sns.eu-west-1.amazonaws.com"
KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)


def certificate(key: rsa.RSAPrivateKey = KEY, *, days: float = 30) -> bytes:
    """A certificate of this key that is good for so many days yet."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = dt.datetime.now(tz=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - dt.timedelta(days=90))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@dataclass
class Sns:
    """What SNS has at hand, and what was asked of it."""

    url: str = ""
    pem: bytes = field(default_factory=certificate)
    status: int = 200
    asked: list[str] = field(default_factory=list)

    def certificate_url(self) -> str:
        """An address at which nobody has looked yet."""
        return f"{HOME}/SimpleNotificationService-{uuid4().hex}.pem"


@contextmanager
def open_sns() -> Iterator[Sns]:
    """Run SNS for the length of a test."""
    sns = Sns()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sns.asked.append(self.path)
            self.send_response(sns.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(sns.pem)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    sns.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield sns
    finally:
        server.shutdown()
        server.server_close()


def call(
    message: object,
    cert: str,
    *,
    kind: str = "Notification",
    key: rsa.RSAPrivateKey = KEY,
    version: str = "2",
    **fields: Any,
) -> dict[str, Any]:
    """A call of SNS about a topic, signed; ``fields`` replace what it has else."""
    told: dict[str, Any] = {
        "Type": kind,
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds")[:23] + "Z",
        "SignatureVersion": version,
        "SigningCertURL": cert,
        **fields,
    }
    if kind != "Notification":
        told |= {"Token": "a-token", "SubscribeURL": f"{HOME}/?Action=ConfirmSubscription"}
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn",
             "Type"]  # fmt: skip
    words = "".join(f"{name}\n{told[name]}\n" for name in names if name in told)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303  # SNS does it
    signature = key.sign(words.encode(), padding.PKCS1v15(), algorithm)
    return told | {"Signature": base64.b64encode(signature).decode()}
