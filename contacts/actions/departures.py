"""A staff member leaves: custody of every customer, and the end of access, in one transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from contacts.actions.chats import take_chats_into_custody
from contacts.actions.history import record
from contacts.actions.staff import close_account
from contacts.enums import (
    HandoverKind,
    HandoverState,
    ItemState,
    OwnershipReason,
    StaffState,
    TaskState,
)
from contacts.errors import MovedOn
from contacts.models import (
    ApiKey,
    ChatItem,
    GroupChat,
    Handover,
    HandoverItem,
    Staff,
    Store,
    Task,
)

_CUSTODY = """
WITH owned AS (
    SELECT id, store_id FROM contacts_customer
    WHERE owner_id = %(staff)s ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE contacts_customer AS customer SET owner_id = NULL
    FROM owned WHERE customer.id = owned.id
), ended AS (
    UPDATE contacts_ownershipperiod AS period
    SET ended_at = greatest(%(now)s, period.began_at)
    FROM owned WHERE period.customer_id = owned.id AND period.ended_at IS NULL
    RETURNING period.customer_id, period.ended_at, owned.store_id
), custody AS (
    INSERT INTO contacts_ownershipperiod
        (customer_id, staff_id, store_id, handover_id, reason, began_at)
    SELECT customer_id, NULL, store_id, %(handover)s, %(reason)s, ended_at FROM ended
)
INSERT INTO contacts_handoveritem
    (handover_id, customer_id, state, state_at, tries, tried, reason)
SELECT %(handover)s, owned.id, 'planned', %(now)s, 0, '{}', '' FROM owned
WHERE NOT EXISTS (
    SELECT FROM contacts_handoveritem AS other
    WHERE other.customer_id = owned.id AND other.closed_at IS NULL
)
"""


def depart_staff(
    staff_id: int, *, actor: Staff | None, now: datetime, source: str = ""
) -> Handover | None:
    """End a staff member's employment: nothing of theirs is lost, nothing of theirs works any more.

    In one transaction the person is marked departed, the account and its API keys stop
    working, every customer goes to the pool of the customer's store (custody), and a handover
    is planned that holds them, yet without receivers. Returns that handover, or ``None`` if the
    person owned nobody. Raises ``MovedOn`` if the person has departed already: of several
    requests at the same moment one wins.

    The staff row is locked first: a customer who is being added to this person at the same
    moment is seen by the custody, or finds the person departed and goes to the pool.
    """
    with transaction.atomic():
        staff = Staff.objects.select_for_update().get(pk=staff_id)
        if staff.state == StaffState.DEPARTED:
            raise MovedOn(_("%(name)s has already departed.") % {"name": staff.name})
        handover = _take_custody(staff, actor=actor, now=now)
        _end_access(staff, now=now)
        Task.objects.filter(staff=staff, state=TaskState.OPEN).update(staff=None)
        Staff.objects.filter(pk=staff.pk).update(
            state=StaffState.DEPARTED, state_at=now, departed_at=now
        )
        size = handover.size if handover else 0
        record(
            staff, "staff.departed", actor=actor, at=now, data={"customers": size}, source=source
        )
    return handover


def _take_custody(staff: Staff, *, actor: Staff | None, now: datetime) -> Handover | None:
    _drop_plans(staff, now=now)
    store = staff.store or Store.objects.order_by("id").first()
    if store is None:
        return None
    handover = _plan(staff, store, actor=actor, now=now)
    values: dict[str, Any] = {
        "staff": staff.pk,
        "now": now,
        "handover": handover.pk,
        "reason": OwnershipReason.CUSTODY.value,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CUSTODY, values)
        handover.size = cursor.rowcount
    chats = take_chats_into_custody(staff, handover, now=now)
    if handover.size or chats:
        handover.save(update_fields=["size"])
        return handover
    if handover.ownership_periods.exists():  # all of them are in other open handovers
        Handover.objects.filter(pk=handover.pk).update(state=HandoverState.CANCELLED, closed_at=now)
    else:
        handover.delete()
    return None


def hand_on_late(staff: Staff, customers: Collection[int], *, now: datetime) -> Handover:
    """Plan to hand on customers whom the channel gave to somebody who has departed meanwhile.

    They join the plan of the person's handover; if that is not there any more, there is a new
    one. The customers rest in the pool and are in no open handover; the person's row is locked.
    """
    plan = _plan_under_way(staff, now=now)
    HandoverItem.objects.bulk_create(
        [HandoverItem(handover=plan, customer_id=pk, state_at=now) for pk in customers],
        batch_size=500,
    )
    Handover.objects.filter(pk=plan.pk).update(size=F("size") + len(customers))
    record(plan, "handover.extended", actor=None, at=now, data={"customers": len(customers)})
    return plan


def hand_on_late_chat(staff: Staff, chat: GroupChat, *, now: datetime) -> None:
    """Plan to hand on a group chat that turns out to be of somebody who has departed; see above.

    It may have been in that plan before, and have gone to somebody else for a while.
    """
    plan = _plan_under_way(staff, now=now)
    ChatItem.objects.bulk_create(
        [ChatItem(handover=plan, chat=chat, state_at=now)],
        update_conflicts=True,
        unique_fields=["handover", "chat"],
        update_fields=["state", "state_at", "closed_at", "to_staff", "errcode", "reason"],
    )
    record(plan, "handover.extended", actor=None, at=now, data={"chats": 1})


def _plan_under_way(staff: Staff, *, now: datetime) -> Handover:
    plans = Handover.objects.select_for_update()
    plan = plans.filter(from_staff=staff, state=HandoverState.PLANNED).first()
    store = staff.store or Store.objects.order_by("id")[0]
    return plan or _plan(staff, store, actor=None, now=now)


def _plan(staff: Staff, store: Store, *, actor: Staff | None, now: datetime) -> Handover:
    return Handover.objects.create(
        from_staff=staff,
        store=store,
        planned_by=actor,
        kind=HandoverKind.DEPARTURE,
        size=0,
        planned_at=now,
    )


def _drop_plans(staff: Staff, *, now: datetime) -> None:
    """A plan that was never started makes way: its customers are handed over by the departure."""
    plans = Handover.objects.filter(from_staff=staff, state=HandoverState.PLANNED)
    HandoverItem.objects.filter(handover__in=plans, closed_at=None).update(
        state=ItemState.CANCELLED, state_at=now, closed_at=now
    )
    plans.update(state=HandoverState.CANCELLED, closed_at=now)


def _end_access(staff: Staff, *, now: datetime) -> None:
    """Nothing that let the person in does so any more, here or after a re-hire."""
    close_account(staff)
    ApiKey.objects.filter(staff=staff, revoked_at=None).update(revoked_at=now)
