"""Secrets at rest: sealed with a key that is derived from ``SECRET_KEY`` and never stored."""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.encoding import force_bytes

_PURPOSE = b"liuke: secrets of webhooks"
_KEY_BYTES = 32


class Unreadable(Exception):
    """The text was sealed under another ``SECRET_KEY``."""


def seal(secret: str) -> str:
    """Return the secret in a form that may be stored."""
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """Return the secret; raises ``Unreadable``. Keys of ``SECRET_KEY_FALLBACKS`` open it too."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def _box() -> MultiFernet:
    return MultiFernet(
        [_key_from(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    )


def _key_from(secret_key: str | bytes) -> Fernet:
    derived = HKDF(SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(force_bytes(secret_key))))
