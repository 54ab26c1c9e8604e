"""Telling people what they should know."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from contacts.enums import NoticeKind
from contacts.models import Customer, Handover, Notice, Staff


def notify(
    staff_ids: Iterable[int],
    kind: NoticeKind,
    *,
    key: str,
    now: datetime,
    customer: Customer | None = None,
    handover: Handover | None = None,
    about: Staff | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Tell these people; whoever has been told of the same ``key`` before is not told again.

    Call it in the transaction that did the thing.
    """
    Notice.objects.bulk_create(
        [
            Notice(
                staff_id=pk,
                kind=kind,
                key=key,
                customer=customer,
                handover=handover,
                about=about,
                data=dict(data or {}),
                created_at=now,
            )
            for pk in dict.fromkeys(staff_ids)
        ],
        ignore_conflicts=True,
    )


def mark_read(notices: QuerySet[Notice], *, now: datetime) -> int:
    """Write down that these have been read; returns how many were new."""
    return notices.filter(read_at=None).update(read_at=now)
