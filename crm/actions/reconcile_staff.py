"""Comparing tags, colleagues and group chats with WeCom."""

from collections.abc import Iterator, Sequence

from connectors.wecom.api.staff import Presence, get_follow_user_list, presence_of
from contacts.actions.chat_learning import sync_chats
from contacts.actions.staff import staff_by_channel_userids
from contacts.actions.sync import meet_member, sync_tags
from contacts.enums import Channel, FindingKind
from contacts.models import Follow, Staff
from crm.actions.findings import Difference
from crm.actions.reconcile_run import Run

PIECE = 100
"""Colleagues between two saves."""


def compare_tags(run: Run) -> Iterator[None]:
    """Take over the tags that WeCom has."""
    run.saw("tags", sync_tags(run.client))
    yield from ()


def compare_members(run: Run) -> Iterator[None]:
    """Hire those whom WeCom lets serve customers; list those who have departed here."""
    userids = sorted(get_follow_user_list(run.client))
    rest = [userid for userid in userids if userid > run.place.get("after", "")]
    for start in range(0, len(rest), PIECE):
        piece = rest[start : start + PIECE]
        _meet(run, piece)
        run.saw("members", len(piece))
        run.place = {"after": piece[-1]}
        run.save()
        yield


def _meet(run: Run, userids: Sequence[str]) -> None:
    known = staff_by_channel_userids(userids)
    departed = []
    for userid in userids:
        person = known.get(userid.lower())
        if person and not person.is_employed:
            departed.append(Difference(FindingKind.STAFF_BACK, person.pk))
        elif person is None or person.name == userid:
            met = meet_member(run.client, userid, person, now=run.now)
            if person is None:
                run.repaired([Difference(FindingKind.STAFF_NEW, met.pk)])
                run.save()
    run.list(departed)


def compare_absent(run: Run) -> Iterator[None]:
    """List colleagues at work who are no members any more, or whose customers WeCom hides."""
    userids = {userid.lower() for userid in get_follow_user_list(run.client)}
    while people := _employed(run.place.get("after", 0)):
        for person in people:
            is_absent = (person.wecom_userid or "").lower() not in userids
            if is_absent:
                _look_for(run, person)
            run.place = {"after": person.pk}
            if is_absent:
                run.save()
        run.save()
        yield


def _employed(after: int) -> Sequence[Staff]:
    people = Staff.objects.employed().exclude(wecom_userid=None).filter(pk__gt=after)
    return list(people.order_by("pk")[:PIECE])


def _look_for(run: Run, person: Staff) -> None:
    presence = presence_of(run.client, person.wecom_userid or "")
    follows = Follow.objects.active().filter(staff=person, channel=Channel.WECOM)
    if presence == Presence.GONE:
        run.list([Difference(FindingKind.STAFF_GONE, person.pk)])
    elif follows.exists():
        run.list([Difference(FindingKind.UNREADABLE, person.pk)])


def compare_chats(run: Run) -> Iterator[None]:
    """Take over the group chats of our people; what is known already is brought up to date."""
    for piece in sync_chats(run.client, now=run.now, **run.place):
        run.saw("chats", piece.chats)
        run.place = {"after": piece.up_to, "chat": piece.chat}
        run.save()
        yield
