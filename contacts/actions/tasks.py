"""What people have to do: made by hand or by a flow, done or dropped, handed on."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import CustomerState, StaffState, TaskKind, TaskState
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import Customer, Handover, Staff, Store, Task

LATEST_DUE = timedelta(days=5 * 366)
_NEEDS_WORDS = frozenset({TaskKind.TO_DO, TaskKind.PROMISE})
_ONE_AT_A_TIME = frozenset({"task_one_open_of_a_kind", "task_one_decision_per_handover"})

_FIRST_CONTACTS = """
INSERT INTO contacts_task
    (customer_id, staff_id, store_id, handover_id, kind, text, due_on, created_at, state, state_at)
SELECT customer.id, customer.owner_id, customer.store_id, %(handover)s, 'first_contact', '',
       %(due_on)s, %(now)s, 'open', %(now)s
FROM unnest(%(customers)s::bigint[], %(staff)s::bigint[]) AS given (customer_id, staff_id)
JOIN contacts_customer AS customer
    ON customer.id = given.customer_id AND customer.owner_id = given.staff_id
WHERE customer.state = 'active'
ORDER BY customer.id
ON CONFLICT (customer_id, kind)
    WHERE state = 'open' AND kind IN ('first_contact', 'win_back') DO NOTHING
"""

# The lock of a foreign key: it keeps out merges, and waits for nobody who changes hands.
_KEEP_IN_PLACE = "SELECT state FROM contacts_customer WHERE id = %s FOR KEY SHARE"


def add_task(
    *,
    kind: TaskKind,
    store: Store,
    staff: Staff | None,
    actor: Staff | None,
    now: datetime,
    customer: Customer | None = None,
    handover: Handover | None = None,
    text: str = "",
    due_on: date | None = None,
) -> Task:
    """Add an open task for a person or, without ``staff``, for whoever manages the store.

    Where there may be only one open task of the kind and there is one, that one is returned and
    nothing happens. Raises ``RuleBroken`` for a to-do or promise without words, a day that has
    passed, a person who has departed, or a customer who is merged or erased.
    """
    words = text.strip()[:400]
    if kind in _NEEDS_WORDS and not words:
        raise RuleBroken(_("Write what there is to do."))
    _check_day(due_on, now)
    if staff and not staff.is_employed:
        raise _departed(staff)
    task = Task(
        kind=kind,
        store=store,
        staff=staff,
        created_by=actor,
        created_at=now,
        state_at=now,
        customer=customer,
        handover=handover,
        text=words,
        due_on=due_on,
    )
    try:
        with transaction.atomic():
            if customer:
                _hold(customer)
            task.save(force_insert=True)
            record(task, "task.added", actor=actor, at=now, data=_said(task))
    except IntegrityError as error:
        if broken_constraint(error) not in _ONE_AT_A_TIME:
            raise _refusal(error, staff) from error
        return _the_open_one(kind, customer, handover)
    return task


def add_first_contacts(
    pairs: Iterable[tuple[int, int]], *, handover: Handover, now: datetime
) -> int:
    """Ask each new owner to say hello by the next working day; returns how many tasks that made.

    ``pairs`` are customer id and staff id; who does not own the customer any more is asked
    nothing, and an open first contact stays as it is. One statement, whatever the number; safe
    to call twice. Call it in the transaction that settles the customers.
    """
    given = list(pairs)
    if not given:
        return 0
    values: dict[str, Any] = {
        "customers": [customer for customer, _staff in given],
        "staff": [staff for _customer, staff in given],
        "handover": handover.pk,
        "due_on": next_working_day(now),
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_CONTACTS, values)
        return int(cursor.rowcount)


def next_working_day(now: datetime) -> date:
    """Return the next day from Monday to Friday, by the clock of the company."""
    day = timezone.localdate(now) + timedelta(days=1)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    return day


def finish_task(task: Task, *, actor: Staff | None, now: datetime) -> None:
    """Mark the task as done. Raises ``MovedOn`` if somebody has closed it already."""
    _close(task, TaskState.DONE, actor=actor, now=now)


def drop_task(task: Task, *, actor: Staff | None, now: datetime) -> None:
    """Give the task up as pointless. Raises ``MovedOn`` if somebody has closed it already."""
    _close(task, TaskState.DROPPED, actor=actor, now=now)


def reschedule_task(task: Task, due_on: date | None, *, actor: Staff | None, now: datetime) -> None:
    """Let the task be due on another day, or on none. Raises ``RuleBroken``, ``MovedOn``."""
    _check_day(due_on, now)
    data = {"due_on": due_on.isoformat() if due_on else None}
    _change(task, "task.rescheduled", data, actor=actor, now=now, due_on=due_on)


def reassign_task(task: Task, staff: Staff | None, *, actor: Staff | None, now: datetime) -> None:
    """Give the task to somebody else; without ``staff``, to whoever manages its store.

    Raises ``RuleBroken`` if that person is not at work, ``MovedOn`` if the task is closed.
    """
    if staff and staff.state != StaffState.ACTIVE:
        raise RuleBroken(_("%(name)s is not at work and cannot take tasks.") % {"name": staff.name})
    data = {"staff": staff.pk if staff else None}
    try:
        _change(task, "task.reassigned", data, actor=actor, now=now, staff=staff)
    except IntegrityError as error:
        raise _refusal(error, staff) from error


def _close(task: Task, to: TaskState, *, actor: Staff | None, now: datetime) -> None:
    _change(task, f"task.{to.value}", _said(task), actor=actor, now=now, state=to, closed_by=actor)


def _change(
    task: Task,
    action: str,
    data: dict[str, Any],
    *,
    actor: Staff | None,
    now: datetime,
    **changes: Any,
) -> None:
    if "state" in changes:
        changes["state_at"] = now
    with transaction.atomic():
        if not Task.objects.filter(pk=task.pk, state=TaskState.OPEN).update(**changes):
            raise MovedOn(_("Someone else has just closed this task."))
        record(task, action, actor=actor, at=now, data=data)
    task.refresh_from_db()


def _said(task: Task) -> dict[str, Any]:
    return {"kind": task.kind, "text": task.text}


def _check_day(due_on: date | None, now: datetime) -> None:
    today = timezone.localdate(now)
    if due_on and due_on < today:
        raise RuleBroken(_("That day has passed. Choose today or a later day."))
    if due_on and due_on > today + LATEST_DUE:
        raise RuleBroken(_("Choose a day within the next five years."))


def _hold(customer: Customer) -> None:
    """Let nobody merge the customer into another before there is the task, which would go along."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_IN_PLACE, [customer.pk])
        (state,) = cursor.fetchone()
    if state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer})


def _refusal(error: IntegrityError, staff: Staff | None) -> Exception:
    """Say in words that the person departed a moment ago; anything else stays an error."""
    if staff and broken_constraint(error) == "task_holder_is_employed":
        return _departed(staff)
    return error


def _departed(staff: Staff) -> RuleBroken:
    return RuleBroken(_("%(name)s has departed and cannot take tasks.") % {"name": staff.name})


def _the_open_one(kind: TaskKind, customer: Customer | None, handover: Handover | None) -> Task:
    about = {"handover": handover} if kind == TaskKind.DECISION else {"customer": customer}
    found = Task.objects.filter(kind=kind, state=TaskState.OPEN, **about).first()
    if found is None:
        raise MovedOn(_("Someone else has just closed this task."))
    return found
