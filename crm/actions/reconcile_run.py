"""One worker's hold on a comparison: its lease, its place, and what it has found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID, uuid4

from django.db.models import F, Q
from django.utils import timezone

from connectors.wecom.client import WeComClient
from contacts.actions.sync import tags_by_channel_id
from contacts.enums import FindingKind, ReconciliationState
from contacts.models import Reconciliation, Tag
from crm.actions.findings import Difference, list_differences, note_repaired

LEASE = timedelta(minutes=2)
"""Longer than a page takes: one call of at most 20 seconds, and a hundred customers to add."""


class LeaseLost(Exception):
    """Another worker goes on with this comparison, or somebody has ended it."""


@dataclass
class Run:
    """A comparison while this worker holds its lease.

    What is written between two calls of ``save`` may be written again by whoever comes after a
    worker that died; it must do no harm twice.
    """

    row: Reconciliation
    client: WeComClient
    token: UUID
    began: datetime
    place: dict[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The moment, never before that of whoever called."""
        return max(self.began, timezone.now())

    @cached_property
    def is_first(self) -> bool:
        """Whether nothing has been compared before, so that everything is new."""
        return not Reconciliation.objects.filter(state=ReconciliationState.DONE).exists()

    @cached_property
    def tags(self) -> dict[str, Tag]:
        """Our tags by their WeCom id."""
        return tags_by_channel_id()

    def saw(self, what: str, number: int = 1) -> None:
        """Count what WeCom has told of."""
        self.row.seen[what] = self.row.seen.get(what, 0) + number

    def list(self, found: Sequence[Difference]) -> None:
        """Leave these to people."""
        list_differences(self.row.pk, found)

    def repaired(self, found: Sequence[Difference]) -> None:
        """Write down what was put right, in the transaction that did it.

        The first comparison finds everything new: that is counted only.
        """
        for one in found:
            self.row.repaired[one.kind] = self.row.repaired.get(one.kind, 0) + 1
        told = [one for one in found if not (self.is_first and one.kind == FindingKind.FOLLOW_NEW)]
        note_repaired(self.row.pk, told, now=self.now)

    def save(self) -> None:
        """Keep how far this has come, and hold on for another while; raises ``LeaseLost``."""
        kept = held(self.row.pk, self.token).update(
            step=self.row.step,
            place=self.place,
            seen=self.row.seen,
            repaired=self.row.repaired,
            attempts=0,
            lease_until=self.now + LEASE,
        )
        if not kept:
            raise LeaseLost


def held(run_id: int, token: UUID) -> Any:
    """Return the row, as long as the lease is ours."""
    return Reconciliation.objects.filter(
        pk=run_id, state=ReconciliationState.RUNNING, lease_token=token
    )


def claim(run_id: int, client: WeComClient, *, now: datetime) -> Run | None:
    """Take a comparison that is due and that nobody works on; ``None`` if there is nothing to take."""
    token = uuid4()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    claimed = Reconciliation.objects.filter(
        free, pk=run_id, state=ReconciliationState.RUNNING, next_attempt_at__lte=now
    ).update(lease_token=token, lease_until=now + LEASE, attempts=F("attempts") + 1)
    if not claimed:
        return None
    row = Reconciliation.objects.get(pk=run_id)
    return Run(row, client, token, now, place=row.place)
