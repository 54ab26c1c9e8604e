"""A7: the company's tag groups and tags."""

from connectors.wecom.sandbox import fields
from connectors.wecom.sandbox.errors import Refusal
from connectors.wecom.sandbox.state import Call, Json, Tag, TagGroup, World

NAME_CHARS = 30
MAX_TAGS = 10_000


def get_corp_tag_list(world: World, call: Call) -> Json:
    """All groups, or those asked for; group_id wins when both are given."""
    group_ids = fields.strings(call.body, "group_id", most=MAX_TAGS)
    tag_ids = [] if group_ids else fields.strings(call.body, "tag_id", most=MAX_TAGS)
    groups = [g for g in world.tag_groups.values() if not group_ids or g.id in group_ids]
    shown = [_group(group, set(tag_ids)) for group in groups]
    return {"tag_group": [group for group in shown if group["tag"]]}


def add_corp_tag(world: World, call: Call) -> Json:
    """New tags in a new or an existing group; a name that exists already is the tag that exists already."""
    wanted = [_tag_name(tag) for tag in fields.records(call.body, "tag", most=1000)]
    if not wanted:
        raise Refusal(40058, "a group needs a tag")
    group_id = fields.text(call.body, "group_id")
    if "group_id" in call.body and group_id not in world.tag_groups:
        raise Refusal(40068, "group_id")
    group_name = fields.text(call.body, "group_name", chars=NAME_CHARS)
    if "group_id" not in call.body and not group_name:
        raise Refusal(40058, "missing group_name")
    if sum(len(group.tags) for group in world.tag_groups.values()) + len(wanted) > MAX_TAGS:
        raise Refusal(40126)
    group = world.tag_groups.get(group_id) or named_group(world, call.at, group_name)
    tags = [named_tag(world, call.at, group, name, order) for name, order in wanted]
    return {"tag_group": _group(group, {tag.id for tag in tags})}


def edit_corp_tag(world: World, call: Call) -> Json:
    """Rename or reorder a tag or a group; 40071 when a sister has that name."""
    wanted = fields.needed(call.body, "id")
    name = fields.text(call.body, "name", chars=NAME_CHARS)
    hit = world.tag(wanted)
    target: Tag | TagGroup | None = hit[1] if hit else world.tag_groups.get(wanted)
    if target is None:
        raise Refusal(40068)
    sisters = hit[0].tags.values() if hit else world.tag_groups.values()
    if any(sister.name == name and sister.id != wanted for sister in sisters):
        raise Refusal(40071)
    target.name = name or target.name
    target.order = fields.number(call.body, "order", target.order)
    return {}


def del_corp_tag(world: World, call: Call) -> Json:
    """Delete tags and groups everywhere; a group goes with its last tag."""
    tag_ids = fields.strings(call.body, "tag_id", most=MAX_TAGS)
    group_ids = fields.strings(call.body, "group_id", most=MAX_TAGS)
    if not tag_ids and not group_ids:
        raise Refusal(40058, "nothing to delete")
    unknown = [tag for tag in tag_ids if not world.tag(tag)]
    if unknown or any(group not in world.tag_groups for group in group_ids):
        raise Refusal(40068)
    gone = {*tag_ids, *(tag for group in group_ids for tag in world.tag_groups[group].tags)}
    for group in list(world.tag_groups.values()):
        group.tags = {key: tag for key, tag in group.tags.items() if key not in gone}
        if not group.tags:
            del world.tag_groups[group.id]
    for book in world.books.values():
        for follow in book.values():
            follow.tag_ids = [tag for tag in follow.tag_ids if tag not in gone]
    return {}


def named_group(world: World, at: float, name: str) -> TagGroup:
    for group in world.tag_groups.values():
        if group.name == name:
            return group
    group = TagGroup(world.next_seq(), world.new_id("etg"), name, 0, int(at))
    world.tag_groups[group.id] = group
    return group


def named_tag(world: World, at: float, group: TagGroup, name: str, order: int = 0) -> Tag:
    for tag in group.tags.values():
        if tag.name == name:
            return tag
    tag = Tag(world.next_seq(), world.new_id("et"), name, order, int(at))
    group.tags[tag.id] = tag
    return tag


def _tag_name(body: Json) -> tuple[str, int]:
    name = fields.text(body, "name", chars=NAME_CHARS)
    if not name:
        raise Refusal(40058, "missing tag name")
    return name, fields.number(body, "order")


def _group(group: TagGroup, only: set[str]) -> Json:
    tags = [tag for tag in group.tags.values() if not only or tag.id in only]
    return {
        "group_id": group.id,
        "group_name": group.name,
        "create_time": group.create_time,
        "order": group.order,
        "tag": [
            {"id": tag.id, "name": tag.name, "create_time": tag.create_time, "order": tag.order}
            for tag in tags
        ],
    }
