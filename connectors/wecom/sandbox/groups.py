"""A12 and the group half of A10: customer group chats and their owners."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.callbacks import emit
from connectors.wecom.sandbox.clock import DAY
from connectors.wecom.sandbox.errors import Refusal, text_of
from connectors.wecom.sandbox.people import staff_at_work
from connectors.wecom.sandbox.state import Call, GroupChat, Json, World

MAX_CHATS = 100
CHATS_PER_DAY = 300
ON_JOB_TRANSFERS = 2
ON_JOB_DAYS = 90 * DAY
CHANGES = ("create", "update", "dismiss")


def list_groups(world: World, call: Call) -> Json:
    owners = fields.strings(fields.record(call.body, "owner_filter"), "userid_list", most=100)
    status_filter = fields.number(call.body, "status_filter")
    rows = [chat for chat in world.groups.values() if not owners or chat.owner in owners]
    rows = [chat for chat in rows if status_filter in (0, _status(world, chat))]
    rows, cursor = fields.page(
        world, call.body, rows, lambda chat: chat.seq, most=1000, default=1000
    )
    shown = [{"chat_id": chat.chat_id, "status": _status(world, chat)} for chat in rows]
    return {"group_chat_list": shown, "next_cursor": cursor}


def get_group(world: World, call: Call) -> Json:
    chat = world.groups.get(fields.needed(call.body, "chat_id"))
    if chat is None:
        raise Refusal(90501)
    named = fields.number(call.body, "need_name") == 1
    members = [m if named else {k: v for k, v in m.items() if k != "name"} for m in chat.members]
    return {
        "group_chat": {
            "chat_id": chat.chat_id,
            "name": chat.name,
            "owner": chat.owner,
            "create_time": chat.create_time,
            "notice": "",
            "member_list": members,
            "admin_list": [],
        }
    }


def transfer(world: World, call: Call) -> Json:
    return _transfer(world, call, resigned=True)


def onjob_transfer(world: World, call: Call) -> Json:
    return _transfer(world, call, resigned=False)


def _transfer(world: World, call: Call, *, resigned: bool) -> Json:
    chat_ids = fields.strings(call.body, "chat_id_list", most=MAX_CHATS, least=1)
    new_owner = staff_at_work(world, fields.needed(call.body, "new_owner"), errcode=40003).userid
    failed = []
    for chat_id in dict.fromkeys(chat_ids):
        code = _objection(world, call, chat_id, new_owner, resigned=resigned)
        if code:
            failed.append({"chat_id": chat_id, "errcode": code, "errmsg": text_of(code)})
            continue
        chat = world.groups[chat_id]
        chat.owner = new_owner
        chat.transfers.append(call.at)
        if not resigned:
            chat.on_job.append(call.at)
    return {"failed_chat_list": failed}


def change(world: World, call: Call) -> Json:
    """``POST /sandbox/chat``: people open, change or end a group chat, and WeCom tells of it."""
    chat_id, what = fields.needed(call.body, "chat_id"), fields.text(call.body, "change")
    chat = world.groups.get(chat_id)
    if what not in CHANGES:
        raise Refusal(40058, f"change is one of {CHANGES}")
    if (chat is None) != (what == "create"):
        raise Refusal(90501)
    if chat is None:
        owner = staff_at_work(world, fields.needed(call.body, "owner")).userid
        chat = GroupChat(world.next_seq(), chat_id, chat_id, owner, int(call.at), [])
    details = _change(world, call, chat)
    if what == "dismiss":
        del world.groups[chat_id]
    else:
        world.groups[chat_id] = chat
    for detail in details if what == "update" else [""]:
        head = {"Event": "change_external_chat", "ChatId": chat_id, "ChangeType": what}
        emit(world, call.at, {**head, "UpdateDetail": detail})
    return {}


def _change(world: World, call: Call, chat: GroupChat) -> list[str]:
    """Give the chat another name, owner or members; returns what WeCom calls these changes."""
    details = []
    if name := fields.text(call.body, "name"):
        chat.name = name
        details.append("change_name")
    if owner := fields.text(call.body, "owner"):
        chat.owner = staff_at_work(world, owner).userid
        details.append("change_owner")
    if "members" in call.body:
        members = fields.records(call.body, "members", most=500)
        fewer = len(members) < len(chat.members)
        chat.members = [
            {"type": 1, "join_scene": 1, "join_time": int(call.at), **m} for m in members
        ]
        details.append("del_member" if fewer else "add_member")
    return details


def _objection(world: World, call: Call, chat_id: str, new_owner: str, *, resigned: bool) -> int:
    chat = world.groups.get(chat_id)
    if chat is None:
        return 90501
    if chat.errcode:
        return chat.errcode
    if chat.owner == new_owner:
        return 90504
    if resigned == world.staff[chat.owner].at_work:
        return 90500 if resigned else 90502
    recent = [at for at in chat.on_job if at > call.at - ON_JOB_DAYS]
    if not resigned and len(recent) >= ON_JOB_TRANSFERS:
        world.ledger.breach(call.at, call.path, "a chat handed over a third time in 90 days")
        return 40128
    taken = [
        at
        for c in world.groups.values()
        if c.owner == new_owner
        for at in c.transfers
        if at > call.at - DAY
    ]
    if len(taken) >= CHATS_PER_DAY:
        world.ledger.breach(
            call.at, call.path, f"more than {CHATS_PER_DAY} chats to one member in a day"
        )
        return 45009
    return 0


def _status(world: World, chat: GroupChat) -> int:
    """0 normal, 1 the owner has left and the chat waits for another."""
    return 0 if world.staff[chat.owner].at_work else 1
