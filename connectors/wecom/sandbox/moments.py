"""A15: moments. The API creates tasks; only a member's own publishing shows anything."""

from dataclasses import dataclass

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.clock import DAY
from connectors.wecom.sandbox.contents import CHECKS, check_media
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.people import staff_at_work
from connectors.wecom.sandbox.state import Call, Follow, Json, Moment, World

TEXT_CHARACTERS = 2000
MAX_IMAGES = 9
MAX_SENDERS = 10_000
MAX_TAGS = 100
MONTH = 31 * DAY
DONE = 3
RUNNING = 2
REACTIONS = ("likes", "comments", "staff_likes", "staff_comments")


def add_moment_task(world: World, call: Call) -> Json:
    """A task for every member named; who does not exist or may not comes back as invalid later."""
    content = _read(world, call.body, call.at)
    visible = fields.record(call.body, "visible_range")
    wanted = fields.strings(fields.record(visible, "sender_list"), "user_list", most=MAX_SENDERS)
    tags = fields.strings(
        fields.record(visible, "external_contact_list"), "tag_list", most=MAX_TAGS
    )
    named = list(dict.fromkeys(wanted)) or [s.userid for s in world.staff.values() if s.at_work]
    senders = [userid for userid in named if _may_publish(world, userid)]
    moment = Moment(
        seq=world.next_seq(),
        jobid=world.new_id("job"),
        moment_id=world.new_id("mom"),
        created_at=call.at,
        text=content.text,
        attachments=content.attachments,
        tag_ids=[tag for tag in tags if world.tag(tag)],
        published=dict.fromkeys(senders, 0),
        invalid_senders=[userid for userid in named if userid not in senders],
        invalid_tags=[tag for tag in tags if not world.tag(tag)],
    )
    world.moments[moment.moment_id] = moment
    return {"jobid": moment.jobid}


def get_moment_task_result(world: World, call: Call) -> Json:
    jobid = call.query.get("jobid", "")
    moment = next((m for m in world.moments.values() if m.jobid == jobid), None)
    if moment is None or call.at > moment.created_at + DAY:
        raise Refusal(40058, "invalid jobid")
    shown: Json = {"type": "add_moment_task"}
    if call.at < moment.created_at + world.knobs.poll_wait / 10:
        return {"status": RUNNING, **shown}
    made = bool(moment.published)
    result: Json = {
        "errcode": 0 if made else 41048,
        "errmsg": "ok" if made else "nobody may publish it",
        "invalid_sender_list": {"user_list": moment.invalid_senders, "department_list": []},
        "invalid_external_contact_list": {"tag_list": moment.invalid_tags},
    }
    if made:
        result["moment_id"] = moment.moment_id
    return {"status": DONE, **shown, "result": result}


def get_moment_list(world: World, call: Call) -> Json:
    """Moments created in at most one month. Those made by the API carry no creator."""
    start, end = fields.number(call.body, "start_time"), fields.number(call.body, "end_time")
    if not 0 < start < end:
        raise Refusal(600018)
    if end - start > MONTH:
        raise Refusal(600018, breach="more than a month of moments asked for")
    found = [m for m in world.moments.values() if start <= m.created_at <= end and m.published]
    rows, cursor = fields.page(world, call.body, found, lambda m: m.seq, most=100, default=100)
    shown = [
        {
            "moment_id": m.moment_id,
            "create_time": int(m.created_at),
            "create_type": 0,
            "visible_type": 0 if m.tag_ids else 1,
            "text": {"content": m.text},
        }
        for m in rows
    ]
    return {"moment_list": shown, "next_cursor": cursor}


def get_moment_task(world: World, call: Call) -> Json:
    moment = _moment(world, call)
    rows, cursor = fields.page(
        world,
        call.body,
        list(enumerate(moment.published.items())),
        lambda row: row[0],
        most=1000,
        default=500,
    )
    shown = [{"userid": userid, "publish_status": 1 if at else 0} for _, (userid, at) in rows]
    return {"task_list": shown, "next_cursor": cursor}


def get_moment_customer_list(world: World, call: Call) -> Json:
    """Whom a member's copy is for, published or not."""
    return _customers(world, call, most=1000, only_published=False)


def get_moment_send_result(world: World, call: Call) -> Json:
    """Whom a member's copy was shown to: nobody before it is published."""
    return _customers(world, call, most=5000, only_published=True)


def get_moment_comments(world: World, call: Call) -> Json:
    moment = _moment(world, call)
    userid = _sender(moment, call)
    at = moment.published[userid]
    if not at:
        return {"comment_list": [], "like_list": []}
    customers = [follow.external_userid for follow in _meant(world, moment, userid)]
    others = [staff.userid for staff in world.staff.values() if staff.userid != userid]

    def said(by_customers: int, by_staff: int) -> list[Json]:
        return [
            *({"external_userid": who, "create_time": at} for who in customers[:by_customers]),
            *({"userid": who, "create_time": at} for who in others[:by_staff]),
        ]

    return {
        "comment_list": said(moment.comments, moment.staff_comments),
        "like_list": said(moment.likes, moment.staff_likes),
    }


def cancel_moment_task(world: World, call: Call) -> Json:
    """Stop what is not published yet; what is published stays."""
    moment = _moment(world, call)
    if moment.cancelled:
        raise Refusal(41093)
    moment.cancelled = True
    return {}


def publish(world: World, call: Call) -> Json:
    """Control side: members publish what waits for them; ``userid`` and ``moment_id`` narrow it.

    How many like it and comment on it is taken too (``REACTIONS``), of what is out already as well.
    """
    userid, moment_id = fields.text(call.body, "userid"), fields.text(call.body, "moment_id")
    published = 0
    for moment in world.moments.values():
        if moment.cancelled or (moment_id and moment.moment_id != moment_id):
            continue
        for name in REACTIONS:
            setattr(moment, name, fields.number(call.body, name, getattr(moment, name)))
        for member, at in moment.published.items():
            if at or (userid and member != userid) or not world.staff[member].at_work:
                continue
            moment.published[member] = int(call.at)
            published += 1
    return {"published": published}


@dataclass(frozen=True)
class _Content:
    text: str
    attachments: list[Json]


def _read(world: World, body: Json, at: float) -> _Content:
    said = fields.record(body, "text")
    text = fields.text(said, "content", chars=TEXT_CHARACTERS, errcode=45002)
    attachments = fields.records(body, "attachments", most=MAX_IMAGES)
    kinds = [fields.text(item, "msgtype") for item in attachments]
    if not text and not attachments:
        raise Refusal(40058, "neither text nor attachments", breach="moment without content")
    if not (all(kind == "image" for kind in kinds) or kinds in (["video"], ["link"])):
        raise Refusal(41065, "kinds", breach="moment with mixed attachments")
    for kind, item in zip(kinds, attachments, strict=True):
        _check(world, kind, fields.record(item, kind), at)
    return _Content(text, attachments)


def _check(world: World, kind: str, part: Json, at: float) -> None:
    if kind == "link":
        CHECKS["link"](world, part, at)
    media_id = fields.text(part, "media_id")
    if media_id or kind != "link":
        check_media(world, media_id, at, for_moments=True)


def _may_publish(world: World, userid: str) -> bool:
    try:
        staff = staff_at_work(world, userid)
    except Refusal:
        return False
    return staff.can_follow


def _customers(world: World, call: Call, *, most: int, only_published: bool) -> Json:
    moment = _moment(world, call)
    userid = _sender(moment, call)
    shown = not only_published or moment.published[userid]
    follows = _meant(world, moment, userid) if shown else []
    rows, cursor = fields.page(
        world, call.body, follows, lambda f: f.seq, most=most, default=min(most, 3000)
    )
    customers = [{"userid": userid, "external_userid": f.external_userid} for f in rows]
    return {"customer_list": customers, "next_cursor": cursor}


def _meant(world: World, moment: Moment, userid: str) -> list[Follow]:
    """Whom a member's copy is for: their customers with any of the tags, if it has some."""
    return [
        follow
        for follow in world.books[userid].values()
        if not moment.tag_ids or set(moment.tag_ids) & set(follow.tag_ids)
    ]


def _moment(world: World, call: Call) -> Moment:
    moment = world.moments.get(fields.needed(call.body, "moment_id"))
    if moment is None:
        raise Refusal(40058, "invalid moment_id")
    if call.at < moment.created_at + world.knobs.poll_wait:
        raise Refusal(
            41079, breach=f"asked {call.at - moment.created_at:.0f} seconds after add_moment_task"
        )
    return moment


def _sender(moment: Moment, call: Call) -> str:
    userid = fields.needed(call.body, "userid")
    if userid not in moment.published:
        raise Refusal(40003)
    return userid
