"""Comparing what handovers say with what the follows say after they were compared."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection

from contacts.doorbell import ring
from contacts.enums import FindingKind
from contacts.models import Handover
from contacts.tasks import check_handover
from crm.actions.findings import Difference
from crm.actions.reconcile_run import Run

OVERDUE = timedelta(hours=30)
"""A customer is taken over within a day, and given up on after 26 hours; later is too late."""

SINCE = timedelta(days=30)
SOON = timedelta(days=7)
"""A connection that was missing so soon after it was accepted was most likely never there."""

MOST = 500

_OVERDUE = """
SELECT handover.id, handover.from_staff_id, count(*) FILTER (WHERE item.state_at < %(overdue)s)
FROM contacts_handover AS handover
JOIN contacts_handoveritem AS item ON item.handover_id = handover.id
WHERE handover.state = 'running' AND item.state IN ('requested', 'waiting')
  AND (item.state_at < %(overdue)s OR EXISTS (
      SELECT FROM contacts_follow AS follow
      WHERE follow.customer_id = item.customer_id AND follow.staff_id = item.to_staff_id
        AND follow.channel = 'wecom' AND follow.ended_at IS NULL
        AND follow.began_at >= item.state_at
  ))
GROUP BY handover.id ORDER BY handover.id LIMIT %(most)s
"""

_NOT_CONNECTED = """
SELECT DISTINCT item.id, item.to_staff_id, item.customer_id, item.handover_id
FROM contacts_finding AS finding
JOIN contacts_follow AS follow ON follow.customer_id = finding.customer_id
    AND follow.staff_id = finding.staff_id AND follow.end_reason = 'missing'
JOIN contacts_handoveritem AS item ON item.customer_id = finding.customer_id
    AND item.to_staff_id = finding.staff_id
JOIN contacts_customer AS customer ON customer.id = item.customer_id
WHERE finding.kind = 'follow_gone' AND finding.state = 'repaired'
  AND finding.found_at >= %(since)s
  AND item.state = 'accepted' AND item.undone_at IS NULL
  AND follow.ended_at BETWEEN item.closed_at AND item.closed_at + %(soon)s
  AND customer.owner_id = item.to_staff_id
  AND NOT EXISTS (
      SELECT FROM contacts_follow AS again
      WHERE again.customer_id = item.customer_id AND again.staff_id = item.to_staff_id
        AND again.ended_at IS NULL
  )
ORDER BY item.id LIMIT %(most)s
"""


def compare_handovers(run: Run) -> Iterator[None]:
    """Ask again about what should have been answered; list what was accepted in vain."""
    values: dict[str, Any] = {
        "overdue": run.now - OVERDUE,
        "since": run.now - SINCE,
        "soon": SOON,
        "most": MOST,
    }
    _ask_again(run, values)
    with connection.cursor() as cursor:
        cursor.execute(_NOT_CONNECTED, values)
        run.list(
            [
                Difference(
                    FindingKind.NOT_CONNECTED, staff, customer, handover, detail={"item": item}
                )
                for item, staff, customer, handover in cursor.fetchall()
            ]
        )
    yield from ()


def _ask_again(run: Run, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_OVERDUE, values)
        rows = cursor.fetchall()
    for handover, _giver, _late in rows:
        Handover.objects.filter(pk=handover, state="running").update(check_at=run.now)
        ring(check_handover, handover)
    run.list(
        [
            Difference(FindingKind.OVERDUE, giver, handover_id=handover, detail={"customers": late})
            for handover, giver, late in rows
            if late
        ]
    )
