"""Logging what happened between a staff member and a customer."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.enums import CustomerState, InteractionKind
from contacts.errors import RuleBroken
from contacts.models import Customer, Interaction, Staff

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

    Raises ``RuleBroken`` if it lies in the future or the customer is merged or erased.
    """
    at = happened_at or now
    if at > now + _CLOCK_TOLERANCE:
        raise RuleBroken(_("An interaction cannot lie in the future. Choose an earlier time."))
    if customer.state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": customer.name})
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
    return interaction
