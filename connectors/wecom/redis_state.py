"""What the client keeps in Redis, and what happens when Redis does not answer."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis, RedisError

from connectors.wecom.error_table import NO_REDIS
from connectors.wecom.errors import Busy

logger = logging.getLogger(__name__)

_DELETE_IF_SAME = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@contextmanager
def before_the_call(path: str) -> Iterator[None]:
    """Turn a failure of Redis into ``Busy``: without its counts no call is made."""
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
