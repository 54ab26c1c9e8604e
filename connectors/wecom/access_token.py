"""The access token, shared by every process through Redis (WeCom docs 91039).

There is one token for a company's app; asking for it too often is punished. So it is asked for
by one worker at a time, kept a little shorter than it lives, and dropped as soon as WeCom calls
it stale. While Redis does not answer, each process asks for itself: WeCom gives everybody the
same token as long as it lives.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from connectors.wecom.config import WeComConfig
from connectors.wecom.error_table import NO_TOKEN
from connectors.wecom.errors import Busy, ConfigProblem
from connectors.wecom.redis_state import Shared, delete_if_same, try_lock

MARGIN_SECONDS = 300
LOCK_SECONDS = 10
"""Longer than a fetch can take, so that the lock outlives what it guards."""

WAIT_SECONDS = 5
POLL_SECONDS = 0.02
PROBLEM_SECONDS = 30
"""How long a refused secret is remembered: WeCom blocks who asks wrongly all the time."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A fresh token and the seconds that it lives."""

    token: str
    expires_in: int

    def __repr__(self) -> str:
        return f"Grant(expires_in={self.expires_in})"


class TokenStore:
    """Hands out the token of one app, calling ``fetch`` when there is none.

    However many threads and processes ask at once, ``fetch`` runs once.
    """

    def __init__(self, config: WeComConfig, redis: Redis, fetch: Callable[[], Grant]) -> None:
        fingerprint = hashlib.sha256(f"{config.api_url}\n{config.secret}".encode()).hexdigest()[:16]
        self._key = f"wecom:{config.corp_id}:{config.agent_id}:{fingerprint}:token"
        self._lock_key = f"{self._key}:lock"
        self._problem_key = f"{self._key}:problem"
        self._redis = redis
        self._fetch = fetch
        self._shared = Shared()
        self._own_lock = threading.Lock()
        self._own_token, self._own_until = "", 0.0

    def get(self) -> str:
        """Return the shared token, fetched if need be.

        Raises ``ConfigProblem`` when WeCom refuses the secret, also for some seconds afterwards
        without asking again; ``Busy`` when no token can be had now.
        """
        return self._shared.ask(self._get_shared, self._get_own)

    def drop(self, token: str) -> None:
        """Forget ``token``, unless another worker has replaced it already."""
        with self._own_lock:
            if self._own_token == token:
                self._own_until = 0.0
        self._shared.ask(lambda: delete_if_same(self._redis, self._key, token), lambda: None)

    def _get_shared(self) -> str:
        give_up = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < give_up:
            if token := self._kept() or self._renewed_by_us():
                return token
            time.sleep(POLL_SECONDS)
        raise Busy(0, NO_TOKEN, path="gettoken", retry_after=5, scope="company")

    def _get_own(self) -> str:
        with self._own_lock:
            if time.monotonic() >= self._own_until:
                grant = self._fetch()
                self._own_token = grant.token
                self._own_until = time.monotonic() + keep_seconds(grant.expires_in)
            return self._own_token

    def _kept(self) -> str:
        token, problem = self._redis.mget(self._key, self._problem_key)
        if token:
            return _as_text(token)
        if problem:
            errcode, text = json.loads(problem)
            raise ConfigProblem(errcode, text, path="gettoken")
        return ""

    def _renewed_by_us(self) -> str:
        """Fetch a token if nobody else is at it; what is kept is looked at again first."""
        with try_lock(self._redis, self._lock_key, seconds=LOCK_SECONDS) as mine:
            return (self._kept() or self._renew()) if mine else ""

    def _renew(self) -> str:
        try:
            grant = self._fetch()
        except ConfigProblem as problem:
            kept = json.dumps([problem.errcode, problem.text])
            self._redis.set(self._problem_key, kept, ex=PROBLEM_SECONDS)
            raise
        self._redis.set(self._key, grant.token, ex=keep_seconds(grant.expires_in))
        return grant.token


def keep_seconds(expires_in: int) -> int:
    """Return how long to keep a token: five minutes less than it lives, at least half of it."""
    return max(1, expires_in - min(MARGIN_SECONDS, expires_in // 2))


def _as_text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
