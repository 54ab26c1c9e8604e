"""A9: bulk messages. The API creates tasks; only a member's confirmation sends (``confirmations``)."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.clock import DAY
from connectors.wecom.sandbox.confirmations import capped
from connectors.wecom.sandbox.contents import read_content
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.people import staff_at_work
from connectors.wecom.sandbox.state import Call, Follow, Json, Message, Recipient, Task, World

MAX_CUSTOMERS = 10_000
MAX_CHATS = 2_000
MAX_REMINDERS = 3
MAX_PAGE = 1_000
MONTH = 31 * DAY

Row = TypeVar("Row")


def add_msg_template(world: World, call: Call) -> Json:
    """One task per sender, unsent. Ids that the sender does not follow come back in fail_list.

    41048, and no task, when nobody is left or everybody left has had their quota.
    """
    chat_type = fields.text(call.body, "chat_type") or "single"
    if chat_type not in ("single", "group"):
        raise Refusal(40058, "chat_type")
    content = read_content(world, call.body, call.at)
    choose = _single if chat_type == "single" else _group
    shares, fail_list = choose(world, call.body)
    if not shares or all(capped(world, who, call.at) for ids in shares.values() for who in ids):
        raise Refusal(41048)
    message = Message(
        seq=world.next_seq(),
        msgid=world.new_id("msgGC"),
        chat_type=chat_type,
        created_at=call.at,
        text=content.text,
        attachments=content.attachments,
        fail_list=fail_list,
    )
    for userid, ids in shares.items():
        recipients = {who: Recipient(world.next_seq(), who) for who in ids}
        message.tasks[userid] = Task(world.next_seq(), userid, recipients)
    world.messages[message.msgid] = message
    return {"fail_list": fail_list, "msgid": message.msgid}


def get_groupmsg_list_v2(world: World, call: Call) -> Json:
    """Messages created in at most one month. Those made by the API carry no creator."""
    start, end = fields.number(call.body, "start_time"), fields.number(call.body, "end_time")
    if not 0 < start < end:
        raise Refusal(600018)
    if end - start > MONTH:
        raise Refusal(600018, breach="more than a month of messages asked for")
    chat_type = fields.text(call.body, "chat_type") or "single"
    rows = [
        m
        for m in world.messages.values()
        if start <= m.created_at <= end and m.chat_type == chat_type
    ]
    for message in rows:
        _not_too_early(world, message, call.at)
    if call.body.get("filter_type") == 1 or call.body.get("creator"):
        rows = []
    rows, cursor = fields.page(world, call.body, rows, lambda m: m.seq, most=100, default=50)
    shown = [
        {
            "msgid": m.msgid,
            "create_time": int(m.created_at),
            "create_type": 0,
            "text": {"content": m.text},
            "attachments": m.attachments,
        }
        for m in rows
    ]
    return {"group_msg_list": shown, "next_cursor": cursor}


def get_groupmsg_task(world: World, call: Call) -> Json:
    message = _message(world, call)
    rows, cursor = _silent_page(world, call, message.tasks.values(), lambda t: t.seq)
    return {
        "task_list": [_timed({"userid": t.userid, "status": t.status}, t) for t in rows],
        "next_cursor": cursor,
    }


def get_groupmsg_send_result(world: World, call: Call) -> Json:
    message = _message(world, call)
    task = message.tasks.get(fields.needed(call.body, "userid"))
    if task is None:
        raise Refusal(40003)
    name = "external_userid" if message.chat_type == "single" else "chat_id"
    rows, cursor = _silent_page(world, call, task.recipients.values(), lambda r: r.seq)
    if call.at < task.send_time + world.knobs.sending_takes:
        waiting = [{name: r.id, "userid": task.userid, "status": 0} for r in rows]
        return {"send_list": waiting, "next_cursor": cursor}
    shown = [_timed({name: r.id, "userid": task.userid, "status": r.status}, r) for r in rows]
    return {"send_list": shown, "next_cursor": cursor}


def remind_groupmsg_send(world: World, call: Call) -> Json:
    """Remind those who have not confirmed; at most three times in 24 hours per message."""
    message = _open_message(world, call)
    recent = [at for at in message.reminders if at > call.at - DAY]
    if len(recent) >= MAX_REMINDERS:
        raise Refusal(41094, breach="more than 3 reminders in 24 hours")
    message.reminders.append(call.at)
    return {}


def cancel_groupmsg_send(world: World, call: Call) -> Json:
    """Stop what is not confirmed yet; what is confirmed stays sent and can still be asked about."""
    _open_message(world, call).cancelled = True
    return {}


def _single(world: World, body: Json) -> tuple[dict[str, list[str]], list[str]]:
    wanted = fields.strings(body, "external_userid", most=MAX_CUSTOMERS)
    sender = fields.text(body, "sender")
    if not wanted and not sender:
        raise Refusal(40058, "neither external_userid nor sender")
    if sender:
        staff_at_work(world, sender, errcode=40003)
    if not wanted:
        chosen = [
            f.external_userid for f in world.books[sender].values() if _tagged(world, f, body)
        ]
        return ({sender: chosen} if chosen else {}), []
    shares: dict[str, list[str]] = {}
    fail_list = []
    for external_userid in dict.fromkeys(wanted):
        userid = _sender_of(world, external_userid, sender)
        if userid:
            shares.setdefault(userid, []).append(external_userid)
        else:
            fail_list.append(external_userid)
    return shares, fail_list


def _sender_of(world: World, external_userid: str, sender: str) -> str:
    """The given sender if a friend, else whoever added the customer last; "" for nobody."""
    if sender:
        return sender if world.follow(sender, external_userid) else ""
    customer = world.customers.get(external_userid)
    if customer is None or not customer.follows:
        return ""
    return max(customer.follows.values(), key=lambda f: (f.createtime, f.seq)).userid


def _tagged(world: World, follow: Follow, body: Json) -> bool:
    """Whether the follow passes tag_filter: any tag of each group of tags."""
    wanted = fields.records(fields.record(body, "tag_filter"), "group_list", most=100)
    return all(
        set(fields.strings(group, "tag_list", most=100)) & set(follow.tag_ids) for group in wanted
    )


def _group(world: World, body: Json) -> tuple[dict[str, list[str]], list[str]]:
    sender = fields.needed(body, "sender")
    staff_at_work(world, sender, errcode=40003)
    owned = [chat.chat_id for chat in world.groups.values() if chat.owner == sender]
    wanted = fields.strings(body, "chat_id_list", most=MAX_CHATS) or owned
    chosen = [chat_id for chat_id in dict.fromkeys(wanted) if chat_id in owned]
    fail_list = [chat_id for chat_id in dict.fromkeys(wanted) if chat_id not in owned]
    return ({sender: chosen} if chosen else {}), fail_list


def _message(world: World, call: Call) -> Message:
    message = world.messages.get(fields.needed(call.body, "msgid", errcode=41047))
    if message is None:
        raise Refusal(41047)
    if message.cancelled and world.knobs.forget_cancelled:
        raise Refusal(41093)
    _not_too_early(world, message, call.at)
    return message


def _open_message(world: World, call: Call) -> Message:
    message = world.messages.get(fields.needed(call.body, "msgid", errcode=41047))
    if message is None:
        raise Refusal(41047)
    if message.cancelled:
        raise Refusal(41093)
    return message


def _not_too_early(world: World, message: Message, at: float) -> None:
    if at < message.created_at + world.knobs.poll_wait:
        raise Refusal(
            41063, breach=f"asked {at - message.created_at:.0f} seconds after add_msg_template"
        )


def _timed(shown: Json, row: Task | Recipient) -> Json:
    return {**shown, "send_time": row.send_time} if row.send_time else shown


def _silent_page(
    world: World, call: Call, rows: Iterable[Row], seq: Callable[[Row], int]
) -> tuple[list[Row], str]:
    """A page of at most 1000; a larger limit silently becomes the default 500, and is a breach."""
    limit = fields.number(call.body, "limit", 500) or 500
    if limit > MAX_PAGE:
        world.ledger.breach(call.at, call.path, f"page of {limit}, {MAX_PAGE} allowed")
        limit = 500
    return fields.cut(world, list(rows), seq, limit, fields.text(call.body, "cursor"))
