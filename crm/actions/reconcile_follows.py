"""Comparing who is connected with whom: page after page, a hundred guides at a time.

What WeCom shows is marked in an unlogged table, so that the follows it does not show are found
by one statement and never held in memory, however many there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from connectors.wecom.api.customers import MAX_USERS, FollowInfo, FollowPage, batch_get_by_user
from connectors.wecom.api.customers import Profile as ChannelProfile
from connectors.wecom.api.staff import get_follow_user_list
from connectors.wecom.errors import Refused
from contacts.actions.customers import from_channel, learn_profile
from contacts.actions.staff import staff_by_channel_userids
from contacts.actions.sync import take_over_follow
from contacts.enums import CustomerState, FindingKind, FollowEnd
from contacts.errors import WasErased
from contacts.models import Customer, Follow, SeenFollow, Staff
from crm.actions.findings import Difference
from crm.actions.reconcile_leavers import plan_the_forgotten
from crm.actions.reconcile_missing import end_missing
from crm.actions.reconcile_run import Run

_MATCH = """
SELECT page.place, follow.id, follow.ended_at IS NULL, follow.end_reason, customer.id,
       customer.state, customer.name = ''
FROM unnest(%(staff)s::bigint[], %(addresses)s::text[], %(began)s::timestamptz[])
    WITH ORDINALITY AS page (staff_id, address, began_at, place)
JOIN contacts_identity AS identity
    ON identity.kind = 'wecom:external_userid' AND identity.system = ''
   AND identity.value = page.address
JOIN contacts_customer AS known ON known.id = identity.customer_id
JOIN contacts_customer AS customer ON customer.id = coalesce(known.merged_into_id, known.id)
LEFT JOIN LATERAL (
    SELECT follow.id, follow.ended_at, follow.end_reason
    FROM contacts_follow AS follow
    WHERE follow.customer_id = customer.id AND follow.staff_id = page.staff_id
      AND follow.channel = 'wecom'
      AND (follow.ended_at IS NULL OR follow.ended_at >= page.began_at)
    ORDER BY follow.ended_at DESC NULLS FIRST LIMIT 1
) AS follow ON true
"""

_SEEN = """
WITH page AS (
    SELECT * FROM unnest(%(follows)s::bigint[], %(remarks)s::text[]) AS page (id, remark)
), noted AS (
    UPDATE contacts_follow AS follow SET remark = page.remark
    FROM page WHERE follow.id = page.id AND follow.remark <> page.remark
)
INSERT INTO contacts_seenfollow (follow_id)
SELECT id FROM page ORDER BY id ON CONFLICT DO NOTHING
"""

_NOT_MOVED = """
SELECT DISTINCT ON (page.customer_id) page.staff_id, page.customer_id, item.id
FROM unnest(%(staff)s::bigint[], %(customers)s::bigint[]) AS page (staff_id, customer_id)
JOIN contacts_handoveritem AS item ON item.customer_id = page.customer_id
JOIN contacts_handover AS handover
    ON handover.id = item.handover_id AND handover.from_staff_id = page.staff_id
WHERE item.state = 'accepted' AND item.undone_at IS NULL AND item.closed_at < %(before)s
ORDER BY page.customer_id, item.closed_at DESC
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One connection that WeCom shows, with the colleague it is of."""

    person: Staff
    profile: ChannelProfile
    info: FollowInfo


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of it: the customer, and the follow that is active or ended since it began."""

    follow_id: int | None
    is_active: bool | None
    end_reason: str | None
    customer_id: int
    customer_state: str
    is_nameless: bool

    @property
    def has_ended(self) -> bool:
        """Whether it ended after it began in WeCom, for another reason than that we missed it."""
        return bool(self.follow_id and not self.is_active) and self.end_reason != FollowEnd.MISSING


def compare_follows(run: Run) -> Iterator[None]:
    """Take over what WeCom has and we do not; end, once confirmed, what we have and it does not.

    ``run.place`` holds the guides that are being compared, where their pages go on and what was
    seen of them, or else the last guide of those who are done.
    """
    while run.place.get("guides") or _next_guides(run):
        if not run.place["read"]:
            yield from _read(run)
        elif _was_emptied(run):
            _begin_guides(run, run.place["guides"])
        else:
            yield from end_missing(run)
            run.place = {"after": max(run.place["guides"])}
            run.save()
            yield


def _next_guides(run: Run, most: int = MAX_USERS) -> bool:
    """Choose the next guides in the order of their keys; returns whether there are any."""
    people = staff_by_channel_userids(get_follow_user_list(run.client)).values()
    after = run.place.get("after", 0)
    rest = sorted(person.pk for person in people if person.pk > after)
    if rest:
        _begin_guides(run, rest[:most])
    return bool(rest)


def _begin_guides(run: Run, guides: Sequence[int], *, is_again: bool = False) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE contacts_seenfollow")  # one comparison runs at a time
        run.place = {
            "guides": list(guides),
            "unread": [],
            "since": run.now.isoformat(),
            "cursor": "",
            "seen": 0,
            "read": False,
            "missing_after": 0,
            "again": is_again,
        }
        run.save()


def _was_emptied(run: Run) -> bool:
    """Whether a crash of the database has taken what was seen."""
    return bool(SeenFollow.objects.count() != run.place["seen"])


def _read(run: Run) -> Iterator[None]:
    """Work through the pages of these guides; a refusal is tracked down to who causes it."""
    people = Staff.objects.select_related("store").filter(pk__in=run.place["guides"])
    by_userid = {(person.wecom_userid or "").lower(): person for person in people.order_by("pk")}
    userids = [person.wecom_userid or "" for person in by_userid.values()]
    try:
        for page in batch_get_by_user(run.client, userids, cursor=run.place["cursor"]):
            _take_in(run, page, by_userid)
            yield
    except Refused:
        _read_fewer(run)
    else:
        if not run.place["read"]:  # not even one page
            _finish_reading(run)


def _read_fewer(run: Run) -> None:
    """Begin anew where WeCom does not know its own cursor any more, else with half the guides."""
    guides = run.place["guides"]
    if run.place["cursor"] and not run.place["again"]:
        _begin_guides(run, guides, is_again=True)
    elif len(guides) > 1:
        _begin_guides(run, guides[: len(guides) // 2])
    else:
        _leave_unread(run, guides)
        _finish_reading(run)


def _finish_reading(run: Run) -> None:
    run.place |= {"read": True, "cursor": ""}
    run.save()


def _leave_unread(run: Run, guides: Sequence[int]) -> None:
    """WeCom told nothing of these guides, which does not mean that they have no customers."""
    run.place["unread"] = sorted({*run.place["unread"], *guides})
    run.list([Difference(FindingKind.UNREADABLE, pk) for pk in guides])


def _take_in(run: Run, page: FollowPage, by_userid: dict[str, Staff]) -> None:
    """Work on one page, and save what was seen together with where the next one begins."""
    told = [
        Told(by_userid[info.user_id.lower()], profile, info)
        for profile, info in page.follows
        if info.user_id.lower() in by_userid
    ]
    seen = _compare(run, told)
    hidden = [by_userid[one.lower()].pk for one in page.failed_user_ids if one.lower() in by_userid]
    with transaction.atomic():
        if hidden:
            _leave_unread(run, hidden)
        run.place["seen"] += _mark(seen)
        run.place |= {"cursor": page.next_cursor, "read": not page.next_cursor}
        run.saw("follows", len(told))
        run.save()


def _compare(run: Run, told: Sequence[Told]) -> list[tuple[int, str]]:
    """Take over what is new on a page, and return the follows seen on it with their remarks."""
    known = _match(run, told)
    seen: list[tuple[int, str]] = []
    ended: list[tuple[int, int]] = []
    for place, one in enumerate(told, start=1):
        match = known.get(place)
        if match and match.customer_state != CustomerState.ACTIVE:
            continue
        if match and match.has_ended:
            ended.append((one.person.pk, match.customer_id))
            continue
        if match and match.is_active and match.follow_id:
            follow_id = match.follow_id
            if match.is_nameless:
                learn_profile(Customer.objects.get(pk=match.customer_id), from_channel(one.profile))
        else:
            try:
                follow_id = _begin(run, one, was_missed=bool(match and match.follow_id)).pk
            except WasErased:
                run.saw("erased")  # WeCom goes on showing them: the guide has to remove them
                continue
        seen.append((follow_id, one.info.remark[:255]))
    _list_not_moved(run, ended)
    return seen


def _match(run: Run, told: Sequence[Told]) -> dict[int, Known]:
    """Return what we know of each, by its place from one: one query for the page."""
    values: dict[str, Any] = {
        "staff": [one.person.pk for one in told],
        "addresses": [one.profile.external_user_id for one in told],
        "began": [_began(one.info, run.now) for one in told],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MATCH, values)
        return {row[0]: Known(*row[1:]) for row in cursor.fetchall()}


def _began(info: FollowInfo, now: datetime) -> datetime:
    return min(info.began_at or now, now)


def _begin(run: Run, one: Told, *, was_missed: bool) -> Follow:
    """Begin the follow; one that a comparison had missed by mistake begins anew, as of now."""
    now = run.now
    with transaction.atomic():
        person = one.person
        if not person.is_employed:
            person = (
                Staff.objects.select_for_update(of=["self"])
                .select_related("store")
                .get(pk=person.pk)
            )
        follow = take_over_follow(
            person,
            one.profile,
            one.info,
            run.tags,
            now=now,
            began_at=now if was_missed else _began(one.info, now),
        )
        if follow.ended_at is None:
            if not person.is_employed:
                plan_the_forgotten(person, [follow.customer.pk], now=now)
            address = one.profile.external_user_id
            run.repaired(
                [Difference(FindingKind.FOLLOW_NEW, person.pk, follow.customer.pk, address=address)]
            )
    return follow


def _mark(seen: Sequence[tuple[int, str]]) -> int:
    """Note that these follows were shown, and with which remark; returns how many are new."""
    values: dict[str, Any] = {
        "follows": [pk for pk, _ in seen],
        "remarks": [remark for _, remark in seen],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SEEN, values)
        return int(cursor.rowcount)


def _list_not_moved(run: Run, ended: Sequence[tuple[int, int]]) -> None:
    """List customers whom a handover has passed on and WeCom still shows with the giver."""
    if not ended:
        return
    values: dict[str, Any] = {
        "staff": [staff for staff, _ in ended],
        "customers": [customer for _, customer in ended],
        "before": run.place["since"],
    }
    with connection.cursor() as cursor:
        cursor.execute(_NOT_MOVED, values)
        run.list(
            [
                Difference(FindingKind.NOT_MOVED, staff, customer, detail={"item": item})
                for staff, customer, item in cursor.fetchall()
            ]
        )
