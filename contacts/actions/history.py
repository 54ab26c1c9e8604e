"""Writing history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model

from contacts.models import Customer, HistoryEntry, Staff


def record(
    subject: Model,
    action: str,
    *,
    actor: Staff | None,
    at: datetime,
    data: Mapping[str, Any] | None = None,
    source: str = "",
) -> HistoryEntry:
    """Append one entry about ``subject``. Call it in the transaction that did the thing.

    A subject that is a customer, or hangs on one, also appears on that customer's timeline.
    """
    customer_id = (
        subject.pk if isinstance(subject, Customer) else getattr(subject, "customer_id", None)
    )
    return HistoryEntry.objects.create(
        actor=actor,
        customer_id=customer_id,
        action=action,
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk,
        source=source,
        data=dict(data or {}),
        at=at,
    )
