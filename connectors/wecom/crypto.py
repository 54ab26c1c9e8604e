"""The envelope of WeCom's callbacks: signed with SHA-1, encrypted with AES-256-CBC.

Protocol: WeCom docs 90968. The padding is PKCS#7 with blocks of 32 bytes, not of 16; the plain
text is 16 random bytes, the length of the message, the message, and the id of the receiver.
"""

import base64
import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from connectors.wecom.error_table import BAD_AES_KEY
from connectors.wecom.errors import NO_ANSWER, ConfigProblem

BLOCK = 32
AES_BLOCK = 16
SALT = 16
LENGTH = 4


class Unreadable(Exception):
    """The text was not encrypted with our key for this receiver."""


def sign(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the ``msg_signature`` of an encrypted text, in hexadecimal."""
    parts = sorted([token, timestamp, nonce, encrypted])
    return hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()


def is_signed(signature: str, token: str, timestamp: str, nonce: str, encrypted: str) -> bool:
    """Whether the signature fits, compared in constant time; false for an empty token."""
    try:
        expected = sign(token, timestamp, nonce, encrypted).encode()
        given = signature.encode()
    except UnicodeEncodeError:
        return False
    return bool(token) and hmac.compare_digest(expected, given)


def decrypt(aes_key: str, encrypted: str, receive_id: str) -> bytes:
    """Return the message inside. Raises ``Unreadable``, and ``ConfigProblem`` for a bad key."""
    key = _key(aes_key)
    try:
        sealed = base64.b64decode(encrypted, validate=True)
    except ValueError as error:
        raise Unreadable("not base64") from error
    if not sealed or len(sealed) % AES_BLOCK:
        raise Unreadable("not whole blocks")
    decryptor = Cipher(AES(key), CBC(key[:AES_BLOCK])).decryptor()
    plain = _without_padding(decryptor.update(sealed) + decryptor.finalize())
    start = SALT + LENGTH
    end = start + int.from_bytes(plain[SALT:start], "big")
    if len(plain) < start or end > len(plain):
        raise Unreadable("wrong length")
    if not hmac.compare_digest(plain[end:], receive_id.encode()):
        raise Unreadable("another receiver")
    return plain[start:end]


def encrypt(aes_key: str, message: bytes, receive_id: str, *, salt: bytes = b"") -> str:
    """Return the message encrypted for the receiver; ``salt`` is fixed only by tests."""
    key = _key(aes_key)
    plain = (salt or os.urandom(SALT)) + len(message).to_bytes(LENGTH, "big")
    plain += message + receive_id.encode()
    padding = BLOCK - len(plain) % BLOCK
    encryptor = Cipher(AES(key), CBC(key[:AES_BLOCK])).encryptor()
    sealed = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    return base64.b64encode(sealed).decode()


def _key(aes_key: str) -> bytes:
    try:
        key = base64.b64decode(aes_key + "=", validate=True)
    except ValueError:
        key = b""
    if len(key) != BLOCK:
        raise ConfigProblem(NO_ANSWER, BAD_AES_KEY)
    return key


def _without_padding(plain: bytes) -> bytes:
    padding = plain[-1]
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise Unreadable("wrong padding")
    return plain[:-padding]
