"""Ending follows that WeCom does not show, once it has said so of each customer itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from connectors.wecom.api.customers import (
    ASSIGNED,
    NO_CUSTOMER,
    NO_RELATION,
    FollowInfo,
    get_external_contact,
)
from connectors.wecom.errors import Refused
from contacts.actions.follows import end_follow
from contacts.enums import FindingKind, FollowEnd
from contacts.models import Follow, Staff
from crm.actions.findings import Difference
from crm.actions.reconcile_run import Run

PIECE = 50
"""Follows to ask about between two looks at the table of what was seen."""

UNSURE = timedelta(seconds=1)
"""WeCom's times are whole seconds: what began in the second of the call may be newer than it."""

_UNSEEN = """
WITH unseen AS MATERIALIZED (
    SELECT follow.id, follow.staff_id, follow.customer_id, follow.began_at
    FROM contacts_follow AS follow
    WHERE follow.staff_id = ANY(%(guides)s::bigint[]) AND follow.channel = 'wecom'
      AND follow.ended_at IS NULL AND follow.began_at < %(since)s AND follow.id > %(after)s
      AND NOT EXISTS (SELECT FROM contacts_seenfollow AS seen WHERE seen.follow_id = follow.id)
      AND NOT EXISTS (
          SELECT FROM contacts_handoveritem AS item
          JOIN contacts_handover AS handover ON handover.id = item.handover_id
          WHERE item.customer_id = follow.customer_id
            AND handover.from_staff_id = follow.staff_id
            AND item.state IN ('requested', 'waiting')
      )
)
SELECT unseen.*, ARRAY(
    SELECT identity.value
    FROM contacts_identity AS identity
    JOIN contacts_customer AS customer ON customer.id = identity.customer_id
    WHERE identity.kind = 'wecom:external_userid'
      AND (customer.id = unseen.customer_id OR customer.merged_into_id = unseen.customer_id)
    ORDER BY identity.id
) FROM unseen ORDER BY id LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Unseen:
    """An active follow that WeCom did not show, with all addresses of its customer."""

    follow_id: int
    staff_id: int
    customer_id: int
    began_at: datetime
    addresses: list[str]


def end_missing(run: Run) -> Iterator[None]:
    """Ask WeCom about each follow it did not show, and end those it does not know.

    One that began after the pages were fetched is not touched; nor is one whose customer is on
    the way to a colleague: what becomes of that the handover finds out.
    """
    guides = Staff.objects.filter(pk__in=run.place["guides"])
    people = dict(guides.values_list("pk", "wecom_userid"))
    while unseen := _unseen(run):
        for one in unseen:
            _confirm(run, one, people[one.staff_id] or "")
            run.place["missing_after"] = one.follow_id
            run.save()
        yield


def _unseen(run: Run) -> list[Unseen]:
    values: dict[str, Any] = {
        "guides": sorted(set(run.place["guides"]) - set(run.place["unread"])),
        "since": run.place["since"],
        "after": run.place["missing_after"],
        "most": PIECE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_UNSEEN, values)
        return [Unseen(*row) for row in cursor.fetchall()]


def _confirm(run: Run, one: Unseen, userid: str) -> None:
    """End the follow if none of the customer's addresses is connected with the guide."""
    asked_at = run.now - UNSURE
    infos: list[FollowInfo] = []
    for address in one.addresses:
        told = _followers(run, address)
        if told is None or any(info.user_id.lower() == userid.lower() for info in told):
            return
        infos += told
    if not one.addresses:
        return
    reason = _reason(one, infos)
    with transaction.atomic():
        staff = Staff.objects.get(pk=one.staff_id)
        end_follow(staff, one.addresses[0], reason=reason, at=asked_at)
        if Follow.objects.active().filter(pk=one.follow_id).exists():  # renewed in the meantime
            return
        run.repaired(
            [
                Difference(
                    FindingKind.FOLLOW_GONE,
                    one.staff_id,
                    one.customer_id,
                    address=one.addresses[0],
                    detail={"reason": reason.value},
                )
            ]
        )


def _followers(run: Run, address: str) -> tuple[FollowInfo, ...] | None:
    """Return who is connected with this address; ``None`` if WeCom will not tell."""
    try:
        return get_external_contact(run.client, address).follows
    except Refused as refused:
        return () if refused.errcode in {NO_RELATION, NO_CUSTOMER} else None


def _reason(one: Unseen, infos: list[FollowInfo]) -> FollowEnd:
    """Somebody who was given the customer since then has taken over; else nobody knows why."""
    given = any(
        info.add_way == ASSIGNED and info.began_at and info.began_at > one.began_at
        for info in infos
    )
    return FollowEnd.TRANSFERRED if given else FollowEnd.MISSING
