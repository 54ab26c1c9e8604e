"""A8: contact ways ("contact me" codes), and people who scan them."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, Way, World

MAX_USERS = 100
KEPT = (
    "type",
    "scene",
    "style",
    "remark",
    "skip_verify",
    "state",
    "user",
    "party",
    "is_temp",
    "expires_in",
    "chat_expires_in",
    "unionid",
    "is_exclusive",
    "mark_source",
    "conclusions",
)


def add_contact_way(world: World, call: Call) -> Json:
    """A new code. One bad member fails the whole call, as it does at WeCom."""
    _check_kind(call.body)
    values = {"skip_verify": True, "style": 0, "remark": "", "state": "", **_values(call.body)}
    _check_users(world, values)
    way = Way(world.next_seq(), world.new_id("way"), call.at, values)
    world.ways[way.config_id] = way
    answer = {"config_id": way.config_id}
    return {**answer, "qr_code": _qr_code(way)} if values["scene"] == 2 else answer


def get_contact_way(world: World, call: Call) -> Json:
    way = _way(world, call.body)
    shown = {"config_id": way.config_id, "user": [], "party": [], **way.values}
    return {"contact_way": {**shown, "qr_code": _qr_code(way)}}


def list_contact_way(world: World, call: Call) -> Json:
    start = fields.number(call.body, "start_time")
    end = fields.number(call.body, "end_time", int(call.at) + 1)
    rows = [way for way in world.ways.values() if start <= way.created_at <= end]
    rows, cursor = fields.page(world, call.body, rows, lambda way: way.seq, most=1000, default=100)
    return {"contact_way": [{"config_id": way.config_id} for way in rows], "next_cursor": cursor}


def update_contact_way(world: World, call: Call) -> Json:
    """Members and departments are overwritten, other fields only when given; kind and scene stay."""
    way = _way(world, call.body)
    changes = _values(call.body)
    for fixed in ("type", "scene", "is_temp"):
        changes.pop(fixed, None)
    values = {**way.values, **changes}
    _check_users(world, values)
    way.values = values
    return {}


def del_contact_way(world: World, call: Call) -> Json:
    del world.ways[_way(world, call.body).config_id]
    return {}


def way_of_state(world: World, state: str) -> Way | None:
    """The newest code with this state."""
    found = [way for way in world.ways.values() if state and way.values["state"] == state]
    return found[-1] if found else None


def next_member(world: World, way: Way, external_userid: str) -> str:
    """Whom a scan of this code reaches: members at work in turn, "" when there is none.

    With ``is_exclusive`` a customer who has one of the members stays with them.
    """
    members: list[str] = [
        user
        for user in way.values.get("user", [])
        if user in world.staff and world.staff[user].at_work
    ]
    if not members:
        return ""
    if way.values.get("is_exclusive"):
        for member in members:
            if world.follow(member, external_userid):
                return member
    way.turn += 1
    return members[(way.turn - 1) % len(members)]


def _qr_code(way: Way) -> str:
    return f"https://qr.invalid/{way.config_id}"


def _way(world: World, body: Json) -> Way:
    config_id = fields.needed(body, "config_id", errcode=41043)
    if config_id not in world.ways:
        raise Refusal(41044)
    return world.ways[config_id]


def _check_kind(body: Json) -> None:
    for name, missing, wrong in (("type", 41037, 41039), ("scene", 41038, 41040)):
        if name not in body:
            raise Refusal(missing)
        if fields.number(body, name) not in (1, 2):
            raise Refusal(wrong)


def _values(body: Json) -> Json:
    fields.text(body, "remark", chars=30)
    fields.text(body, "state", chars=30)
    fields.strings(body, "user", most=MAX_USERS, errcode=41041)
    chat_seconds = fields.number(body, "chat_expires_in")
    if chat_seconds > 14 * 86400:
        raise Refusal(40058, "chat_expires_in", breach="chat_expires_in over 14 days")
    return {name: body[name] for name in KEPT if name in body}


def _check_users(world: World, values: Json) -> None:
    users = values.get("user", [])
    if values["type"] == 1 and len(users) > 1:
        raise Refusal(41041, breach="a single code with several members")
    if not users and not values.get("party"):
        raise Refusal(40058, "no user")
    for userid in users:
        staff = world.staff.get(userid)
        if staff is None or not staff.at_work:
            raise Refusal(40031, userid)
        for good, errcode in (
            (staff.active, 41054),
            (staff.real_name, 40098),
            (staff.can_follow, 84074),
        ):
            if not good:
                raise Refusal(errcode, userid)
