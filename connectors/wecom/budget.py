"""How many calls we may make: counted in Redis, so that all processes share one count.

While Redis does not answer, every process goes on within a tenth of the limits.

WeCom allows each company 10,000 calls a minute and 150,000 an hour to each endpoint ("cgi"), and
blocks the endpoint for a minute, then for an hour, when that is exceeded (docs 90454). Every
endpoint has its own buckets here, so one that is blocked does not hold up the others.
"""

import math
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from redis import Redis

from connectors.wecom.error_table import CALLS_USED_UP, NOT_OUR_TURN
from connectors.wecom.errors import Busy
from connectors.wecom.own_budget import OwnBudget
from connectors.wecom.redis_state import Shared, after_the_call, before_the_call, try_lock

SHORT_WAIT_SECONDS = 1.0
POLL_SECONDS = 0.02
SERIAL_SECONDS = 300
TURN_SECONDS = 20
BREACH_MEMORY_SECONDS = 3600
SHORT_PAUSE_SECONDS = 60
LONG_PAUSE_SECONDS = 3600
SHORT_PAUSES = 2


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``calls`` in any ``seconds``, as WeCom counts it.

    We use 90 % of it: a tenth at once, eight tenths spread evenly. However WeCom lays its
    windows, none can hold more than that.
    """

    calls: int
    seconds: int

    @property
    def burst(self) -> float:
        return max(1.0, self.calls * 0.1)

    @property
    def per_millisecond(self) -> float:
        return self.calls * 0.8 / (self.seconds * 1000)


MINUTE, HOUR, DAY, MONTH = 60, 3_600, 86_400, 2_592_000
LIMITS = (Limit(10_000, MINUTE), Limit(150_000, HOUR))
OWN_LIMITS: dict[str, tuple[Limit, ...]] = {
    "media/uploadimg": (Limit(1_000, DAY), Limit(3_000, MONTH)),
}
SERIAL = {
    "externalcontact/get_groupmsg_list_v2": "groupmsg",
    "externalcontact/get_groupmsg_task": "groupmsg",
    "externalcontact/get_groupmsg_send_result": "groupmsg",
}
"""Endpoints that answer 45033 (too parallel) soon: one call at a time per company."""

TAKE = """
local paused = redis.call('PTTL', KEYS[2])
if paused > 0 then return paused end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local state = redis.call('HMGET', KEYS[1], 'at', 'level1', 'level2')
local passed = math.max(0, now - tonumber(state[1] or now))
local wait, levels = 0, {}
for i = 1, #ARGV / 2 do
  local burst, rate = tonumber(ARGV[i * 2 - 1]), tonumber(ARGV[i * 2])
  local level = math.min(burst, tonumber(state[i + 1] or burst) + passed * rate)
  if level < 1 then wait = math.max(wait, math.ceil((1 - level) / rate)) end
  levels[i] = level
end
if wait > 0 then return wait end
redis.call('HSET', KEYS[1], 'at', now)
for i, level in ipairs(levels) do redis.call('HSET', KEYS[1], 'level' .. i, level - 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[#ARGV])
return 0
"""

PAUSE = """
local left = redis.call('PTTL', KEYS[1])
if left > 0 then return math.ceil(left / 1000) end
local breaches = redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
local seconds = breaches > tonumber(ARGV[4]) and ARGV[2] or ARGV[1]
redis.call('SET', KEYS[1], 1, 'EX', seconds)
return tonumber(seconds)
"""

TAKE_ONE_OF_FEW = """
local clock = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', clock[1] - ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return math.max(1, oldest[2] + ARGV[2] - clock[1])
end
redis.call('ZADD', KEYS[1], clock[1], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 0
"""


class CallBudget:
    """The calls that one company may still make, per endpoint."""

    def __init__(self, corp_id: str, redis: Redis) -> None:
        self._prefix = f"wecom:{corp_id}:calls"
        self._redis = redis
        self._shared = Shared()
        self._own = OwnBudget()
        self._take = redis.register_script(TAKE)
        self._pause = redis.register_script(PAUSE)
        self._take_one_of_few = redis.register_script(TAKE_ONE_OF_FEW)

    def spend(self, path: str) -> None:
        """Take one call from the endpoint's budget, waiting at most a second for it.

        Raises ``Busy`` with the time to wait when it is used up or the endpoint is paused.
        """
        limits = OWN_LIMITS.get(path, LIMITS)
        numbers = [number for limit in limits for number in (limit.burst, limit.per_millisecond)]
        lifetime = max(math.ceil(limit.burst / limit.per_millisecond) for limit in limits)
        keys = [f"{self._prefix}:{path}", f"{self._prefix}:{path}:paused"]
        give_up = time.monotonic() + SHORT_WAIT_SECONDS
        while wait := self._wait_for(path, keys, [*numbers, lifetime]):
            if time.monotonic() + wait > give_up:
                raise Busy(
                    0,
                    CALLS_USED_UP,
                    path=path,
                    retry_after=wait,
                    scope="endpoint",
                )
            time.sleep(wait)

    def _wait_for(self, path: str, keys: list[str], args: list[float]) -> float:
        return self._shared.ask(
            lambda: int(self._take(keys=keys, args=args)) / 1000,
            lambda: self._own.wait_for(path, zip(args[:-1:2], args[1:-1:2], strict=True)),
        )

    def pause(self, path: str) -> float:
        """Stop calling one endpoint after WeCom's 45009; returns for how many seconds.

        A minute. When WeCom still refuses after two such minutes, with no call getting through
        in between, it is the hour's limit that was exceeded: then an hour. Calls that were under
        way together count once.
        """
        keys = [f"{self._prefix}:{path}:paused", f"{self._prefix}:{path}:breaches"]
        args = [SHORT_PAUSE_SECONDS, LONG_PAUSE_SECONDS, BREACH_MEMORY_SECONDS, SHORT_PAUSES]
        seconds = float(SHORT_PAUSE_SECONDS)
        with after_the_call(path):
            seconds = float(self._pause(keys=keys, args=args))
        return seconds  # noqa: RET504 -- still the short pause if Redis failed

    def went_through(self, path: str) -> None:
        """Forget earlier breaches: WeCom answers this endpoint again."""
        key = f"{self._prefix}:{path}:breaches"
        self._shared.ask(lambda: self._redis.delete(key), lambda: 0)

    def go_slow(self, path: str) -> None:
        """Make the calls to one endpoint one at a time for five minutes, after WeCom's 45033."""
        with after_the_call(path):
            self._redis.set(f"{self._prefix}:{path}:serial", 1, ex=SERIAL_SECONDS)

    @contextmanager
    def turn(self, path: str) -> Iterator[None]:
        """Wait for one's turn where calls may only be made one at a time.

        Raises ``Busy`` when it does not come within a second.
        """
        name = self._turn_name(path)
        if not name:
            yield
            return
        with ExitStack() as held:
            give_up = time.monotonic() + SHORT_WAIT_SECONDS
            while not self._take_turn(name, held):
                if time.monotonic() > give_up:
                    raise Busy(
                        0,
                        NOT_OUR_TURN,
                        path=path,
                        retry_after=1,
                        scope="endpoint",
                    )
                time.sleep(POLL_SECONDS)
            yield

    def _turn_name(self, path: str) -> str:
        if path in SERIAL:
            return SERIAL[path]
        key = f"{self._prefix}:{path}:serial"
        return path if self._shared.ask(lambda: self._redis.exists(key), lambda: 0) else ""

    def _take_turn(self, name: str, held: ExitStack) -> bool:
        lock = try_lock(self._redis, f"{self._prefix}:turn:{name}", seconds=TURN_SECONDS)
        return self._shared.ask(
            lambda: held.enter_context(lock), lambda: self._take_own_turn(name, held)
        )

    def _take_own_turn(self, name: str, held: ExitStack) -> bool:
        turn = self._own.turns[name]
        mine = turn.acquire(blocking=False)
        if mine:
            held.callback(turn.release)
        return mine

    def take_one_of_few(self, name: str, limit: Limit) -> str:
        """Take one of the few calls that WeCom allows for one object, exactly counted.

        Returns a mark with which ``put_back`` undoes it. Raises ``Busy`` when none is left.
        """
        mark = secrets.token_hex(8)
        args: list[int | str] = [limit.calls, limit.seconds, mark]
        with before_the_call(name):
            wait = int(self._take_one_of_few(keys=[f"{self._prefix}:few:{name}"], args=args))
        if wait:
            raise Busy(
                0,
                CALLS_USED_UP,
                path=name,
                retry_after=wait,
            )
        return mark

    def put_back(self, name: str, mark: str) -> None:
        """Undo ``take_one_of_few`` for a call that surely had no effect."""
        with after_the_call(name):
            self._redis.zrem(f"{self._prefix}:few:{name}", mark)
