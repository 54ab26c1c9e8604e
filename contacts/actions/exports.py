"""Who took how many rows of personal data out of the house, and how many they may a day."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import IntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext as _

from contacts.actions.history import record
from contacts.errors import RuleBroken
from contacts.models import HistoryEntry, Staff


def note_export(
    what: str,
    rows: int,
    *,
    actor: Staff,
    now: datetime,
    a_day: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write down that ``actor`` exports this many rows of ``what``; call it before sending any.

    Raises ``RuleBroken`` if with these it would be more than ``a_day`` rows of ``what`` today.
    """
    with transaction.atomic():
        Staff.objects.select_for_update(no_key=True).get(pk=actor.pk)  # one export after the other
        left = None if a_day is None else a_day - exported_today(actor, what, now=now)
        if left is not None and rows > left:
            raise RuleBroken(
                _(
                    "This is %(rows)s rows; you may export %(left)s more today. Narrow the list down."
                )
                % {"rows": rows, "left": max(left, 0)}
            )
        entry = {"rows": rows, **(data or {})}
        record(actor, f"{what}.exported", actor=actor, at=now, data=entry)


def exported_today(staff: Staff, what: str, *, now: datetime) -> int:
    """Return how many rows of ``what`` the person has exported since midnight."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = HistoryEntry.objects.filter(
        subject_kind="staff", subject_id=staff.pk, action=f"{what}.exported", at__gte=midnight
    )
    number = Cast(KT("data__rows"), IntegerField())
    rows: int = today.aggregate(rows=Sum(number, default=0))["rows"]
    return rows
