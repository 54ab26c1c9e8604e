"""What members do with their tasks in the client: confirm them, and so send."""

from calendar import monthrange
from collections.abc import Iterator
from math import ceil

from connectors.wecom.sandbox.clock import local_day
from connectors.wecom.sandbox.state import Json, Message, Recipient, Task, World

SENT, NOT_A_FRIEND, CAPPED = 1, 2, 3
CONFIRMED = 2


def waiting_tasks(
    world: World, *, userid: str = "", msgid: str = ""
) -> Iterator[tuple[Message, Task]]:
    """Unconfirmed tasks of members at work, oldest message first."""
    for message in world.messages.values():
        if message.cancelled or (msgid and message.msgid != msgid):
            continue
        for task in message.tasks.values():
            open_task = task.status == 0 and (not userid or task.userid == userid)
            if open_task and world.staff[task.userid].at_work:
                yield message, task


def confirm(
    world: World, at: float, *, userid: str = "", msgid: str = "", share: float = 1.0
) -> Json:
    """Confirm the first ``share`` (0 to 1, rounded up) of the waiting tasks; returns what came of it."""
    tasks = list(waiting_tasks(world, userid=userid, msgid=msgid))
    counts = {SENT: 0, NOT_A_FRIEND: 0, CAPPED: 0}
    chosen = tasks[: ceil(round(len(tasks) * share, 6))]
    for message, task in chosen:
        task.status, task.send_time = CONFIRMED, int(at)
        for recipient in task.recipients.values():
            counts[_send(world, at, message, task, recipient)] += 1
    return {
        "tasks": len(chosen),
        "left": len(tasks) - len(chosen),
        "sent": counts[SENT],
        "not_friend": counts[NOT_A_FRIEND],
        "capped": counts[CAPPED],
    }


def capped(world: World, who: str, at: float) -> bool:
    """Whether the customer or chat has had all bulk messages of the period."""
    period, allowed = _allowance(world, at)
    return world.received[(who, period)] >= allowed


def _send(world: World, at: float, message: Message, task: Task, recipient: Recipient) -> int:
    if not _reachable(world, message, task, recipient):
        recipient.status = NOT_A_FRIEND
    elif capped(world, recipient.id, at):
        recipient.status = CAPPED
    else:
        recipient.status, recipient.send_time = SENT, int(at)
        world.received[(recipient.id, _allowance(world, at)[0])] += 1
        world.ledger.deliveries[recipient.id][message.text] += 1
    return recipient.status


def _reachable(world: World, message: Message, task: Task, recipient: Recipient) -> bool:
    if message.chat_type == "single":
        return world.follow(task.userid, recipient.id) is not None
    chat = world.groups.get(recipient.id)
    return chat is not None and chat.owner == task.userid


def _allowance(world: World, at: float) -> tuple[str, int]:
    """The period that ``at`` falls into, by Shanghai days, and how many messages it allows."""
    day = local_day(at)
    quota = world.knobs.quota
    if quota.period == "day":
        return day.strftime("%Y-%m-%d"), quota.count or 1
    if quota.period == "week":
        return day.strftime("%G-W%V"), quota.count or 7
    return day.strftime("%Y-%m"), quota.count or monthrange(day.year, day.month)[1]
