"""Many HTTP calls at a time over connections that are kept: the hot path of bulk delivery.

One libcurl loop in the caller's thread. Measured on two cores against a local server: some
30,000 calls a second, where httpx makes hundreds (docs/scaling.md). libcurl's interface for event
loops, `socket_action`, costs more here: it calls back into Python for each socket.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from io import BytesIO

import certifi
import pycurl

from connectors.words import gettext_noop

CONNECT_SECONDS = 3
TOTAL_SECONDS = 15
IDLE_SECONDS = 20
"""A kept connection that rested for longer is not used again: the far side may just be closing it."""

PAUSE_SECONDS = 0.02
"""How long to go on with what is under way before asking for the next call again."""

NARROW = 64
"""Calls under way while the far side answers at once: more would only queue up there."""

SLOW_SECONDS = 0.02
"""A far side that takes so long to answer gets as many calls at a time as there may be."""

ANSWER_LIMIT = 256 * 1024
EXPECTING = 1024 * 1024
"""From so many bytes on libcurl would ask first whether it may send the body, and wait for a word."""

USER_AGENT = "Liuke/1"

_BEFORE_SENDING = frozenset(
    {
        pycurl.E_UNSUPPORTED_PROTOCOL,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_COULDNT_RESOLVE_PROXY,
        pycurl.E_COULDNT_RESOLVE_HOST,
        pycurl.E_COULDNT_CONNECT,
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
    }
)


class Broken(Enum):
    """How a call ended without an answer."""

    NOT_SENT = "not sent"
    """Nothing of it reached the far side."""

    LOST = "lost"
    """It may have been carried out."""


@dataclass(slots=True)
class Call:
    """One POST, and the keys of the letters that it carries."""

    keys: Sequence[str]
    body: bytes
    headers: list[str]


@dataclass(slots=True)
class _Answer:
    """What has come back so far: the lines of the head, and the body."""

    head: list[bytes]
    body: BytesIO

    def has_its_head(self) -> bool:
        """Whether the head came to its end. libcurl is content with one that broke off."""
        if self.head and not self.head[-1].strip():
            return True
        begins = max((at for at, line in enumerate(self.head) if line[:5] == b"HTTP/"), default=0)
        return any(not line.strip() for line in self.head[begins:])


@dataclass(slots=True)
class Reply:
    """What came back: a ``status`` and at most 256 KiB of a body, or ``broken`` and why."""

    status: int = 0
    body: bytes = b""
    retry_after: float = 0.0
    broken: Broken | None = None
    why: str = ""


class Burst:
    """Calls one address. Belongs to one thread; its connections outlive a ``run``.

    A kept connection may die just as a call begins on it, and libcurl would then make the call
    once more by itself. The second answer says nothing of the first call, which may have been
    carried out; so a call whose body was read once cannot be made again, and is *lost* instead.
    """

    def __init__(self, url: str, *, in_flight: int) -> None:
        self._url = url
        self._multi = pycurl.CurlMulti()
        self._free = [self._handle() for _ in range(in_flight)]
        self._all = list(self._free)
        self._window = min(NARROW, in_flight)

    def run(self, calls: Iterable[Call | None]) -> Iterator[tuple[Call, Reply]]:
        """Make each call once; yield each with its reply as they come. ``None``: none just now.

        Calls are drawn only while fewer than ``in_flight`` are under way.
        """
        source = iter(calls)
        under_way: dict[pycurl.Curl, tuple[Call, _Answer]] = {}
        drained = False
        ask_again = 0.0
        try:
            while under_way or not drained:
                while (
                    len(under_way) < self._window and not drained and time.monotonic() >= ask_again
                ):
                    try:
                        call = next(source)
                    except StopIteration:
                        drained = True
                        break
                    if call is None:
                        ask_again = time.monotonic() + PAUSE_SECONDS
                        break
                    curl = self._free.pop()
                    under_way[curl] = (call, self._begin(curl, call))
                if not under_way:
                    if not drained:
                        time.sleep(PAUSE_SECONDS)
                    continue
                yield from self._finished(under_way)
        finally:
            for curl in under_way:
                self._multi.remove_handle(curl)
                self._free.append(curl)

    def close(self) -> None:
        """Close the connections."""
        for curl in self._all:
            curl.close()
        self._multi.close()

    def _handle(self) -> pycurl.Curl:
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, self._url)
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.CAINFO, certifi.where())
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, TOTAL_SECONDS)
        curl.setopt(pycurl.MAXAGE_CONN, IDLE_SECONDS)
        curl.setopt(pycurl.USERAGENT, USER_AGENT)
        curl.setopt(pycurl.TCP_NODELAY, 1)
        curl.setopt(pycurl.MAXFILESIZE, ANSWER_LIMIT)
        return curl

    def _begin(self, curl: pycurl.Curl, call: Call) -> _Answer:
        curl.setopt(pycurl.POSTFIELDSIZE_LARGE, len(call.body))
        curl.setopt(pycurl.READFUNCTION, BytesIO(call.body).read)
        headers = call.headers if len(call.body) < EXPECTING else [*call.headers, "Expect:"]
        curl.setopt(pycurl.HTTPHEADER, headers)
        answer = _Answer([], BytesIO())
        curl.setopt(pycurl.HEADERFUNCTION, answer.head.append)
        curl.setopt(pycurl.WRITEFUNCTION, answer.body.write)
        self._multi.add_handle(curl)
        return answer

    def _finished(
        self, under_way: dict[pycurl.Curl, tuple[Call, _Answer]]
    ) -> Iterator[tuple[Call, Reply]]:
        multi = self._multi
        multi.perform()
        left = 1
        seen = False
        while left:
            left, good, bad = multi.info_read()
            for curl in good:
                seen = True
                call, answer = self._end(curl, under_way)
                if self._window < len(self._all) and curl.getinfo(pycurl.TOTAL_TIME) > SLOW_SECONDS:
                    self._window += 1
                yield call, _reply(curl, answer)
            for curl, errno, why in bad:
                seen = True
                call, answer = self._end(curl, under_way)
                yield call, _broken(curl, errno, why, answer)
        if not seen and under_way:
            multi.select(PAUSE_SECONDS)

    def _end(
        self, curl: pycurl.Curl, under_way: dict[pycurl.Curl, tuple[Call, _Answer]]
    ) -> tuple[Call, _Answer]:
        self._multi.remove_handle(curl)
        self._free.append(curl)
        return under_way.pop(curl)


def _reply(curl: pycurl.Curl, answer: _Answer) -> Reply:
    if not answer.has_its_head():
        return Reply(broken=Broken.LOST, why=_without_addresses(pycurl.E_PARTIAL_FILE))
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    retry_after = 0.0
    if status in {429, 503}:
        retry_after = float(curl.getinfo(pycurl.RETRY_AFTER))
    return Reply(status, answer.body.getvalue(), retry_after)


def _broken(curl: pycurl.Curl, errno: int, why: str, answer: _Answer) -> Reply:
    sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
    if errno in _BEFORE_SENDING or (errno == pycurl.E_OPERATION_TIMEDOUT and not sent):
        return Reply(broken=Broken.NOT_SENT, why=_without_addresses(errno))
    if errno == pycurl.E_FILESIZE_EXCEEDED:  # too long an answer is one all the same
        return Reply(curl.getinfo(pycurl.RESPONSE_CODE), answer.body.getvalue())
    return Reply(broken=Broken.LOST, why=_without_addresses(errno))


def _without_addresses(errno: int) -> str:
    """Say what went wrong in our words: libcurl's hold addresses, and may hold passwords."""
    return _WORDS.get(errno, f"{_FAILED} ({errno})")


_FAILED = gettext_noop("the connection failed")
_IN_ITS_ANSWER = gettext_noop("the far side hung up in the middle of its answer")
_IN_THE_CALL = gettext_noop("the far side hung up while the call was being made")
_WORDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: gettext_noop("no such host is known"),
    pycurl.E_COULDNT_CONNECT: gettext_noop("no connection came about"),
    pycurl.E_SSL_CONNECT_ERROR: gettext_noop("no secure connection came about"),
    pycurl.E_PEER_FAILED_VERIFICATION: gettext_noop(
        "the certificate of the far side is not to be trusted"
    ),
    pycurl.E_OPERATION_TIMEDOUT: gettext_noop("no answer came in time"),
    pycurl.E_GOT_NOTHING: gettext_noop("the far side hung up without an answer"),
    pycurl.E_RECV_ERROR: _IN_ITS_ANSWER,
    pycurl.E_PARTIAL_FILE: _IN_ITS_ANSWER,
    pycurl.E_SEND_ERROR: _IN_THE_CALL,
    pycurl.E_SEND_FAIL_REWIND: _IN_THE_CALL,
}
