"""Taking over from WeCom what we do not know: members, tags, customers and their follows."""

from collections.abc import Mapping
from datetime import datetime

from connectors.wecom.api.customers import FollowInfo
from connectors.wecom.api.customers import Profile as ChannelProfile
from connectors.wecom.api.staff import get_user
from connectors.wecom.api.tags import CompanyTagGroup, get_corp_tag_list
from connectors.wecom.client import WeComClient
from contacts.actions.customers import from_channel, learn_profile, tag_customer
from contacts.actions.follows import begin_follow
from contacts.actions.staff import hire_from_channel
from contacts.enums import CustomerState
from contacts.models import ContactCode, Follow, Staff, Tag, TagGroup
from contacts.names import name_key

LARGEST_ADD_WAY = 32767


def meet_member(client: WeComClient, userid: str, known: Staff | None, *, now: datetime) -> Staff:
    """Return the staff member, hired if unknown; a name that we did not have is learned."""
    if known and known.name != userid:
        return known
    member = get_user(client, userid)
    name = member.name if member else ""
    if known and name:
        Staff.objects.filter(pk=known.pk).update(name=name, name_key=name_key(name))
    return known or hire_from_channel(userid, name, now=now)


def sync_tags(client: WeComClient) -> int:
    """Take over WeCom's tags, and return how many it has; names join what exists."""
    known = set(Tag.objects.exclude(wecom_id=None).values_list("wecom_id", flat=True))
    groups = set(TagGroup.objects.exclude(wecom_id=None).values_list("wecom_id", flat=True))
    number = 0
    for found in get_corp_tag_list(client):
        living = [] if found.deleted else [entry for entry in found.tags if not entry.deleted]
        number += len(living)
        new = [entry for entry in living if entry.tag_id not in known]
        if new or (living and found.group_id not in groups):
            group = _group(found)
            for entry in new:
                _add_tag(group, entry.tag_id, entry.name[:30])
    return number


def _group(found: CompanyTagGroup) -> TagGroup:
    group = TagGroup.objects.filter(wecom_id=found.group_id).first() or (
        TagGroup.objects.filter(name__iexact=found.name).first()
        or TagGroup.objects.create(name=found.name[:30], position=found.order)
    )
    TagGroup.objects.filter(pk=group.pk, wecom_id=None).update(wecom_id=found.group_id)
    return group


def _add_tag(group: TagGroup, wecom_id: str, name: str) -> None:
    same_name = Tag.objects.filter(group=group, name__iexact=name, wecom_id=None)
    if not same_name.update(wecom_id=wecom_id):
        Tag.objects.create(group=group, name=name, wecom_id=wecom_id)


def tags_by_channel_id() -> dict[str, Tag]:
    """Return our tags by their WeCom id."""
    tags = Tag.objects.select_related("group").exclude(wecom_id=None)
    return {tag.wecom_id or "": tag for tag in tags}


def take_over_follow(
    person: Staff,
    profile: ChannelProfile,
    info: FollowInfo,
    tags: Mapping[str, Tag],
    *,
    now: datetime,
    began_at: datetime | None,
) -> Follow:
    """Begin a follow that WeCom has and we do not, with the customer's profile and tags.

    Returns what ``begin_follow`` does: a follow that has ended since ``began_at`` stays ended.
    """
    known_profile = from_channel(profile)
    code = ContactCode.objects.select_related("store").filter(state=info.state or None).first()
    follow = begin_follow(
        person,
        profile.external_user_id,
        profile=known_profile,
        now=now,
        add_way=max(0, min(info.add_way, LARGEST_ADD_WAY)),
        code=code,
        came_by=info.state[:64],
        began_at=began_at,
    )
    learn_profile(follow.customer, known_profile)
    carried = [tags[tag_id] for tag_id in info.tag_ids if tag_id in tags]
    if carried and follow.customer.state == CustomerState.ACTIVE:
        tag_customer(follow.customer, carried, actor=None, now=now, source="wecom")
    return follow
