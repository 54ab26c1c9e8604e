"""Short signed words for public addresses: which campaign, which customer, which link.

A token is a few numbers and a keyed hash of them, in letters that fit into an SMS. It names no
person, it never expires (who is tired of us may say so in a year), and nobody can make one
without our secret: 80 bits of it would have to be guessed, one request a guess.
"""

import hashlib
import hmac
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from django.conf import settings
from django.utils.encoding import force_bytes

_PURPOSE = b"liuke: public links of letters"
_LEAST = 10
"""Bytes of the hash; one more where the token would else end in a sign of punctuation."""

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_LONGEST = 48


class TokenUse(StrEnum):
    """What a token is good for: one for a click unsubscribes nobody."""

    LINK = "l"
    OPENING = "o"
    UNSUBSCRIBE = "u"
    RETURN = "r"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says."""

    campaign_id: int
    customer_id: int
    link: int = 0


class BadToken(Exception):
    """Nobody of us has made this token, or not for this."""


def maker(use: TokenUse, campaign_id: int, link: int = 0) -> Callable[[int], str]:
    """Return a function from the number of a customer to their token: a microsecond each."""
    return _maker(_key(settings.SECRET_KEY), use, campaign_id, link)


def read_token(text: str, use: TokenUse) -> Token:
    """Return what the token says. Raises ``BadToken``.

    The token is made anew from its numbers and compared, so that there is one spelling of each.
    Tokens made under the keys of ``SECRET_KEY_FALLBACKS`` are good as well.
    """
    told = _numbers_of(text)
    good = False
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        expected = _maker(_key(secret), use, told.campaign_id, told.link)(told.customer_id)
        good |= hmac.compare_digest(expected.encode(), text.encode())
    if not good:
        raise BadToken
    return told


def _maker(key: bytes, use: TokenUse, campaign_id: int, link: int) -> Callable[[int], str]:
    head = _packed(campaign_id) + _packed(link)
    begun = hashlib.blake2b(key=key, digest_size=_LEAST + 1)
    begun.update(use.encode() + head)

    def make(customer_id: int) -> str:
        tail = _packed(customer_id)
        hashed = begun.copy()
        hashed.update(tail)
        length = len(head) + len(tail) + _LEAST
        raw = (head + tail + hashed.digest())[: length + (length % 3 == 0)]
        return str(b2a_base64(raw, newline=False).translate(_TO_URL, b"="), "ascii")

    return make


def _numbers_of(text: str) -> Token:
    if len(text) > _LONGEST or not text.isascii():
        raise BadToken
    padded = text.encode().translate(_FROM_URL) + b"=" * (-len(text) % 4)
    try:
        raw = a2b_base64(padded)
        campaign_id, rest = _unpacked(raw)
        link, rest = _unpacked(rest)
        customer_id, _hash = _unpacked(rest)
    except (Error, IndexError) as error:
        raise BadToken from error
    if max(campaign_id, customer_id) >= 2**63:
        raise BadToken
    return Token(campaign_id, customer_id, link)


@lru_cache(maxsize=256)  # a letter has a token for each link, all with the same customer in them
def _packed(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the last byte is below 128."""
    packed = bytearray()
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _unpacked(raw: bytes) -> tuple[int, bytes]:
    number = place = 0
    while raw[place] & 0x80:
        number |= (raw[place] & 0x7F) << (7 * place)
        place += 1
    return number | raw[place] << (7 * place), raw[place + 1 :]


@lru_cache(maxsize=8)
def _key(secret: str | bytes) -> bytes:
    return hmac.digest(force_bytes(secret), _PURPOSE, "sha256")
