"""What the client keeps in Redis, and what happens when Redis does not answer."""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from redis import Redis, RedisError

from connectors.wecom.error_table import NO_REDIS
from connectors.wecom.errors import Busy

logger = logging.getLogger(__name__)

DARK_SECONDS = 5
"""For how long Redis is left alone after a failure, so that not every call waits for it."""

T = TypeVar("T")

_DELETE_IF_SAME = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Shared:
    """What all processes know together; while Redis is dark each goes on by itself, carefully."""

    def __init__(self) -> None:
        self._dark_until = 0.0

    def ask(self, together: Callable[[], T], alone: Callable[[], T]) -> T:
        """Return what ``together`` finds in Redis, or ``alone`` when it does not answer."""
        if time.monotonic() < self._dark_until:
            return alone()
        try:
            return together()
        except RedisError as error:
            logger.warning("Redis does not answer, going on alone: %s", type(error).__name__)
            self._dark_until = time.monotonic() + DARK_SECONDS
            return alone()


@contextmanager
def before_the_call(path: str) -> Iterator[None]:
    """Turn a failure of Redis into ``Busy``, where an exact count is needed."""
    try:
        yield
    except RedisError as error:
        raise Busy(0, NO_REDIS, path=path, retry_after=5, scope="company") from error


@contextmanager
def after_the_call(path: str) -> Iterator[None]:
    """Let a failure of Redis pass: the answer of a call that was made must not be lost to it."""
    try:
        yield
    except RedisError as error:
        logger.warning("Redis does not answer after a call to %s: %s", path, type(error).__name__)


def delete_if_same(redis: Redis, key: str, value: str) -> None:
    """Delete ``key`` unless somebody else has changed it."""
    redis.eval(_DELETE_IF_SAME, 1, key, value)


@contextmanager
def try_lock(redis: Redis, key: str, *, seconds: int) -> Iterator[bool]:
    """Take the lock ``key`` if it is free and say so; it frees itself after ``seconds``."""
    mark = secrets.token_hex(8)
    mine = bool(redis.set(key, mark, nx=True, ex=seconds))
    try:
        yield mine
    finally:
        if mine:
            with after_the_call(key):
                delete_if_same(redis, key, mark)
