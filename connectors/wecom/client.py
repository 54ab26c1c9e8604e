"""The door to WeCom's API: one call, judged."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, assert_never

import httpx
from redis import Redis

from connectors.wecom.access_token import Grant, TokenStore
from connectors.wecom.budget import CallBudget
from connectors.wecom.config import WeComConfig
from connectors.wecom.error_table import (
    ANSWER_LOST,
    NO_TOKEN,
    NOT_SET_UP,
    NOT_WECOM,
    RETRY_AFTER,
    SAME_PAGE,
    SILENT,
    STALE_TOKEN,
    SYSTEM_BUSY,
    TOO_FREQUENT,
    TOO_PARALLEL,
    UNREACHABLE,
    ErrorKind,
)
from connectors.wecom.errors import (
    NO_ANSWER,
    Busy,
    ConfigProblem,
    Refused,
    Unclear,
    WeComError,
    describe,
    kind_of,
)
from connectors.wecom.transport import (
    Answered,
    Lost,
    NotSent,
    Outcome,
    Request,
    Turned,
    exchange,
    make_http,
    without_secrets,
)

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 14.0
TOKEN_SECONDS = 4.0
DEFAULT_EXPIRES_IN = 7200
BACK_OFF = (0.5, 1.0, 2.0)
"""Seconds before the second, third and fourth attempt of a call that may be repeated."""

TOO_MANY_REQUESTS = 429
TOO_LARGE = 413


class WeComClient:
    """Calls WeCom's API for one app; threads may share it, processes make their own.

    ``clock`` gives seconds that only grow, and bounds how long a call may take in all.
    ``patience`` is for how many seconds in all an idempotent call may go on while WeCom is busy,
    so that a long reading goes on at the page where it was; without it ``Busy`` is raised.
    """

    def __init__(
        self,
        config: WeComConfig,
        redis: Redis,
        *,
        http: httpx.Client | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = 0,
    ) -> None:
        self.config = config
        self._patience = patience
        self.budget = CallBudget(config.corp_id, redis)
        self._http = http or make_http(config.api_url)
        self._clock = clock
        self._tokens = TokenStore(config, redis, self._fetch_token)

    def call(
        self,
        path: str,
        payload: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, str] | None = None,
        idempotent: bool,
    ) -> dict[str, Any]:
        """Call one endpoint (POST when there is a payload) and return WeCom's answer.

        Takes less than 15 seconds, short waits and repetitions included, and some more where a
        new token is slow in coming. A call is repeated only if that can do no harm: because it is
        ``idempotent``, or surely was not carried out.

        Raises ``Busy`` (later), ``ConfigProblem`` (a person is needed), ``Refused`` (never like
        this) and, for calls that are not idempotent, ``Unclear``.
        """
        request = Request(path, params or {}, payload)
        give_up = self._clock() + (self._patience if idempotent else 0)
        while True:
            try:
                return self._call(request, idempotent=idempotent)
            except Busy as busy:
                if self._clock() + busy.retry_after >= give_up:
                    raise
                time.sleep(busy.retry_after)

    def upload(
        self, path: str, file: tuple[str, bytes, str], *, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a file (name, content, MIME type) to one endpoint; otherwise like ``call``.

        A repetition leaves at worst a second copy of the file, so uploads count as idempotent.
        """
        return self._call(Request(path, params or {}, file=file), idempotent=True)

    def follow_cursor(
        self,
        path: str,
        payload: Mapping[str, Any],
        *,
        params: Mapping[str, str] | None = None,
        cursor: str = "",
    ) -> Iterator[dict[str, Any]]:
        """Yield every page of a reading endpoint, each fetched when it is asked for.

        Begins at ``cursor``, as an earlier page gave it. The end is where no ``next_cursor`` is given, whatever the page holds. With ``params``
        the cursor goes into the address, else into the payload. Raises ``Busy`` when WeCom gives
        a cursor twice, which would otherwise never end.
        """
        seen = set[str]()
        while cursor not in seen:
            seen.add(cursor)
            place = {"cursor": cursor} if cursor else {}
            if params is None:
                page = self.call(path, {**payload, **place}, idempotent=True)
            else:
                page = self.call(path, params={**params, **place}, idempotent=True)
            yield page
            cursor = str(page.get("next_cursor") or "")
            if not cursor or page.get("is_last") is True:
                return
        raise Busy(NO_ANSWER, SAME_PAGE, path=path, retry_after=60)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _call(self, request: Request, *, idempotent: bool) -> dict[str, Any]:
        give_up = self._clock() + TOTAL_SECONDS
        with self.budget.turn(request.path):
            for pause in BACK_OFF:
                try:
                    return self._attempt(request, give_up, idempotent=idempotent)
                except Busy as busy:
                    if not _worth_repeating(busy) or self._clock() + pause + 1 > give_up:
                        raise
                    time.sleep(pause)
            return self._attempt(request, give_up, idempotent=idempotent)

    def _attempt(self, request: Request, give_up: float, *, idempotent: bool) -> dict[str, Any]:
        self.budget.spend(request.path)
        token = self._tokens.get()
        outcome = self._send(request, token, give_up)
        if isinstance(outcome, Answered) and outcome.errcode in STALE_TOKEN:
            self._tokens.drop(token)
            outcome = self._send(request, self._tokens.get(), give_up)
        return self._judge(request.path, outcome, idempotent=idempotent)

    def _send(self, request: Request, token: str, give_up: float) -> Outcome:
        seconds = give_up - self._clock()
        if seconds <= 0:
            return NotSent("no time is left")
        params = {**request.params, "access_token": token}
        signed = Request(request.path, params, request.body, request.file)
        return exchange(self._http, self.config.api_url, signed, seconds=seconds)

    def _fetch_token(self) -> Grant:
        config = self.config
        if not (config.corp_id and config.secret):
            raise ConfigProblem(NO_ANSWER, NOT_SET_UP, path="gettoken")
        self.budget.spend("gettoken")
        request = Request("gettoken", {"corpid": config.corp_id, "corpsecret": config.secret})
        outcome = exchange(self._http, config.api_url, request, seconds=TOKEN_SECONDS)
        answer = self._judge("gettoken", outcome, idempotent=True)
        token, expires_in = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise Busy(NO_ANSWER, NO_TOKEN, path="gettoken", retry_after=5)
        return Grant(token, expires_in if isinstance(expires_in, int) else DEFAULT_EXPIRES_IN)

    def _judge(self, path: str, outcome: Outcome, *, idempotent: bool) -> dict[str, Any]:
        """Return the answer of a call that was carried out; raise what its failure means."""
        match outcome:
            case Answered(errcode=0, body=body):
                self.budget.went_through(path)
                return body
            case Answered(errcode=errcode, body=body):
                hint = without_secrets(str(body.get("errmsg", "")))[:300]
                logger.warning("WeCom answers %s with %d: %s", path, errcode, hint)
                raise self._failure(path, errcode, body, idempotent=idempotent)
            case Turned(status=status, retry_after=retry_after):
                raise _turned_down(path, status, retry_after)
            case NotSent(why=why):
                raise Busy(NO_ANSWER, UNREACHABLE, path=path, detail=why, retry_after=5)
            case Lost(why=why) if idempotent:
                raise Busy(NO_ANSWER, SILENT, path=path, detail=why, retry_after=5)
            case Lost(why=why):
                raise Unclear(NO_ANSWER, ANSWER_LOST, path=path, detail=why)
            case _:
                assert_never(outcome)

    def _failure(
        self, path: str, errcode: int, answer: dict[str, Any], *, idempotent: bool
    ) -> WeComError:
        kind = kind_of(errcode)
        if kind in {ErrorKind.TOKEN, ErrorKind.CONFIG}:
            return ConfigProblem(errcode, path=path)
        if kind is not ErrorKind.BUSY:
            return Refused(errcode, path=path, answer=answer)
        retry_after, scope = RETRY_AFTER[errcode], "call"
        if errcode == TOO_FREQUENT:
            retry_after, scope = self.budget.pause(path), "endpoint"
        elif errcode == TOO_PARALLEL:
            self.budget.go_slow(path)
            scope = "endpoint"
        return Busy(
            errcode,
            describe(errcode),
            path=path,
            retry_after=retry_after,
            scope=scope,
            surely_nothing_done=idempotent or errcode != SYSTEM_BUSY,
        )


def _worth_repeating(busy: Busy) -> bool:
    soon = busy.scope == "call" and busy.errcode in {NO_ANSWER, SYSTEM_BUSY}
    return soon and busy.surely_nothing_done


def _turned_down(path: str, status: int, retry_after: float | None) -> WeComError:
    if status == TOO_MANY_REQUESTS:
        return Busy(
            NO_ANSWER,
            describe(TOO_FREQUENT),
            path=path,
            retry_after=60 if retry_after is None else min(retry_after, 3600),
            scope="endpoint",
        )
    if status == TOO_LARGE:
        return Refused(45002, path=path)
    return ConfigProblem(NO_ANSWER, NOT_WECOM, path=path, detail=f"HTTP {status}")
