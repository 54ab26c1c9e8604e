"""Giving one customer to a colleague, without a handover."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.actions.notices import notify
from contacts.actions.ownership import move_ownership
from contacts.actions.pool_giving import give_held, held
from contacts.enums import CustomerState, NoticeKind, OwnershipReason
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, HandoverItem, Staff
from contacts.pools import receivers_in, room_of


def transfer_customer(
    customer: Customer, receiver: Staff, *, actor: Staff | None, now: datetime
) -> None:
    """Give a customer to a colleague at once, who is told.

    The connection in the channel stays as it is; only one with somebody who has departed is
    asked for, as out of a pool. Raises ``RuleBroken`` if the colleague cannot take the customer
    or an open handover holds them, ``MovedOn`` if they have changed hands since ``customer`` was
    read.
    """
    with transaction.atomic(), held([customer.pk], _people(customer, receiver)) as pooled:
        _check_receiver(customer, receiver)
        locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if HandoverItem.objects.filter(customer=locked, closed_at=None).exists():
            raise RuleBroken(
                _("%(name)s is in an open handover. Finish or cancel it first.") % {"name": locked}
            )
        if locked.owner_id != customer.owner_id or locked.state != CustomerState.ACTIVE:
            raise MovedOn(_("%(name)s has changed hands in the meantime.") % {"name": locked})
        if locked.pk in pooled:
            given = {locked.pk: receiver.pk}
            give_held(given, reason=OwnershipReason.TRANSFER, actor=actor, now=now)
        else:
            pair = (locked.pk, receiver.pk)
            move_ownership([pair], reason=OwnershipReason.TRANSFER, now=now)
        data = {"from": locked.owner_id, "to": receiver.pk}
        record(locked, "customer.transferred", actor=actor, at=now, data=data)
        if receiver != actor:
            notify(
                [receiver.pk],
                NoticeKind.HANDED_OVER,
                key=f"given-{locked.pk}-{now.isoformat()}",
                now=now,
                customer=locked,
            )


def _people(customer: Customer, receiver: Staff) -> set[int]:
    return {receiver.pk, *([customer.owner_id] if customer.owner_id else [])}


def _check_receiver(customer: Customer, receiver: Staff) -> None:
    if customer.owner_id == receiver.pk:
        raise RuleBroken(_("%(name)s answers for this customer already.") % {"name": receiver.name})
    able = receivers_in([receiver.store_id] if receiver.store_id else [])
    person = able.filter(pk=receiver.pk).first()
    if person is None:
        raise RuleBroken(
            _("%(name)s is not at work or about to leave, and cannot take customers.")
            % {"name": receiver.name}
        )
    if not room_of([person])[person.pk]:
        raise RuleBroken(_("%(name)s has no room for another customer.") % {"name": receiver.name})
