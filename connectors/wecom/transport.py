"""One request to WeCom over HTTP, and what can be known of it afterwards.

WeCom wants secrets in the address (``access_token``, ``corpsecret``), so nothing that could carry
the address leaves this module: failures are returned, not raised.
"""

import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
BODY_LIMIT = 16 * 1024 * 1024

_SECRET_PARAMETER = re.compile(r"\b(access_token|corpsecret)=[^&\s\"']*")


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. ``body`` goes out as JSON with POST, ``file`` as a form; else it is a GET."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    file: tuple[str, bytes, str] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """WeCom answered; ``errcode`` 0 means that the call was carried out."""

    errcode: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Turned:
    """Something on the way, or WeCom's front door, turned the request down before WeCom saw it."""

    status: int
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """No connection came about, so WeCom knows nothing of the request."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request went out and no answer that can be read came back."""

    why: str


Outcome = Answered | Turned | NotSent | Lost


class HideSecrets(logging.Filter):
    """Take the secrets out of the addresses that httpx logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                without_secrets(str(value)) if isinstance(value, httpx.URL) else value
                for value in record.args
            )
        return True


logging.getLogger("httpx").addFilter(HideSecrets())


def without_secrets(text: str) -> str:
    return _SECRET_PARAMETER.sub(r"\1=***", text)


def make_http(api_url: str) -> httpx.Client:
    """Return a pooled client that threads may share; a proxy of the environment is used.

    A proxy is often wanted (its address is the trusted one), but never to reach this machine.
    """
    address = urlsplit(api_url)
    return httpx.Client(
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        trust_env=address.hostname not in {"localhost", "127.0.0.1", "::1"},
        follow_redirects=False,
        # Without TLS no authorities are needed, and reading them takes longer than a call.
        verify=address.scheme == "https" or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    )


def exchange(http: httpx.Client, api_url: str, request: Request, *, seconds: float) -> Outcome:
    """Send the request once and wait at most about ``seconds`` for the answer."""
    try:
        return _exchange(http, api_url, request, seconds)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
        return NotSent(_name(error))
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        return Turned(status=404)
    except httpx.HTTPError as error:
        return Lost(_name(error))


def _exchange(http: httpx.Client, api_url: str, request: Request, seconds: float) -> Outcome:
    give_up = time.monotonic() + seconds
    content: dict[str, Any] = {}
    if request.file:
        content["files"] = {"media": request.file}
    elif request.body is not None:
        content["content"] = json.dumps(request.body, ensure_ascii=False).encode()
        content["headers"] = {"Content-Type": "application/json; charset=utf-8"}
    with http.stream(
        "POST" if content else "GET",
        f"{api_url.rstrip('/')}/{request.path}",
        params=dict(request.params),
        timeout=httpx.Timeout(
            min(READ_SECONDS, seconds), connect=CONNECT_SECONDS, pool=CONNECT_SECONDS
        ),
        **content,
    ) as response:
        if response.status_code != httpx.codes.OK:
            return _turned_or_lost(response)
        received = bytearray()
        for chunk in response.iter_bytes():
            received += chunk
            if len(received) > BODY_LIMIT or time.monotonic() > give_up:
                return Lost("the answer is too long or too slow")
    return _read(bytes(received))


def _turned_or_lost(response: httpx.Response) -> Outcome:
    if response.is_server_error:
        return Lost(f"HTTP {response.status_code}")
    after = response.headers.get("Retry-After", "")
    return Turned(response.status_code, float(after) if after.isdecimal() else None)


def _read(received: bytes) -> Outcome:
    try:
        body = json.loads(received)
        return Answered(int(body["errcode"]), body)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Lost("the answer is not one of WeCom's")


def _name(error: httpx.HTTPError) -> str:
    return without_secrets(f"{type(error).__name__}: {error}")
