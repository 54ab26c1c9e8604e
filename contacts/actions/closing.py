"""The end of a handover."""

from datetime import datetime

from contacts.enums import HandoverState, TaskKind, TaskState
from contacts.models import Handover, Task


def close_if_settled(handover: Handover, *, now: datetime) -> None:
    """Close the handover once every customer and every group chat in it is settled."""
    chats = handover.chats.filter(closed_at=None)
    if not chats.exists() and not handover.items.filter(closed_at=None).exists():
        Handover.objects.filter(pk=handover.pk, state=HandoverState.RUNNING).update(
            state=HandoverState.DONE, closed_at=now, check_at=None
        )
        decided(handover, now=now)


def decided(handover: Handover, *, now: datetime) -> None:
    """Nothing of the handover waits for a decision any more: so does no task."""
    Task.objects.filter(handover=handover, kind=TaskKind.DECISION, state=TaskState.OPEN).update(
        state=TaskState.DONE, state_at=now
    )
