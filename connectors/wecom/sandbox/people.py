"""A6: members with customer rights, their customers, remarks and marks; and the address book."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.relations import avatar
from connectors.wecom.sandbox.state import Call, Customer, Follow, Json, Staff, World

MAX_TAGS = 3000


def staff_at_work(world: World, userid: str, *, errcode: int = 60111) -> Staff:
    """The member, unless unknown or departed: then ``Refusal(errcode)``."""
    staff = world.staff.get(userid)
    if staff is None or not staff.at_work:
        raise Refusal(errcode, userid)
    return staff


def get_follow_user_list(world: World, call: Call) -> Json:
    return {"follow_user": [s.userid for s in world.staff.values() if s.at_work and s.can_follow]}


def list_customers(world: World, call: Call) -> Json:
    staff = staff_at_work(world, fields.needed(dict(call.query), "userid"))
    if not staff.can_follow:
        raise Refusal(84074)
    if not world.books[staff.userid]:
        raise Refusal(84061)
    return {"external_userid": list(world.books[staff.userid])}


def get_customer(world: World, call: Call) -> Json:
    customer = world.customers.get(call.query.get("external_userid", ""))
    if customer is None:
        raise Refusal(40096)
    if not customer.follows:
        raise Refusal(84061)
    rows, cursor = fields.cut(
        world, list(customer.follows.values()), _seq, 500, call.query.get("cursor", "")
    )
    return {
        "external_contact": _contact(customer),
        "follow_user": [{**_follow(row), "tags": _tags(world, row)} for row in rows],
        "next_cursor": cursor,
    }


def batch_get_by_user(world: World, call: Call) -> Json:
    userids = fields.strings(call.body, "userid_list", most=100, least=1)
    known = [userid for userid in userids if userid in world.staff and world.staff[userid].at_work]
    if not known:
        raise Refusal(60111)
    rows = [follow for userid in known for follow in world.books[userid].values()]
    rows, cursor = fields.page(world, call.body, rows, _seq, most=100, default=50)
    found = [
        {
            "external_contact": _contact(world.customers[row.external_userid]),
            "follow_info": {**_follow(row), "tag_id": list(row.tag_ids)},
        }
        for row in rows
    ]
    unknown = [userid for userid in userids if userid not in known]
    answer: Json = {"external_contact_list": found, "next_cursor": cursor}
    return {**answer, "fail_info": {"unlicensed_userid_list": unknown}} if unknown else answer


def remark(world: World, call: Call) -> Json:
    """Overwrites what is given, and tells nobody: changes through the API have no callback."""
    body = call.body
    follow = _followed(world, body)
    changes = {
        "remark": fields.text(body, "remark", chars=20),
        "description": fields.text(body, "description", chars=150),
        "remark_company": fields.text(body, "remark_company", chars=20),
    }
    mobiles = fields.strings(body, "remark_mobiles", most=20)
    given = [name for name in changes if name in body]
    if not given and "remark_mobiles" not in body and "remark_pic_mediaid" not in body:
        raise Refusal(40058, "nothing to change")
    if "remark_company" in given and world.customers[follow.external_userid].type != 1:
        raise Refusal(40058, "remark_company is for WeChat customers only")
    for name in given:
        setattr(follow, name, changes[name])
    if "remark_mobiles" in body:
        follow.remark_mobiles = [mobile for mobile in mobiles if mobile]
    return {}


def mark_tag(world: World, call: Call) -> Json:
    add = fields.strings(call.body, "add_tag", most=MAX_TAGS, errcode=40126)
    remove = fields.strings(call.body, "remove_tag", most=MAX_TAGS, errcode=40126)
    if not add and not remove:
        raise Refusal(40058, "neither add_tag nor remove_tag", breach="mark_tag without a tag")
    follow = _followed(world, call.body)
    for tag_id in (*add, *remove):
        if world.tag(tag_id) is None:
            raise Refusal(40068, tag_id)
    tags = list(dict.fromkeys([*(tag for tag in follow.tag_ids if tag not in remove), *add]))
    if len(tags) > MAX_TAGS:
        raise Refusal(40126, breach=f"{len(tags)} tags on one customer, {MAX_TAGS} allowed")
    follow.tag_ids = tags
    return {}


def get_user(world: World, call: Call) -> Json:
    staff = staff_at_work(world, fields.needed(dict(call.query), "userid"))
    return {
        **_member(staff),
        "status": 1 if staff.active else 4,
        "main_department": staff.departments[0],
    }


def simplelist(world: World, call: Call) -> Json:
    wanted = _number(call, "department_id")
    if wanted not in world.departments:
        raise Refusal(60123)
    inside = _below(world, wanted) if call.query.get("fetch_child") == "1" else {wanted}
    staff = [s for s in world.staff.values() if s.at_work and inside & set(s.departments)]
    return {"userlist": [_member(s) for s in staff]}


def list_ids(world: World, call: Call) -> Json:
    """Every member once per department; the cursor is by member, so a page may be a little longer."""
    staff = [s for s in world.staff.values() if s.at_work]
    positions = {s.userid: position for position, s in enumerate(world.staff.values())}
    rows, cursor = fields.page(
        world, call.body, staff, lambda s: positions[s.userid], most=10_000, default=10_000
    )
    places = [{"userid": s.userid, "department": d} for s in rows for d in s.departments]
    return {"dept_user": places, "next_cursor": cursor}


def departments(world: World, call: Call) -> Json:
    root = _number(call, "id") if "id" in call.query else 1
    if root not in world.departments:
        raise Refusal(60123)
    inside = _below(world, root)
    return {"department": [d for key, d in sorted(world.departments.items()) if key in inside]}


def _number(call: Call, name: str) -> int:
    value = call.query.get(name, "")
    if not value.isdecimal():
        raise Refusal(40058, f"{name} is not a number")
    return int(value)


def _below(world: World, root: int) -> set[int]:
    inside = {root}
    while True:
        more = {key for key, d in world.departments.items() if d["parentid"] in inside} - inside
        if not more:
            return inside
        inside |= more


def _member(staff: Staff) -> Json:
    return {"userid": staff.userid, "name": staff.name, "department": staff.departments}


def _followed(world: World, body: Json) -> Follow:
    staff = staff_at_work(world, fields.needed(body, "userid"))
    external_userid = fields.needed(body, "external_userid")
    if external_userid not in world.customers:
        raise Refusal(40096)
    follow = world.follow(staff.userid, external_userid)
    if follow is None:
        raise Refusal(84061)
    return follow


def _seq(follow: Follow) -> int:
    return follow.seq


def _contact(customer: Customer) -> Json:
    contact: Json = {
        "external_userid": customer.external_userid,
        "name": customer.name,
        "type": customer.type,
        "avatar": avatar(customer.external_userid),
        "gender": customer.gender,
    }
    return (
        {**contact, "unionid": customer.unionid}
        if customer.unionid and customer.type == 1
        else contact
    )


def _follow(follow: Follow) -> Json:
    return {
        "userid": follow.userid,
        "remark": follow.remark,
        "description": follow.description,
        "remark_corp_name": follow.remark_company,
        "remark_mobiles": follow.remark_mobiles,
        "createtime": follow.createtime,
        "oper_userid": follow.oper_userid or follow.external_userid,
        "add_way": follow.add_way,
        "state": follow.state,
    }


def _tags(world: World, follow: Follow) -> list[Json]:
    found = [world.tag(tag_id) for tag_id in follow.tag_ids]
    return [
        {"group_name": hit[0].name, "tag_name": hit[1].name, "tag_id": hit[1].id, "type": 1}
        for hit in found
        if hit
    ]
