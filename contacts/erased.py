"""Whether an address belonged to somebody who was erased: told by a keyed hash, never by itself."""

import hashlib
import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from django.conf import settings
from django.utils.encoding import force_bytes

from contacts.enums import IdentityKind
from contacts.models import ErasedAddress

_PURPOSE = b"liuke: addresses of erased customers"


class Addressed(Protocol):
    """Anything that has an address as an identity holds it."""

    @property
    def kind(self) -> str:
        """What kind of address it is."""

    @property
    def system(self) -> str:
        """The other system, for addresses there."""

    @property
    def value(self) -> str:
        """The address itself."""


A = TypeVar("A", bound=Addressed)


def digest_of(address: Addressed) -> str:
    """Return what is kept of an address, under the secret of today."""
    return _digest(address, settings.SECRET_KEY)


def digests_of(address: Addressed) -> list[str]:
    """Return all that may be kept of an address: one for each secret that still counts."""
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return [_digest(address, key) for key in keys]


def erased_among(addresses: Iterable[A]) -> dict[A, datetime]:
    """Return those of the addresses whose people were erased, and when: one query for all.

    Fingerprints made under the keys of ``SECRET_KEY_FALLBACKS`` are found as well.
    """
    by_digest = {digest: one for one in addresses for digest in digests_of(one)}
    if not by_digest:
        return {}
    rows = ErasedAddress.objects.filter(digest__in=by_digest)
    return {by_digest[digest]: at for digest, at in rows.values_list("digest", "erased_at")}


def without_the_erased(kind: IdentityKind, values: Collection[str]) -> list[str]:
    """Return those of these addresses of one kind that are not of somebody who was erased."""
    gone = {one.value for one in erased_among([_Bare(kind, value) for value in values])}
    return [value for value in values if value not in gone]


@dataclass(frozen=True, slots=True)
class _Bare:
    """An address of a kind that needs no system."""

    kind: IdentityKind
    value: str
    system: str = ""


def _digest(address: Addressed, secret: str | bytes) -> str:
    value = address.value.lower() if address.kind == IdentityKind.EMAIL else address.value
    key = hmac.digest(force_bytes(secret), _PURPOSE, "sha256")
    text = "\0".join([str(address.kind), address.system, value])
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
