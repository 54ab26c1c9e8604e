"""What a comparison with WeCom finds: written down once, repaired or dismissed by people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _
from psycopg.types.json import Jsonb

from contacts.actions.history import record
from contacts.actions.ownership import move_ownership
from contacts.doorbell import ring
from contacts.enums import FindingKind, FindingState, HandoverState, OwnershipReason
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, Finding, Follow, Handover, HandoverItem, Staff
from contacts.tasks import check_handover

STANDING = (FindingState.OPEN, FindingState.DISMISSED)
"""States of what is still so: there is one finding of a kind about one thing."""

_LIST = """
INSERT INTO contacts_finding
    (run_id, kind, key, staff_id, customer_id, handover_id, address, detail, note, state)
SELECT %(run)s, kind, key, staff_id, customer_id, handover_id, address, detail, '', 'open'
FROM unnest(%(kinds)s::text[], %(keys)s::text[], %(staff)s::bigint[], %(customers)s::bigint[],
            %(handovers)s::bigint[], %(addresses)s::text[], %(details)s::jsonb[])
    AS found (kind, key, staff_id, customer_id, handover_id, address, detail)
ON CONFLICT (kind, key) WHERE state IN ('open', 'dismissed')
DO UPDATE SET run_id = excluded.run_id, staff_id = excluded.staff_id, detail = excluded.detail
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not here as it is in WeCom."""

    kind: FindingKind
    staff_id: int | None = None
    customer_id: int | None = None
    handover_id: int | None = None
    address: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What it is about; two differences with one key are the same thing."""
        if self.kind in _ABOUT_THE_CUSTOMER:
            return f"customer {self.customer_id}"
        parts = {
            "handover": self.handover_id,
            "staff": self.staff_id,
            "customer": self.customer_id,
        }
        return " ".join(f"{name} {pk}" for name, pk in parts.items() if pk)


_ABOUT_THE_CUSTOMER = frozenset({FindingKind.OWNER_APART})


def list_differences(run_id: int, found: Sequence[Difference]) -> None:
    """Leave these to people; what stands there already, dismissed or not, is seen once more."""
    unique = list({(one.kind, one.key): one for one in found}.values())
    if not unique:
        return
    values: dict[str, Any] = {
        "run": run_id,
        "kinds": [one.kind.value for one in unique],
        "keys": [one.key for one in unique],
        "staff": [one.staff_id for one in unique],
        "customers": [one.customer_id for one in unique],
        "handovers": [one.handover_id for one in unique],
        "addresses": [one.address for one in unique],
        "details": [Jsonb(one.detail) for one in unique],
    }
    with connection.cursor() as cursor:
        cursor.execute(_LIST, values)


def note_repaired(run_id: int, found: Sequence[Difference], *, now: datetime) -> None:
    """Write down what was put right; what had been left to people is settled by it.

    Call it in the transaction that put it right.
    """
    for kind in {one.kind for one in found}:
        of_kind = {one.key: one for one in found if one.kind == kind}
        standing = Finding.objects.filter(kind=kind, key__in=of_kind, state__in=STANDING)
        settled = set(standing.values_list("key", flat=True))
        if settled:
            standing.update(state=FindingState.REPAIRED, state_at=now, run=run_id)
        Finding.objects.bulk_create(
            Finding(
                run_id=run_id,
                kind=kind,
                key=key,
                staff_id=one.staff_id,
                customer_id=one.customer_id,
                handover_id=one.handover_id,
                address=one.address,
                detail=one.detail,
                state=FindingState.REPAIRED,
                state_at=now,
                found_at=now,
            )
            for key, one in of_kind.items()
            if key not in settled
        )


def dismiss_finding(finding: Finding, *, note: str, actor: Staff, now: datetime) -> None:
    """Say that this is as it should be; it is not reported again while it stays so.

    Raises ``RuleBroken`` without a reason, ``MovedOn`` if it is not open any more.
    """
    if not note.strip():
        raise RuleBroken(_("Say why this is all right, so that others need not ask again."))
    with transaction.atomic():
        _settle(finding, FindingState.DISMISSED, actor=actor, now=now, note=note.strip()[:200])
        record(finding, "finding.dismissed", actor=actor, at=now)
    finding.refresh_from_db()


def repair_finding(finding: Finding, *, actor: Staff, now: datetime) -> None:
    """Put right what stands in the finding, if it still is so and can be done from here.

    Raises ``RuleBroken`` where a person has to decide or act elsewhere, ``MovedOn`` if the finding
    is not open any more or what it says is not so any more.
    """
    mend = _REPAIRS.get(FindingKind(finding.kind))
    if mend is None or not can_repair(finding):
        raise RuleBroken(_("This cannot be put right from here. The finding says what to do."))
    with transaction.atomic():
        mend(finding, actor, now)  # before the finding is locked: people come first everywhere
        _settle(finding, FindingState.REPAIRED, actor=actor, now=now)
        record(finding, "finding.repaired", actor=actor, at=now)
    finding.refresh_from_db()


def can_repair(finding: Finding) -> bool:
    """Whether one press puts it right."""
    if finding.kind == FindingKind.OWNER_APART:
        return len(finding.detail.get("followers", [])) == 1
    return finding.kind in _REPAIRS


def _settle(
    finding: Finding, state: FindingState, *, actor: Staff, now: datetime, note: str = ""
) -> None:
    settled = Finding.objects.filter(pk=finding.pk, state=FindingState.OPEN).update(
        state=state, state_at=now, settled_by=actor, note=note
    )
    if not settled:
        raise MovedOn(_("This has been settled in the meantime."))


def _give_to_follower(finding: Finding, actor: Staff, now: datetime) -> None:
    """Let the connected colleague answer for the customer, if owner and follower are still these."""
    owner, follower = finding.detail["owner"], finding.detail["followers"][0]
    people = Staff.objects.select_for_update(no_key=True).filter(pk__in=[owner, follower])
    at_work = {person.pk for person in people.order_by("pk") if person.is_employed}
    customer = (
        Customer.objects.select_for_update(no_key=True)
        .filter(findings=finding, owner=owner)
        .first()
    )
    follows = Follow.objects.active().filter(customer=finding.customer_id)
    moving = HandoverItem.objects.filter(customer=finding.customer_id, closed_at=None)
    if (
        customer is None
        or follower not in at_work
        or not follows.filter(staff=follower).exists()
        or follows.filter(staff=owner).exists()
        or moving.exists()
    ):
        raise MovedOn(_("This is not so any more. The next comparison looks again."))
    move_ownership([(customer.pk, follower)], reason=OwnershipReason.TRANSFER, now=now)


def _ask_again(finding: Finding, actor: Staff, now: datetime) -> None:
    """Have the channel asked about the handover at once."""
    handover = finding.handover_id or 0
    due = Handover.objects.filter(pk=handover, state=HandoverState.RUNNING)
    if not due.update(check_at=now):
        raise MovedOn(_("This handover is not running any more."))
    ring(check_handover, handover)


_REPAIRS: dict[FindingKind, Callable[[Finding, Staff, datetime], None]] = {
    FindingKind.OWNER_APART: _give_to_follower,
    FindingKind.OVERDUE: _ask_again,
}
