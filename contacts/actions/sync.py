"""Taking over from WeCom what no callback told: staff, tags, customers, follows, leavers."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from connectors.wecom.api.customers import MAX_USERS, FollowInfo, batch_get_by_user
from connectors.wecom.api.customers import Profile as ChannelProfile
from connectors.wecom.api.staff import get_follow_user_list, get_user
from connectors.wecom.api.tags import get_corp_tag_list
from connectors.wecom.api.transfers import get_unassigned_list
from connectors.wecom.client import WeComClient
from contacts.actions.customers import Profile, from_channel, learn_profile, tag_customer
from contacts.actions.departures import depart_staff
from contacts.actions.follows import begin_follow
from contacts.actions.staff import (
    hire_from_channel,
    left_the_channel,
    staff_by_channel_userid,
)
from contacts.enums import IdentityKind, StaffState
from contacts.errors import MovedOn
from contacts.models import ContactCode, Follow, Staff, Tag, TagGroup
from contacts.names import name_key


@dataclass(slots=True)
class SyncReport:
    """What a synchronisation found and did."""

    staff: int = 0
    tags: int = 0
    follows_seen: int = 0
    follows_new: int = 0
    departed: int = 0


def sync_from_wecom(client: WeComClient, *, now: datetime) -> SyncReport:
    """Bring in everything WeCom knows and we do not; what we know is left as it is.

    Safe to repeat and to interrupt: rows that exist are passed over, a page at a time.
    """
    report = SyncReport()
    tags = _sync_tags(client, report)
    userids = get_follow_user_list(client)
    staff = {userid.lower(): _hire(client, userid, now) for userid in userids}
    report.staff = len(staff)
    for start in range(0, len(userids), MAX_USERS):
        for page in batch_get_by_user(client, userids[start : start + MAX_USERS]):
            _sync_page(page.follows, staff, tags, report, now)
    _sync_leavers(client, report, now)
    return report


def _hire(client: WeComClient, userid: str, now: datetime) -> Staff:
    known = staff_by_channel_userid(userid)
    if known and known.name != userid:
        return known
    member = get_user(client, userid)
    name = member.name if member else ""
    if known and name:
        Staff.objects.filter(pk=known.pk).update(name=name, name_key=name_key(name))
    return known or hire_from_channel(userid, name, now=now)


def _sync_tags(client: WeComClient, report: SyncReport) -> dict[str, Tag]:
    """Return our tags by their WeCom id, adding those we did not have; names join what exists."""
    for found in get_corp_tag_list(client):
        if found.deleted:
            continue
        group = TagGroup.objects.filter(wecom_id=found.group_id).first() or (
            TagGroup.objects.filter(name__iexact=found.name).first()
            or TagGroup.objects.create(name=found.name[:30], position=found.order)
        )
        TagGroup.objects.filter(pk=group.pk, wecom_id=None).update(wecom_id=found.group_id)
        for entry in found.tags:
            if not entry.deleted:
                report.tags += 1
                _sync_tag(group, entry.tag_id, entry.name[:30])
    return {
        tag.wecom_id or "": tag
        for tag in Tag.objects.select_related("group").exclude(wecom_id=None)
    }


def _sync_tag(group: TagGroup, wecom_id: str, name: str) -> None:
    if Tag.objects.filter(wecom_id=wecom_id).exists():
        return
    same_name = Tag.objects.filter(group=group, name__iexact=name, wecom_id=None)
    if not same_name.update(wecom_id=wecom_id):
        Tag.objects.create(group=group, name=name, wecom_id=wecom_id)


def _sync_page(
    follows: Sequence[tuple[ChannelProfile, FollowInfo]],
    staff: dict[str, Staff],
    tags: dict[str, Tag],
    report: SyncReport,
    now: datetime,
) -> None:
    addresses = [profile.external_user_id for profile, _follow in follows]
    known = set(
        Follow.objects.active()
        .filter(
            customer__identities__kind=IdentityKind.WECOM,
            customer__identities__value__in=addresses,
        )
        .exclude(customer__name="")
        .values_list("staff_id", "customer__identities__value")
    )
    for profile, info in follows:
        report.follows_seen += 1
        person = staff.get(info.user_id.lower())
        if person is None or (person.pk, profile.external_user_id) in known:
            continue
        report.follows_new += _take_over(person, profile, info, tags, now)


def _take_over(
    person: Staff, profile: ChannelProfile, info: FollowInfo, tags: dict[str, Tag], now: datetime
) -> bool:
    known_profile = from_channel(profile)
    code = ContactCode.objects.select_related("store").filter(state=info.state or None).first()
    follow = begin_follow(
        person,
        profile.external_user_id,
        profile=known_profile,
        now=now,
        add_way=max(0, min(info.add_way, 32767)),
        code=code,
        came_by=info.state[:64],
        began_at=min(info.began_at or now, now),
    )
    learn_profile(follow.customer, known_profile)
    carried = [tags[tag_id] for tag_id in info.tag_ids if tag_id in tags]
    if carried and follow.customer.state == "active":
        tag_customer(follow.customer, carried, actor=None, now=now, source="wecom")
    return True


def _sync_leavers(client: WeComClient, report: SyncReport, now: datetime) -> None:
    """People who have left WeCom have left us: their customers go into custody.

    Of somebody who had departed here before, this only notes that WeCom knows now: what their
    handover has lost stays lost.
    """
    leavers: dict[int, Staff] = {}
    for row in get_unassigned_list(client):
        person = staff_by_channel_userid(row.handover_user_id) or hire_from_channel(
            row.handover_user_id, "", now=now
        )
        leavers[person.pk] = person
        if person.state != StaffState.DEPARTED:
            begin_follow(person, row.external_user_id, profile=Profile(), now=now)
    for person in leavers.values():
        left_the_channel(person, now=now)
        with suppress(MovedOn):
            depart_staff(person.pk, actor=None, now=now, source="wecom")
            report.departed += 1
