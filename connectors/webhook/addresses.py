"""Where a webhook may call: public addresses only, looked up once and then not again.

Whoever may name an address could otherwise have us call what only this machine reaches: other
services in its network, the metadata of a cloud. So a name is resolved once, every address it
has must be public, and the connection goes to exactly those.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from connectors.words import gettext_noop

LONGEST = 500

_PORTS = frozenset({80, 443, *range(8000, 10000)})
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PRINTABLE = re.compile(r"[!-~]+")

# Public by their number, and still ways to somewhere else: IPv4 inside of IPv6, and the host of
# the machines of one cloud.
_DETOURS = tuple(
    map(
        ipaddress.ip_network,
        ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10",
         "168.63.129.16/32"),
    )
)  # fmt: skip

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Lookup = Callable[[str, int], Sequence[str]]


class Forbidden(Exception):
    """This address is never called; the message says why, in English."""


NOT_AN_ADDRESS = gettext_noop(
    "This is not an address of the web. Write it like https://example.com/hooks."
)
NOT_HTTPS = gettext_noop("Only https:// addresses are called.")
NO_PASSWORDS = gettext_noop(
    "Leave user names and passwords out of the address; the signature says who calls."
)
NO_FRAGMENT = gettext_noop("Leave out what begins with #.")
BAD_HOST = gettext_noop(
    "Write the host in plain letters and digits; other scripts in their xn-- form."
)
BAD_PORT = gettext_noop("Only the ports 443, 80 and 8000 to 9999 are called.")
NOT_PUBLIC = gettext_noop(
    "This address lies in a private network or on this machine and is not called."
)
UNKNOWN_HOST = gettext_noop("No such host is known.")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to call: ``host`` for TLS and the Host header, ``target`` the path and query."""

    secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"


def read_url(url: str, *, allow_loopback: bool = False) -> Place:
    """Take the address apart; raises ``Forbidden`` for one that is never called.

    Nothing is looked up. With ``allow_loopback`` plain http is read too; ``addresses_of`` then
    sees to it that it stays on this machine.
    """
    parts, port = _split(url)
    if parts.scheme != "https" and not (allow_loopback and parts.scheme == "http"):
        raise Forbidden(NOT_HTTPS)
    if "@" in parts.netloc:
        raise Forbidden(NO_PASSWORDS)
    if "#" in url:
        raise Forbidden(NO_FRAGMENT)
    secure = parts.scheme == "https"
    port = port if port is not None else (443 if secure else 80)
    if port not in _PORTS:
        raise Forbidden(BAD_PORT)
    host = _host(parts.hostname or "")
    if (number := _ip(host)) and not is_public(number):
        _refuse_unless(allow_loopback and number.is_loopback)
    query = f"?{parts.query}" if parts.query else ""
    return Place(secure, host, port, f"{parts.path or '/'}{query}")


def addresses_of(place: Place, *, allow_loopback: bool, look_up: Lookup | None = None) -> list[str]:
    """Look the host up, once, and return the addresses to connect to.

    Raises ``Forbidden`` if one of them is not public. With ``allow_loopback`` all may be this
    machine instead, and for plain http they must be. Raises ``OSError`` if the lookup fails.
    """
    found = list(dict.fromkeys((look_up or _look_up)(place.host, place.port)))
    if not found:
        raise OSError(UNKNOWN_HOST)
    numbers = [_ip(address) for address in found]
    here = allow_loopback and all(number and number.is_loopback for number in numbers)
    if not here:
        _refuse_unless(place.secure and all(number and is_public(number) for number in numbers))
    return found


def is_public(number: IP) -> bool:
    """Whether anybody on the internet reaches the address, by itself and not by way of another."""
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped:
        return False
    if number.is_multicast or not number.is_global:
        return False
    return not any(number in net for net in _DETOURS if net.version == number.version)


def _split(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > LONGEST or not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise Forbidden(NOT_AN_ADDRESS)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden(NOT_AN_ADDRESS) from error
    if not parts.hostname or not parts.scheme:
        raise Forbidden(NOT_AN_ADDRESS)
    return parts, port


def _host(host: str) -> str:
    """Return the host as it is looked up. Numbers in other forms than 1.2.3.4 are refused."""
    if ":" in host and _ip(host) and "%" not in host:
        return host
    if not _HOST.fullmatch(host) or ".." in host:
        raise Forbidden(BAD_HOST)
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and _ip(host) is None:
        raise Forbidden(BAD_HOST)
    return host


def _ip(text: str) -> IP | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _refuse_unless(condition: object) -> None:
    if not condition:
        raise Forbidden(NOT_PUBLIC)


def _look_up(host: str, port: int) -> list[str]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]
