"""The end of a handover, and of what is in it."""

from datetime import datetime

from django.db import transaction

from contacts.actions.history import record
from contacts.enums import HandoverState, ItemState, TaskKind, TaskState
from contacts.models import Handover, Task


def close_if_settled(handover: Handover, *, now: datetime) -> None:
    """Close the handover once every customer and every group chat in it is settled."""
    chats = handover.chats.filter(closed_at=None)
    if chats.exists() or handover.items.filter(closed_at=None).exists():
        return
    with transaction.atomic():
        closed = Handover.objects.filter(pk=handover.pk, state=HandoverState.RUNNING).update(
            state=HandoverState.DONE, closed_at=now, check_at=None
        )
        decided(handover, now=now)
        if closed:
            record(handover, "handover.done", actor=None, at=now)


def note_settled(handover: Handover, outcome: ItemState, customers: int, *, now: datetime) -> None:
    """Write down that so many customers of the handover have come to this outcome."""
    if customers:
        data = {"outcome": outcome.value, "customers": customers}
        record(handover, "handover.items_settled", actor=None, at=now, data=data)


def decided(handover: Handover, *, now: datetime) -> None:
    """Nothing of the handover waits for a decision any more: so does no task."""
    Task.objects.filter(handover=handover, kind=TaskKind.DECISION, state=TaskState.OPEN).update(
        state=TaskState.DONE, state_at=now
    )
