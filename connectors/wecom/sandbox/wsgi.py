"""HTTP in and out: bodies to JSON, answers to bytes, lost answers lost."""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.wecom.sandbox.control import ROUTES as CONTROL
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.limits import UNREADABLE
from connectors.wecom.sandbox.service import API, RESET, Sandbox
from connectors.wecom.sandbox.state import Json

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

MAX_BODY = 64 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
HTML = "text/html; charset=utf-8"
PAGE = "/sandbox/"

logger = logging.getLogger(__name__)


class Unreadable(Exception):
    """A body that is neither JSON nor an upload."""


@dataclass
class Answer:
    """``lost`` is how the bytes get lost on their way, "" for not at all."""

    status: HTTPStatus
    body: bytes
    kind: str = "application/json"
    lost: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


class Application:
    """The WSGI callable over one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self._answer(environ)
        except Exception:  # a fault of the sandbox itself must not pass for an answer of WeCom
            logger.exception("The sandbox failed at %s", environ.get("PATH_INFO"))
            answer = _json(
                {"error": "the sandbox failed, see its log"}, HTTPStatus.INTERNAL_SERVER_ERROR
            )
        return _respond(answer, start_response)

    def _answer(self, environ: Environ) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith(API):
            return self._api(environ, path)
        if path != PAGE.rstrip("/") and not path.startswith(PAGE):
            return _json({"error": "no such page"}, HTTPStatus.NOT_FOUND)
        if not _from_this_machine(environ):
            return _json({"error": "only from this machine"}, HTTPStatus.FORBIDDEN)
        try:
            return self._control(environ, path)
        except (Refusal, Unreadable) as error:
            said = error.errmsg if isinstance(error, Refusal) else str(error)
            return _json({"error": said}, HTTPStatus.BAD_REQUEST)

    def _api(self, environ: Environ, path: str) -> Answer:
        with self._sandbox.door(path) as trouble:
            method, query = environ["REQUEST_METHOD"], _query(environ)
            try:
                body = _body(environ)
            except Unreadable:
                said, lost = self._sandbox.perform(method, path, query, {}, UNREADABLE)
            else:
                said, lost = self._sandbox.perform(method, path, query, body, trouble)
            time.sleep(self._sandbox.latency())
        answer = _json(said)
        answer.lost = lost
        return answer

    def _control(self, environ: Environ, path: str) -> Answer:
        if environ["REQUEST_METHOD"] == "POST" and (path in CONTROL or path == RESET):
            said, _ = self._sandbox.perform("POST", path, {}, _body(environ))
            if _is(environ, FORM):
                return Answer(HTTPStatus.SEE_OTHER, b"", headers=[("Location", PAGE)])
            return _json(said)
        if environ["REQUEST_METHOD"] != "GET":
            return _json({"error": "no such page"}, HTTPStatus.NOT_FOUND)
        if path in (PAGE, PAGE.rstrip("/")):
            return Answer(HTTPStatus.OK, self._sandbox.page().encode(), HTML)
        try:
            return _json(self._sandbox.read(path, _query(environ)))
        except KeyError:
            return _json({"error": "no such page"}, HTTPStatus.NOT_FOUND)


def _json(said: Json, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(status, json.dumps(said, ensure_ascii=False).encode())


def _respond(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Send the answer, or lose it in the way that was ordered."""
    status, body, kind = answer.status, answer.body, answer.kind
    if answer.lost == "html":
        body, kind = b"<html><body><h1>Bad gateway</h1></body></html>", HTML
    elif answer.lost == "unavailable":
        status, body = HTTPStatus.BAD_GATEWAY, b""
    elif answer.lost == "half":
        body = body[: len(body) // 2]
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *answer.headers]
    start_response(f"{status.value} {status.phrase}", headers)
    if answer.lost in ("close", "truncate"):
        return _broken_off(body[: len(body) // 2] if answer.lost == "truncate" else b"")
    return [body]


def _broken_off(beginning: bytes) -> Iterator[bytes]:
    """An answer that ends too early: servers close the connection when their iterator fails."""
    if beginning:
        yield beginning
    raise ConnectionResetError("this answer was ordered to be lost")


def _from_this_machine(environ: Environ) -> bool:
    """Loopback only, and not on behalf of some web page open in a browser here."""
    try:
        near = ip_address(environ.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    host = environ.get("HTTP_HOST", "")
    named = urlsplit(f"//{host}").hostname or ""
    origin = environ.get("HTTP_ORIGIN", "")
    return near and named in ("localhost", "127.0.0.1", "::1") and origin in ("", f"http://{host}")


def _query(environ: Environ) -> dict[str, str]:
    return dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))


def _is(environ: Environ, kind: str) -> bool:
    return str(environ.get("CONTENT_TYPE", "")).lower().startswith(kind)


def _body(environ: Environ) -> Json:
    """The body as a JSON object; of an upload its name, size and digest. Raises ``Unreadable``."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY:
        raise Unreadable("the body has no length or is too long")
    raw: bytes = environ["wsgi.input"].read(int(length)) if int(length) else b""
    if not raw:
        return {}
    if _is(environ, "multipart/form-data"):
        return read_upload(environ["CONTENT_TYPE"], raw)
    if _is(environ, FORM):
        pairs = parse_qsl(raw.decode("ascii", "replace"))
        return {name: int(value) if value.isdecimal() else value for name, value in pairs}
    return _object(raw)


def _object(raw: bytes) -> Json:
    try:
        value = json.loads(raw)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is not text
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error
    if not isinstance(value, dict):
        raise Unreadable("the body is not a JSON object")
    return value


def read_upload(content_type: str, raw: bytes) -> Json:
    """Name, size and digest of the file in a multipart body; raises ``Unreadable`` without one."""
    _, _, boundary = content_type.partition("boundary=")
    for part in raw.split(b"--" + boundary.strip('"').encode()):
        head, found, data = part.partition(b"\r\n\r\n")
        if found and b"filename=" in head:
            data = data.removesuffix(b"\r\n")
            name = head.partition(b'filename="')[2].partition(b'"')[0].decode("utf-8", "replace")
            digest = hashlib.sha256(data).hexdigest()
            return {"filename": name, "size": len(data), "sha256": digest}
    raise Unreadable("the upload holds no file")
