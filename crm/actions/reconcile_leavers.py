"""Comparing the customers whom WeCom's leavers have left behind with our handovers."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from connectors.wecom.api.staff import Presence, presence_of
from connectors.wecom.api.transfers import Unassigned, unassigned_pages
from contacts.actions.customers import Profile
from contacts.actions.departures import hand_on_late
from contacts.actions.follows import begin_follow
from contacts.actions.staff import (
    hire_from_channel,
    left_the_channel,
    staff_by_channel_userids,
)
from contacts.enums import FindingKind, IdentityKind, ItemState
from contacts.erased import without_the_erased
from contacts.errors import MovedOn
from contacts.models import Customer, HandoverItem, Staff
from crm.actions.departures import let_go
from crm.actions.findings import Difference
from crm.actions.reconcile_run import Run

PIECE = 50
"""Forgotten customers in one transaction."""

_ROWS = """
SELECT told.staff_id, told.address, customer.id, customer.owner_id, latest.id, latest.state
FROM unnest(%(staff)s::bigint[], %(addresses)s::text[]) AS told (staff_id, address)
LEFT JOIN contacts_identity AS identity
    ON identity.kind = 'wecom:external_userid' AND identity.system = ''
   AND identity.value = told.address
LEFT JOIN contacts_customer AS known ON known.id = identity.customer_id
LEFT JOIN contacts_customer AS customer ON customer.id = coalesce(known.merged_into_id, known.id)
LEFT JOIN LATERAL (
    SELECT item.id, CASE WHEN item.undone_at IS NULL THEN item.state ELSE 'undone' END AS state
    FROM contacts_handoveritem AS item
    JOIN contacts_handover AS handover ON handover.id = item.handover_id
    WHERE item.customer_id = customer.id
      AND (handover.from_staff_id = told.staff_id OR item.closed_at IS NULL)
    ORDER BY item.closed_at DESC NULLS FIRST, item.id DESC LIMIT 1
) AS latest ON true
WHERE customer.id IS NULL OR customer.state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Left:
    """One customer of WeCom's list of those whom leavers have left, as we know them.

    ``item`` is the customer's open handover item or else the last one from this leaver.
    """

    staff_id: int
    address: str
    customer_id: int | None
    owner_id: int | None
    item: int | None
    item_state: str | None


def compare_leavers(run: Run) -> Iterator[None]:
    """Let leavers go, and see that none of their customers is forgotten."""
    pages = unassigned_pages(run.client, cursor=run.place.get("cursor", ""))
    for page in pages:
        gone = _leavers(run, page.rows)
        _compare(run, page.rows, gone)
        run.saw("waiting", len(page.rows))
        if page.next_cursor:
            run.place = {"cursor": page.next_cursor}
            run.save()
            yield


def _leavers(run: Run, rows: Sequence[Unassigned]) -> dict[str, Staff]:
    """Return those of the page who have left, by userid; whoever worked here until now departs."""
    userids = dict.fromkeys(row.handover_user_id for row in rows)
    known = staff_by_channel_userids(userids)
    gone: dict[str, Staff] = {}
    for userid in userids:
        person = known.get(userid.lower()) or hire_from_channel(userid, "", now=run.now)
        if person.is_employed and presence_of(run.client, userid) == Presence.HERE:
            run.list([Difference(FindingKind.RETURNED, person.pk)])
            continue
        left_the_channel(person, now=run.now)
        if person.is_employed:
            _let_go(run, person)
            run.save()
        gone[userid] = person
    return gone


def _let_go(run: Run, person: Staff) -> None:
    with suppress(MovedOn), transaction.atomic():
        handover = let_go(person.pk, actor=None, now=run.now, source="wecom")
        known = {"handover_id": handover.pk} if handover else {}
        customers = handover.size if handover else 0
        difference = Difference(
            FindingKind.STAFF_GONE, person.pk, detail={"customers": customers, **known}
        )
        run.repaired([difference])


def _compare(run: Run, rows: Sequence[Unassigned], gone: dict[str, Staff]) -> None:
    """Take up who was forgotten, and list whom WeCom keeps although they were taken over."""
    found = _look_up(
        [
            (gone[row.handover_user_id].pk, row.external_user_id)
            for row in rows
            if row.handover_user_id in gone
        ]
    )
    forgotten: dict[int, list[str]] = {}
    for left in found:
        if left.item is None and left.owner_id is None:
            forgotten.setdefault(left.staff_id, []).append(left.address)
    for staff_id, addresses in sorted(forgotten.items()):
        for start in range(0, len(addresses), PIECE):
            _take_up(run, staff_id, addresses[start : start + PIECE])
    run.list([_not_moved(left) for left in found if left.item_state == ItemState.ACCEPTED])


def _not_moved(left: Left) -> Difference:
    kind, detail = FindingKind.NOT_MOVED, {"item": left.item}
    return Difference(kind, left.staff_id, left.customer_id, address=left.address, detail=detail)


def _look_up(told: Sequence[tuple[int, str]]) -> list[Left]:
    values: dict[str, Any] = {
        "staff": [staff for staff, _ in told],
        "addresses": [address for _, address in told],
    }
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, values)
        return [Left(*row) for row in cursor.fetchall()]


def _take_up(run: Run, staff_id: int, addresses: Sequence[str]) -> None:
    """Connect these customers with the leaver, as WeCom has it, and plan to hand them on.

    Those who were erased are left out.
    """
    now = run.now
    addresses = without_the_erased(IdentityKind.WECOM, addresses)
    with transaction.atomic():
        leaver = (
            Staff.objects.select_for_update(of=["self"]).select_related("store").get(pk=staff_id)
        )
        if leaver.is_employed:  # back in this very moment
            return
        known = {
            begin_follow(leaver, address, profile=Profile(), now=now).customer.pk: address
            for address in addresses
        }
        resting = plan_the_forgotten(leaver, known, now=now)
        run.repaired(
            [Difference(FindingKind.LEFT_BEHIND, staff_id, pk, address=known[pk]) for pk in resting]
        )


def plan_the_forgotten(leaver: Staff, customers: Collection[int], *, now: datetime) -> list[int]:
    """Plan to hand on those who rest in a pool and were in no handover of the leaver; return them.

    Whom a handover of the leaver has settled stays as it left them: a person decided that. The
    leaver's row is locked by the caller.
    """
    settled = HandoverItem.objects.filter(customer__in=customers).filter(
        closed_at=None
    ) | HandoverItem.objects.filter(customer__in=customers, handover__from_staff=leaver)
    resting = list(
        Customer.objects.active()
        .select_for_update(no_key=True)
        .filter(pk__in=customers, owner=None)
        .exclude(pk__in=settled.values("customer"))
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    if resting:
        hand_on_late(leaver, resting, now=now)
    return resting
