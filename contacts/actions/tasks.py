"""What people have to do: made by hand or by a flow, done or dropped, handed on."""

from datetime import date, datetime

from contacts.enums import TaskKind
from contacts.models import Customer, Handover, Staff, Store, Task


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
) -> None:
    """Add an open task for a person or, without ``staff``, for whoever manages the store.

    Where there may be only one open task of the kind and there is one, nothing happens.
    """
    Task.objects.bulk_create(
        [
            Task(
                kind=kind,
                store=store,
                staff=staff,
                created_by=actor,
                created_at=now,
                state_at=now,
                customer=customer,
                handover=handover,
                text=text,
                due_on=due_on,
            )
        ],
        ignore_conflicts=True,
    )
