"""One call after the other to one receiver, over a connection that is kept."""

import json
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ssl import SSLContext
from threading import Timer
from typing import Any

import httpx

from connectors.webhook.addresses import (
    Forbidden,
    Lookup,
    Place,
    addresses_of,
    read_url,
)
from connectors.webhook.signing import signed_headers
from connectors.words import gettext_noop

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 15.0
"""After so long a call is over, however slowly its answer drips."""

ANSWER_LIMIT = 64 * 1024
ADDRESSES_TRIED = 2
LONGEST_WAIT = 3600.0
"""Seconds; nobody makes us wait longer than this by ``Retry-After``."""

OK = range(200, 300)
REDIRECTS = range(300, 400)
GONE = 410
LATER = frozenset({408, 425, 429})
USER_AGENT = "Liuke-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver, or a rule of ours, does not want it; most likely it never will.

    ``gone`` is set when the receiver says that nothing is wanted here any more.
    """

    why: str
    status: int | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Nobody knows whether it arrived, or the receiver asks to come back."""

    why: str
    status: int | None = None
    retry_after: float | None = None


Outcome = Delivered | Refused | Later

REDIRECTED = gettext_noop("The address leads elsewhere. Enter where it leads to.")
NO_CONNECTION = gettext_noop("No connection came about.")
TOO_SLOW = gettext_noop("The receiver did not answer in time.")
BROKE_OFF = gettext_noop("The connection broke off.")


class Receiver:
    """One receiver, for one thread; close it when done.

    Its name is looked up with the first call, and all further ones go to the address found.
    ``allow_loopback`` lets an installation for one machine call that machine.
    """

    def __init__(
        self, url: str, *, allow_loopback: bool = False, look_up: Lookup | None = None
    ) -> None:
        self._url = url
        self._allow_loopback = allow_loopback
        self._look_up = look_up
        self._place: Place | None = None
        self._addresses: Sequence[str] = ()
        self._connection: HTTPConnection | None = None

    def post(self, message_id: str, body: Mapping[str, Any], *, secrets: Sequence[str]) -> Outcome:
        """Send the message once, signed as of now. Takes some 20 seconds at most."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = signed_headers(message_id, int(time.time()), content, secrets)
        try:
            return self._post(content, headers)
        except Forbidden as error:
            return Refused(str(error))
        except TimeoutError:
            self.close()
            return Later(TOO_SLOW)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            logger.info("webhook call failed: %s", type(error).__name__)
            return Later(BROKE_OFF)

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _post(self, content: bytes, headers: Mapping[str, str]) -> Outcome:
        kept = self._connection
        try:
            return self._exchange(content, headers)
        except ConnectionError:
            if kept is None:
                raise
            self.close()  # the receiver has closed what we had kept: that says nothing yet
            return self._exchange(content, headers)

    def _exchange(self, content: bytes, headers: Mapping[str, str]) -> Outcome:
        if self._connection is None:
            self._connection = self._connect()
        if self._connection is None or self._place is None:
            return Later(NO_CONNECTION)
        with _deadline(self._connection) as passed:
            try:
                self._connection.request("POST", self._place.target, content, self._all(headers))
                response = self._connection.getresponse()
                _read_out(response)
            except (OSError, HTTPException, ValueError):
                if not passed():
                    raise
            if passed():  # a connection that was cut may look like an answer that has ended
                raise TimeoutError
        if response.will_close or not response.isclosed():
            self.close()
        return _judge(response)

    def _all(self, headers: Mapping[str, str]) -> dict[str, str]:
        assert self._place  # noqa: S101 -- it is known before a connection is
        return {
            "Host": self._place.authority,
            "User-Agent": USER_AGENT,
            "Content-Type": "application/json",
            **headers,
        }

    def _connect(self) -> HTTPConnection | None:
        if self._place is None:
            self._place = read_url(self._url, allow_loopback=self._allow_loopback)
        if not self._addresses:
            self._addresses = addresses_of(
                self._place, allow_loopback=self._allow_loopback, look_up=self._look_up
            )
        for address in self._addresses[:ADDRESSES_TRIED]:
            with suppress(OSError):
                return _open(self._place, address)
        return None


def _open(place: Place, address: str) -> HTTPConnection:
    """Connect to exactly this address; the certificate must be that of the host."""
    opened = socket.create_connection((address, place.port), timeout=CONNECT_SECONDS)
    try:
        if place.secure:
            opened = _tls().wrap_socket(opened, server_hostname=place.host)
        # Head and body go out by themselves; held back, each call would wait for an acknowledgement.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.settimeout(READ_SECONDS)
    except BaseException:
        opened.close()
        raise
    connection = HTTPConnection(place.host, place.port)
    connection.sock = opened
    connection.auto_open = 0  # never connects by itself: that would look the name up again
    return connection


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()


@contextmanager
def _deadline(connection: HTTPConnection) -> Iterator[Any]:
    """Cut the connection when the call takes too long in all; yields whether that happened."""
    cut: list[bool] = []
    sock = connection.sock

    def end() -> None:
        cut.append(True)
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of the socket, below any TLS

    timer = Timer(TOTAL_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield lambda: bool(cut)
    finally:
        timer.cancel()


def _read_out(response: HTTPResponse) -> None:
    """Read the answer, so that the connection can be kept; one that is too long cannot."""
    response.read(ANSWER_LIMIT)
    if not response.isclosed():
        response.read(1)


def _judge(response: HTTPResponse) -> Outcome:
    status = response.status
    why = f"HTTP {status}"
    if status in OK:
        return Delivered(status)
    if status in REDIRECTS:
        return Refused(REDIRECTED, status)
    if status in LATER or status >= 500:
        return Later(why, status, _wait(response.getheader("Retry-After", "")))
    return Refused(why, status, gone=status == GONE)


def _wait(text: str) -> float | None:
    """Read ``Retry-After``: seconds, or a date."""
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
