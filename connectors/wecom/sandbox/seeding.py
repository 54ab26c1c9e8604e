"""POST /sandbox/seed: a company with its people, in as many calls as the caller likes."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.faults import set_knobs
from connectors.wecom.sandbox.relations import put_follow, remember
from connectors.wecom.sandbox.state import Call, Customer, Follow, GroupChat, Json, Staff, World
from connectors.wecom.sandbox.tags import named_group, named_tag

MOODS = ("accept", "refuse", "delete", "silent")
ANY = 1_000_000


def seed(world: World, call: Call) -> Json:
    """Add to what is there; the same thing again changes it in place. No event is sent.

    Staff and tags may come in the same call as the customers who refer to them.
    Raises ``Refusal`` before anything is changed when a reference leads nowhere.
    """
    body = call.body
    staff = fields.records(body, "staff", most=ANY)
    customers = fields.records(body, "customers", most=ANY)
    tags = fields.records(body, "tags", most=ANY)
    groups = fields.records(body, "groups", most=ANY)
    _check(world, staff, customers, tags, groups)
    set_knobs(world, body, call.at)
    for item in fields.records(body, "departments", most=ANY):
        key = fields.number(item, "id")
        world.departments[key] = {"name": str(key), "order": key, "parentid": 1, **item, "id": key}
    for item in staff:
        _seed_staff(world, item)
    for item in tags:
        group = named_group(world, call.at, item["group"])
        for name in item["names"]:
            named_tag(world, call.at, group, name)
    by_name = _tag_ids(world)
    for item in customers:
        _seed_customer(world, call.at, item, by_name)
    for item in groups:
        _seed_group(world, call.at, item)
    return {"staff": len(staff), "customers": len(customers), "tags": _tags_by_group(world)}


def _check(
    world: World, staff: list[Json], customers: list[Json], tags: list[Json], groups: list[Json]
) -> None:
    userids = {*world.staff, *(fields.needed(item, "userid") for item in staff)}
    names = {*_tag_ids(world), *(n for t in tags for n in fields.strings(t, "names", most=ANY))}
    for item in groups:
        fields.needed(item, "chat_id")
    for item in tags:
        fields.needed(item, "group")
    for item in customers:
        fields.needed(item, "external_userid")
        if item.get("mood", "accept") not in MOODS:
            raise Refusal(40058, f"mood is one of {MOODS}")
    follows = [row for item in customers for row in fields.records(item, "follows", most=ANY)]
    wanted = {*(row.get("userid") for row in follows), *(item.get("owner") for item in groups)}
    if not wanted <= userids:
        raise Refusal(60111, str(wanted - userids))
    marks = {tag for row in follows for tag in fields.strings(row, "tag_ids", most=ANY)}
    if not marks <= names:
        raise Refusal(40068, str(marks - names))


def _seed_staff(world: World, item: Json) -> None:
    department = item.get("department") or 1
    listed = department if isinstance(department, list) else [department]
    world.staff[item["userid"]] = Staff(
        userid=item["userid"],
        name=str(item.get("name", item["userid"])),
        departments=[_department_id(world, one) for one in listed],
        active=item.get("active", True),
        real_name=item.get("real_name", True),
        can_follow=item.get("can_follow", True),
        capacity=item.get("capacity", 20_000),
    )


def _department_id(world: World, department: int | str) -> int:
    """A department by id or by name; a name that is new is a new department."""
    if isinstance(department, int):
        return department
    for known in world.departments.values():
        if known["name"] == department:
            return int(known["id"])
    new = max(world.departments) + 1
    world.departments[new] = {"id": new, "name": department, "parentid": 1, "order": new}
    return new


def _seed_customer(world: World, at: float, item: Json, by_name: dict[str, str]) -> None:
    external_userid = item["external_userid"]
    customer = remember(world, Customer(external_userid, str(item.get("name", external_userid))))
    for name in ("name", "type", "unionid", "gender", "mood"):
        if name in item:
            setattr(customer, name, item[name])
    for row in item.get("follows", []):
        old = customer.follows.get(row["userid"])
        put_follow(
            world,
            Follow(
                seq=old.seq if old else world.next_seq(),
                userid=row["userid"],
                external_userid=external_userid,
                createtime=row.get("createtime", int(at)),
                remark=row.get("remark", ""),
                description=row.get("description", ""),
                remark_mobiles=row.get("remark_mobiles", []),
                tag_ids=[by_name.get(tag, tag) for tag in row.get("tag_ids", [])],
                state=row.get("state", ""),
                add_way=row.get("add_way", 0),
                oper_userid=row.get("oper_userid", ""),
            ),
        )


def _seed_group(world: World, at: float, item: Json) -> None:
    members = [
        {"type": 1, "join_scene": 1, "join_time": int(at), **m} for m in item.get("members", [])
    ]
    name, created = str(item.get("name", item["chat_id"])), item.get("create_time", int(at))
    chat = GroupChat(world.next_seq(), item["chat_id"], name, item["owner"], created, members)
    chat.errcode = fields.number(item, "errcode")
    world.groups[chat.chat_id] = chat


def _tag_ids(world: World) -> dict[str, str]:
    """Ids by id and by name, so that a seed may use either."""
    tags = [tag for group in world.tag_groups.values() for tag in group.tags.values()]
    return {**{tag.name: tag.id for tag in tags}, **{tag.id: tag.id for tag in tags}}


def _tags_by_group(world: World) -> Json:
    return {
        g.name: {tag.name: tag.id for tag in g.tags.values()} for g in world.tag_groups.values()
    }
