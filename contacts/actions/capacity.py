"""For how many customers a person can answer: set for one, or for a whole store."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import StaffState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Staff, Store

MOST_CAPACITY = 100_000


def set_capacity(staff: Staff, capacity: int, *, actor: Staff | None, now: datetime) -> None:
    """Say for how many customers a person can answer; those they have stay theirs.

    Raises ``RuleBroken`` for a figure out of bounds or somebody who has departed, ``MovedOn`` if
    somebody has changed it since ``staff`` was read.
    """
    _check(capacity)
    if not staff.is_employed:
        raise RuleBroken(_("%(name)s has already departed.") % {"name": staff.name})
    with transaction.atomic():
        changed = (
            Staff.objects.employed()
            .filter(pk=staff.pk, capacity=staff.capacity)
            .update(capacity=capacity)
        )
        if not changed:
            raise MovedOn(_("Somebody else has just changed this. Look again."))
        data = {"from": staff.capacity, "to": capacity}
        record(staff, "staff.capacity_changed", actor=actor, at=now, data=data)
    staff.capacity = capacity


def set_capacity_in(store: Store, capacity: int, *, actor: Staff | None, now: datetime) -> int:
    """Say it for everybody at work in a store at once; returns for how many it is new.

    Raises ``RuleBroken`` for a figure out of bounds.
    """
    _check(capacity)
    with transaction.atomic():
        people = Staff.objects.filter(store=store).exclude(state=StaffState.DEPARTED)
        changed = people.exclude(capacity=capacity).update(capacity=capacity)
        if changed:
            data = {"to": capacity, "staff": changed}
            record(store, "store.capacity_changed", actor=actor, at=now, data=data)
    return changed


def _check(capacity: int) -> None:
    if not 0 <= capacity <= MOST_CAPACITY:
        raise RuleBroken(
            _("A person can answer for between 0 and %(most)s customers.") % {"most": MOST_CAPACITY}
        )
