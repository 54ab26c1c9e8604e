"""Giving group chats back to the colleague who handed them over."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet

from contacts.actions.history import record
from contacts.actions.settlement import hold
from contacts.doorbell import ring
from contacts.enums import HandoverKind, HandoverState, ItemState, StaffState
from contacts.models import ChatItem, Handover, Staff
from contacts.tasks import transfer_chats

UNDO_WITHIN = timedelta(days=7)


def undo_chats(handover: Handover, *, now: datetime) -> int:
    """Have the chats of a handover moved back to the giver through WeCom; returns how many.

    A handover of its own does it for each receiver. Chats that have got another owner since, or
    whose giver is not at work any more, stay where they are.
    """
    receivers = set(chats_to_undo(handover, now=now).values_list("to_staff", flat=True))
    with transaction.atomic():
        hold(handover, receivers)
        rows = list(
            chats_to_undo(handover, now=now)
            .select_for_update(of=("self",))
            .order_by("pk")
            .values_list("pk", "chat_id", "to_staff_id")
        )
        ChatItem.objects.filter(pk__in=[pk for pk, *_ in rows]).update(undone_at=now)
        for receiver in sorted({row[2] for row in rows}):
            back = handover_back(handover, receiver, now=now)
            _give_back(back, [chat for _, chat, owner in rows if owner == receiver], now)
    return len(rows)


def chats_to_undo(handover: Handover, *, now: datetime) -> QuerySet[ChatItem]:
    """Return the chats of a handover that can still be given back."""
    giver = Staff.objects.get(pk=handover.from_staff_id)
    if giver.state != StaffState.ACTIVE or not giver.wecom_userid or giver.left_channel_at:
        return ChatItem.objects.none()
    moved = handover.chats.filter(
        state=ItemState.ACCEPTED, closed_at__gte=now - UNDO_WITHIN, undone_at=None
    )
    held = ChatItem.objects.filter(closed_at=None)
    return moved.filter(chat__owner=F("to_staff"), chat__dismissed_at=None).exclude(
        chat__in=held.values("chat")
    )


def handover_back(handover: Handover, receiver: int, *, now: datetime) -> Handover:
    """Return the running handover in which a receiver gives back what they got; a new one if needed."""
    back, created = Handover.objects.get_or_create(
        undoes=handover,
        from_staff_id=receiver,
        state=HandoverState.RUNNING,
        defaults={
            "store": handover.store,
            "kind": HandoverKind.UNDO,
            "size": 0,
            "planned_at": now,
            "started_at": now,
        },
    )
    if created:
        record(back, "handover.started", actor=None, at=now, data={"undoes": handover.pk})
    return back


def _give_back(back: Handover, chats: list[int], now: datetime) -> None:
    """Plan these chats for the giver; those that could not be moved back before are tried again."""
    ChatItem.objects.bulk_create(
        [
            ChatItem(
                handover=back,
                chat_id=chat,
                to_staff_id=back.undoes.from_staff_id if back.undoes else None,
                state_at=now,
                next_attempt_at=now,
            )
            for chat in chats
        ],
        update_conflicts=True,
        unique_fields=["handover", "chat"],
        update_fields=["state", "state_at", "closed_at", "next_attempt_at", "attempts", "reason"],
    )
    ring(transfer_chats, back.pk)
