"""The ledger, ``GET /sandbox/ledger…``: what was done to the sandbox, recipient by recipient.

The summary is small whatever happened; everything long is a part with pages:
``?after=<next>&limit=`` (at most 5,000 rows) and the filters named at each part.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from connectors.wecom.sandbox.confirmations import waiting_tasks
from connectors.wecom.sandbox.control import clock
from connectors.wecom.sandbox.state import Json, Message, World

MAX_ROWS = 5_000
LATEST = 100

Query = dict[str, str]


def summary(world: World, at: float) -> Json:
    ledger = world.ledger
    sends = Counter(count for texts in ledger.deliveries.values() for count in texts.values())
    return {
        "clock": clock(world, at),
        "calls": dict(ledger.calls),
        "errcodes": {path: dict(codes) for path, codes in ledger.errcodes.items()},
        "violations": ledger.violations[-LATEST:],
        "violations_total": len(ledger.violations),
        "messages": len(world.messages),
        "waiting_tasks": sum(1 for _ in waiting_tasks(world)),
        "delivered": sum(times * pairs for times, pairs in sends.items()),
        "delivered_twice": sum(pairs for times, pairs in sends.items() if times > 1),
        "welcomed": sum(len(rows) for rows in ledger.welcomes.values()),
        "welcome_codes": len(world.welcome_codes),
        "transfers": dict(
            Counter(t.status for rows in world.transfer_history.values() for t in rows)
        ),
        "unassigned": len(world.unassigned),
        "callbacks": dict(Counter(callback.state for callback in world.callbacks.values())),
        "staff": len(world.staff),
        "customers": len(world.customers),
        "follows": sum(len(book) for book in world.books.values()),
    }


def violations(world: World, query: Query) -> list[Any]:
    return [row for row in world.ledger.violations if query.get("path") in (None, row["path"])]


def messages(world: World, query: Query) -> list[Any]:
    """?msgid= &sender= &text= ; one row per message with all recipients and their statuses."""
    return [
        _message(message)
        for message in world.messages.values()
        if query.get("msgid") in (None, message.msgid)
        and query.get("text") in (None, message.text)
        and (not query.get("sender") or query["sender"] in message.tasks)
    ]


def moments(world: World, query: Query) -> list[Any]:
    """?text= ; every moment, whom it is for and who has published it when."""
    return [
        asdict(moment)
        for moment in world.moments.values()
        if query.get("text") in (None, moment.text)
    ]


def deliveries(world: World, query: Query) -> list[Any]:
    """?external_userid= &text= ; how often each customer really got each text."""
    return [
        {"external_userid": who, "text": text, "times": times}
        for who, texts in world.ledger.deliveries.items()
        for text, times in texts.items()
        if query.get("external_userid") in (None, who) and query.get("text") in (None, text)
    ]


def welcomes(world: World, query: Query) -> list[Any]:
    """?external_userid= ; what each new contact was told, and how many seconds after the code."""
    return [
        {"external_userid": who, **row}
        for who, rows in world.ledger.welcomes.items()
        for row in rows
        if query.get("external_userid") in (None, who)
    ]


def transfers(world: World, query: Query) -> list[Any]:
    """?handover= &takeover= ; every transfer that was started, with its status now."""
    return [
        asdict(transfer)
        for rows in world.transfer_history.values()
        for transfer in rows
        if query.get("handover") in (None, transfer.handover)
        and query.get("takeover") in (None, transfer.takeover)
    ]


def transfer_calls(world: World, query: Query) -> list[Any]:
    return world.ledger.transfer_calls


def callbacks(world: World, query: Query) -> list[Any]:
    """?state=waiting|sent|failed|dropped"""
    return [asdict(c) for c in world.callbacks.values() if query.get("state") in (None, c.state)]


def app_messages(world: World, query: Query) -> list[Any]:
    return world.ledger.app_messages


def follows(world: World, query: Query) -> list[Any]:
    """?userid= &external_userid= ; who is whose now."""
    return [
        asdict(follow)
        for userid, book in world.books.items()
        if query.get("userid") in (None, userid)
        for follow in book.values()
        if query.get("external_userid") in (None, follow.external_userid)
    ]


def tasks(world: World, query: Query) -> list[Any]:
    """?userid= ; what members have yet to confirm."""
    return [
        {
            "msgid": message.msgid,
            "userid": task.userid,
            "created_at": message.created_at,
            "text": message.text,
            "recipients": len(task.recipients),
        }
        for message, task in waiting_tasks(world, userid=query.get("userid", ""))
    ]


PARTS: dict[str, Callable[[World, Query], list[Any]]] = {
    "/sandbox/tasks": tasks,
    "/sandbox/ledger/violations": violations,
    "/sandbox/ledger/messages": messages,
    "/sandbox/ledger/moments": moments,
    "/sandbox/ledger/deliveries": deliveries,
    "/sandbox/ledger/welcomes": welcomes,
    "/sandbox/ledger/transfers": transfers,
    "/sandbox/ledger/transfer_calls": transfer_calls,
    "/sandbox/ledger/callbacks": callbacks,
    "/sandbox/ledger/app_messages": app_messages,
    "/sandbox/ledger/follows": follows,
}


def part(world: World, path: str, query: Query) -> Json:
    """One page of a part; ``next`` is what to give as ``after``, or null at the end."""
    rows = PARTS[path](world, query)
    after = int(query["after"]) if query.get("after", "").isdecimal() else 0
    limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 1_000
    end = after + max(1, min(limit, MAX_ROWS))
    return {"rows": rows[after:end], "next": end if end < len(rows) else None, "total": len(rows)}


def _message(message: Message) -> Json:
    return {
        "msgid": message.msgid,
        "chat_type": message.chat_type,
        "created_at": message.created_at,
        "text": message.text,
        "attachments": message.attachments,
        "fail_list": message.fail_list,
        "cancelled": message.cancelled,
        "reminders": message.reminders,
        "tasks": [
            {
                "userid": task.userid,
                "status": task.status,
                "send_time": task.send_time,
                "recipients": {row.id: row.status for row in task.recipients.values()},
            }
            for task in message.tasks.values()
        ],
    }
