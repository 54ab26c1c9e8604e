"""What people say about a loss and do about it: the reason, a task for somebody, writing off."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.enums import LossReason, LossState, TaskKind, TaskState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Loss, Staff, Task

LONGEST_NOTE = 400
_WITHIN = timedelta(days=3)


def give_reason(
    loss: Loss, *, reason: LossReason, note: str, actor: Staff | None, now: datetime
) -> None:
    """Say why the customer left; may be said anew. Raises ``RuleBroken`` if nothing is said."""
    note = note.strip()
    if not reason and not note:
        raise RuleBroken(_("Choose a reason."))
    if reason == LossReason.OTHER and not note:
        raise RuleBroken(_("Say in a few words what it was."))
    if len(note) > LONGEST_NOTE:
        raise RuleBroken(_("Keep the note under 400 characters."))
    with transaction.atomic():
        Loss.objects.filter(pk=loss.pk).update(reason=reason, note=note)
        record(loss, "loss.reason", actor=actor, at=now, data={"reason": reason.value})
    loss.refresh_from_db()


def write_off(loss: Loss, *, actor: Staff | None, now: datetime) -> None:
    """Give the customer up: nobody is to win them back any more.

    Raises ``MovedOn`` if the loss is not open any more.
    """
    with transaction.atomic():
        _only_open(loss, state=LossState.WRITTEN_OFF, state_at=now)
        Task.objects.filter(
            customer=loss.customer_id, kind=TaskKind.WIN_BACK, state=TaskState.OPEN
        ).update(state=TaskState.DROPPED, state_at=now, closed_by=actor)
        record(loss, "loss.written_off", actor=actor, at=now)
    loss.refresh_from_db()


def ask_to_win_back(loss: Loss, staff: Staff, *, actor: Staff | None, now: datetime) -> None:
    """Make winning the customer back this person's task, and nobody else's.

    Raises ``MovedOn`` if the loss is not open any more, ``RuleBroken`` for somebody who has left.
    """
    with transaction.atomic():
        person = Staff.objects.select_for_update(no_key=True).get(pk=staff.pk)
        if not person.is_employed:
            raise RuleBroken(_("%(name)s has departed.") % {"name": person.name})
        _only_open(loss, state_at=now)
        about = {"customer_id": loss.customer_id, "kind": TaskKind.WIN_BACK}
        due = timezone.localdate(now + _WITHIN)
        Task.objects.update_or_create(
            **about,
            state=TaskState.OPEN,
            defaults={"staff": person, "due_on": due},
            create_defaults={
                "staff": person,
                "due_on": due,
                "store_id": loss.store_id,
                "created_by": actor,
                "created_at": now,
                "state_at": now,
            },
        )
        record(loss, "loss.win_back", actor=actor, at=now, data={"staff": person.pk})


def _only_open(loss: Loss, **changes: object) -> None:
    if not Loss.objects.filter(pk=loss.pk, state=LossState.OPEN).update(**changes):
        raise MovedOn(_("This customer is not waiting to be won back any more."))
