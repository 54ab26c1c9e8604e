"""Logging what happened between a staff member and a customer."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.enums import CustomerState, InteractionKind, TaskKind, TaskState
from contacts.errors import RuleBroken
from contacts.models import Customer, Interaction, Staff, Task

_CLOCK_TOLERANCE = timedelta(minutes=5)


def log_interaction(
    customer: Customer,
    *,
    kind: InteractionKind,
    text: str,
    actor: Staff | None,
    now: datetime,
    happened_at: datetime | None = None,
) -> Interaction:
    """Put one interaction on the customer's timeline.

    The owner's first word to a customer who was handed over does the task that asked for it.
    Raises ``RuleBroken`` if it lies in the future or the customer is merged or erased.
    """
    at = happened_at or now
    if at > now + _CLOCK_TOLERANCE:
        raise RuleBroken(_("An interaction cannot lie in the future. Choose an earlier time."))
    if customer.state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer})
    with transaction.atomic():
        interaction = Interaction.objects.create(
            customer=customer,
            staff=actor,
            kind=kind,
            text=text.strip(),
            happened_at=at,
            created_at=now,
        )
        Customer.objects.filter(pk=customer.pk).update(
            last_interaction_at=Greatest("last_interaction_at", at)
        )
        _note_first_contact(customer, actor, at, now)
    return interaction


def _note_first_contact(
    customer: Customer, actor: Staff | None, at: datetime, now: datetime
) -> None:
    """What was said before the customer changed hands was no first contact of the new owner."""
    if actor is None:
        return
    Task.objects.filter(
        customer=customer,
        customer__owner=actor,
        kind=TaskKind.FIRST_CONTACT,
        state=TaskState.OPEN,
        created_at__lte=at,
    ).update(state=TaskState.DONE, state_at=now, closed_by=actor)
