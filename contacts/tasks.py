"""Doors for Celery into contacts: an id in, an action called."""

from celery import shared_task
from django.utils import timezone


@shared_task
def make_requests(handover_id: int) -> None:
    """Make every transfer request of the handover that is due."""
    from contacts.actions.transfers import make_due_requests

    make_due_requests(handover_id, now=timezone.now())


@shared_task
def move_customers(handover_id: int) -> None:
    """Give the planned customers of a running handover to their receivers."""
    from contacts.actions.moving import move_planned

    move_planned(handover_id, now=timezone.now())


@shared_task
def check_handover(handover_id: int) -> None:
    """Ask the channel how the customers of a handover decided."""
    from contacts.actions.settlement import check_handover as check

    check(handover_id, now=timezone.now())


@shared_task
def transfer_chats(handover_id: int) -> None:
    """Move the group chats of a handover to their new owners."""
    from contacts.actions.chat_transfers import transfer_due_chats

    transfer_due_chats(handover_id, now=timezone.now())


@shared_task
def look_at_chat(chat: int) -> None:
    """Look at a group chat of which WeCom has told something."""
    from contacts.actions.chat_learning import look_at_chat as look

    look(chat, now=timezone.now())


@shared_task
def undo_customers(handover_id: int) -> None:
    """Give back the customers of a handover for whom that was asked."""
    from contacts.actions.undo import undo_asked

    undo_asked(handover_id, now=timezone.now())


@shared_task
def tell(staff_id: int) -> None:
    """Send a person the notices that are new to them."""
    from contacts.actions.telling import tell as send

    send(staff_id, now=timezone.now())


@shared_task
def assign_pool(store_id: int) -> None:
    """Assign whoever has waited too long in the pool of a store."""
    from contacts.actions.pool_rounds import assign_automatically
    from contacts.models import Store

    assign_automatically(Store.objects.get(pk=store_id), now=timezone.now())


@shared_task
def recycle_pool(store_id: int) -> None:
    """Send the forgotten customers of a store back to its pool."""
    from contacts.actions.recycling import recycle
    from contacts.models import Store

    recycle(Store.objects.get(pk=store_id), now=timezone.now())
