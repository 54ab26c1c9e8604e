"""Somebody leaves the company: what every app has to do for it, in one transaction."""

from datetime import datetime

from django.db import transaction

from contacts.actions.departures import depart_staff
from contacts.models import Handover, Staff


def let_go(
    staff_id: int, *, actor: Staff | None, now: datetime, source: str = ""
) -> Handover | None:
    """End a staff member's employment, whichever door the news came through.

    Does what ``depart_staff`` does. Returns the handover that holds the customers, or ``None`` if
    there are none. Raises ``MovedOn`` if the person has departed already.
    """
    with transaction.atomic():
        return depart_staff(staff_id, actor=actor, now=now, source=source)
