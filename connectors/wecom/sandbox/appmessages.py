"""message/send: a note from the application to members."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.clock import HOUR
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, World

MAX_MEMBERS = 1000
TEXT_BYTES = 2048
PER_MINUTE = 30
PER_HOUR = 1000
DUPLICATE_SECONDS = 1800


def send(world: World, call: Call) -> Json:
    """Tell the members in ``touser`` ("a|b" or "@all"); unknown ones come back in invaliduser."""
    if str(call.body.get("agentid", "")) != world.settings.agent_id:
        raise Refusal(40056)
    kind = fields.needed(call.body, "msgtype")
    content = fields.record(call.body, kind)
    if kind == "text":
        fields.text(content, "content", octets=TEXT_BYTES, errcode=45002)
    known, unknown = _members(world, fields.needed(call.body, "touser"))
    if not known:
        raise Refusal(60111)
    for userid in known:
        _check_pace(world, call, userid)
    entry = {"at": call.at, "touser": known, "msgtype": kind, "content": content}
    if not _is_repeat(world, call, entry):
        world.ledger.app_messages.append(entry)
    for userid in known:
        world.app_message_times[userid].append(call.at)
    return {"invaliduser": "|".join(unknown), "msgid": world.new_id("appmsg")}


def _members(world: World, touser: str) -> tuple[list[str], list[str]]:
    at_work = [staff.userid for staff in world.staff.values() if staff.at_work]
    if touser == "@all":
        return at_work, []
    wanted = list(dict.fromkeys(touser.split("|")))
    if len(wanted) > MAX_MEMBERS:
        raise Refusal(
            40058, "touser", breach=f"{len(wanted)} members in one message, {MAX_MEMBERS} allowed"
        )
    there = set(at_work)
    return [u for u in wanted if u in there], [u for u in wanted if u not in there]


def _check_pace(world: World, call: Call, userid: str) -> None:
    times = [at for at in world.app_message_times[userid] if at > call.at - HOUR]
    world.app_message_times[userid] = times
    if len(times) >= PER_HOUR or sum(at > call.at - 60 for at in times) >= PER_MINUTE:
        raise Refusal(45009, breach=f"more than {PER_MINUTE} messages a minute to {userid}")


def _is_repeat(world: World, call: Call, entry: Json) -> bool:
    if call.body.get("enable_duplicate_check") != 1:
        return False
    since = call.at - fields.number(call.body, "duplicate_check_interval", DUPLICATE_SECONDS)
    same = ("touser", "msgtype", "content")
    return any(
        old["at"] > since and all(old[key] == entry[key] for key in same)
        for old in world.ledger.app_messages
    )
