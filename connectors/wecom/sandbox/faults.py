"""Misbehaviour on order: refusals, lost answers, odd callbacks."""

from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.fields import number, record, records, strings, text
from connectors.wecom.sandbox.settings import Quota
from connectors.wecom.sandbox.state import Json, World
from connectors.wecom.sandbox.tokens import expire_tokens

NUMBERS = (
    "latency_ms",
    "page_size",
    "token_seconds",
    "poll_wait",
    "rate_per_minute",
    "tokens_per_minute",
    "concurrency",
    "forget_cancelled",
    "sending_takes",
)
ON_THE_WAY = ("drop", "duplicate", "wrong_key")
LOST = ("close", "truncate", "half", "html", "unavailable")
FOR_EVER = -1
MOST = 1_000_000


def set_knobs(world: World, body: Json, at: float) -> None:
    """Turn the knobs that ``body`` names and leave the others. Raises ``Refusal`` for nonsense."""
    turned: Json = {name: number(body, name) for name in NUMBERS if name in body}
    if any(not 0 <= value <= MOST for value in turned.values()):
        raise Refusal(40058, f"a knob is a number from 0 to {MOST}")
    if "quota" in body:
        try:
            turned["quota"] = Quota.parse(text(body, "quota"))
        except ValueError as error:
            raise Refusal(40058, str(error)) from error
    if "takeover_full" in body:
        turned["takeover_full"] = strings(body, "takeover_full", most=100_000)
    for name, value in turned.items():
        setattr(world.knobs, name, value)
    if body.get("expire_tokens"):
        expire_tokens(world, at)


def set_faults(world: World, body: Json, at: float) -> None:
    """Arm faults on top of those armed already; ``clear: true`` disarms all of them first."""
    armed = [_fail(item) for item in records(body, "fail", most=1000)]
    armed += [_lose(item) for item in records(body, "lose", most=1000)]
    callbacks = record(body, "callbacks")
    struck = {name: _times(callbacks[name]) for name in ON_THE_WAY if name in callbacks}
    shuffle = number(callbacks, "shuffle", 0 if body.get("clear") else world.knobs.shuffle)
    set_knobs(world, body, at)
    if body.get("clear"):
        world.faults.clear()
        world.callback_faults.clear()
    world.faults += armed
    world.callback_faults.update(struck)
    world.knobs.shuffle = shuffle


def injected_errcode(world: World, path: str) -> int:
    """The errcode that a fault wants this call to be refused with, or 0."""
    fault = _strike(world, "fail", path)
    return int(fault["errcode"]) if fault else 0


def lost_answer(world: World, path: str) -> str:
    """How the answer to this call, whose work is done, gets lost: "" or one of ``LOST``."""
    fault = _strike(world, "lose", path)
    return str(fault["how"]) if fault else ""


def _strike(world: World, kind: str, path: str) -> Json | None:
    for fault in world.faults:
        if fault["kind"] != kind or fault["path"] not in (path, "*") or fault["left"] == 0:
            continue
        fault["seen"] += 1
        if fault["seen"] % fault["every"] == 0:
            fault["left"] -= 1 if fault["left"] > 0 else 0
            return fault
    return None


def _fail(item: Json) -> Json:
    if not number(item, "errcode"):
        raise Refusal(40058, "a failure needs an errcode")
    return {**_armed(item, "fail"), "errcode": item["errcode"]}


def _lose(item: Json) -> Json:
    how = item.get("how", "truncate")
    if how not in LOST:
        raise Refusal(40058, f"an answer is lost by one of {LOST}")
    return {**_armed(item, "lose"), "how": how}


def _armed(item: Json, kind: str) -> Json:
    """``every`` alone strikes for ever; otherwise ``times``, which is once unless said."""
    every = max(1, number(item, "every", 1))
    times = number(item, "times", FOR_EVER if "every" in item else 1)
    return {
        "kind": kind,
        "path": text(item, "path") or "*",
        "every": every,
        "left": times,
        "seen": 0,
    }


def _times(value: object) -> int:
    if isinstance(value, bool):
        return FOR_EVER if value else 0
    if isinstance(value, int):
        return value
    raise Refusal(40058, "a callback fault is a number of callbacks, or true for all")
