"""A2: how often and how many at a time."""

from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, World

BLOCK_SECONDS = 60
ONE_AT_A_TIME = "externalcontact/get_groupmsg_"
CROWDED = "crowded"
UNREADABLE = "unreadable"


def check_rate(world: World, call: Call) -> None:
    """Raises 45009 past ``rate_per_minute`` calls of one path in one minute, then for a minute.

    A call during the block is a breach of its own: the client was told to wait.
    """
    if call.at < world.blocked_until.get(call.path, 0.0):
        raise Refusal(45009, breach="call while blocked after 45009")
    minute = int(call.at // 60)
    began, calls = world.minutes.get(call.path, (minute, 0))
    calls = calls + 1 if began == minute else 1
    world.minutes[call.path] = (minute, calls)
    if calls > world.knobs.rate_per_minute:
        world.blocked_until[call.path] = call.at + BLOCK_SECONDS
        raise Refusal(45009, breach=f"more than {world.knobs.rate_per_minute} calls in a minute")


def check_concurrency(call: Call) -> None:
    """Raises 45033 when the front door saw too many calls of a bulk-send query under way."""
    if call.trouble == CROWDED and call.path.startswith(ONE_AT_A_TIME):
        raise Refusal(45033, breach="too many calls at the same time")


def check_readable(call: Call) -> None:
    if call.trouble == UNREADABLE:
        raise Refusal(47001, breach="body is neither JSON nor an upload")
