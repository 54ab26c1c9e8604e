"""Writing down that customers are lost, and that they are back. Set-based, whatever the number.

Everything here runs in the transaction that ended or began the connections, and expects the
customers to be held (``hold_customers``): so of two last connections that end at the same moment
one is the last, and nobody is lost who is being connected again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from contacts.actions.notices import notify
from contacts.enums import FollowEnd, LossKind, LossState, NoticeKind, TaskKind, TaskState
from contacts.managers import managers_by_store
from contacts.models import Customer, HistoryEntry, Loss, Staff, Task

LOSING: Mapping[FollowEnd, LossKind] = {
    FollowEnd.REMOVED_BY_CUSTOMER: LossKind.BY_CUSTOMER,
    FollowEnd.REMOVED_BY_STAFF: LossKind.BY_STAFF,
    FollowEnd.LOST: LossKind.ON_HANDOVER,
    FollowEnd.MISSING: LossKind.UNKNOWN,
}
"""Ends of a follow that are losses; a transfer or a departure is none."""

WIN_BACK_WITHIN = timedelta(days=1)

_WRITE_DOWN = """
INSERT INTO contacts_loss (
    follow_id, customer_id, staff_id, owner_id, store_id, kind, is_last, value, last_contact_at,
    at, reason, note, state, state_at
)
SELECT follow.id, customer.id, follow.staff_id, customer.owner_id, customer.store_id, %(kind)s,
       false, customer.spent, customer.last_interaction_at, least(follow.ended_at, %(now)s), '', '',
       'kept', %(now)s
FROM contacts_follow AS follow
JOIN contacts_customer AS customer ON customer.id = follow.customer_id
WHERE follow.id = ANY(%(follows)s) AND follow.ended_at IS NOT NULL
ON CONFLICT (follow_id) DO NOTHING
RETURNING id, customer_id
"""

# The latest of a customer's removals is the last, in whatever order they became known.
_OPEN_THE_LAST = """
UPDATE contacts_loss AS loss SET is_last = true, state = 'open', state_at = %(now)s
FROM (
    SELECT DISTINCT ON (customer_id) id FROM contacts_loss AS one
    WHERE customer_id = ANY(%(customers)s) AND state = 'kept'
      AND NOT EXISTS (
          SELECT FROM contacts_follow AS follow
          WHERE follow.customer_id = one.customer_id AND follow.ended_at IS NULL
      )
      AND NOT EXISTS (
          SELECT FROM contacts_loss AS other
          WHERE other.customer_id = one.customer_id AND other.state = 'open'
      )
    ORDER BY customer_id, at DESC, id DESC
) AS last
WHERE loss.id = last.id
RETURNING loss.id
"""


def hold_customers(customer_ids: Iterable[int]) -> None:
    """Let nobody else begin or end connections of these customers until the transaction ends."""
    held = Customer.objects.select_for_update(no_key=True).filter(pk__in=list(customer_ids))
    list(held.order_by("pk").values_list("pk"))


def record_losses(follow_ids: Sequence[int], kind: LossKind, *, now: datetime) -> int:
    """Write down the losses of follows that have just ended; returns how many are new.

    Whoever is connected with nobody any more is to be won back: by their owner or, if that is
    who removed them or there is none, by the managers of the store, who are told as well.
    """
    values: dict[str, Any] = {"follows": list(follow_ids), "kind": kind.value, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_DOWN, values)
        new = cursor.fetchall()
    if new:
        _announce(_open_the_last([customer for _, customer in new], now), kind, now)
    return len(new)


def open_losses(customer_ids: Sequence[int], *, now: datetime) -> None:
    """Open the last loss of those who are connected with nobody any more, as ``record_losses`` does.

    For customers whose removal was known before their other connection was handed over.
    """
    by_kind: dict[LossKind, list[Loss]] = {}
    for loss in _open_the_last(customer_ids, now):
        by_kind.setdefault(LossKind(loss.kind), []).append(loss)
    for kind, losses in by_kind.items():
        _announce(losses, kind, now)


def _open_the_last(customer_ids: Sequence[int], now: datetime) -> list[Loss]:
    with connection.cursor() as cursor:
        cursor.execute(_OPEN_THE_LAST, {"customers": list(customer_ids), "now": now})
        opened = [row[0] for row in cursor.fetchall()]
    return list(Loss.objects.filter(pk__in=opened).select_related("staff", "owner", "customer"))


def _announce(losses: Sequence[Loss], kind: LossKind, now: datetime) -> None:
    _ask_to_win_back(losses, now)
    _tell(losses, kind, now)
    _write_history(losses, now)


def _write_history(losses: Sequence[Loss], now: datetime) -> None:
    HistoryEntry.objects.bulk_create(
        HistoryEntry(
            customer_id=loss.customer_id,
            action="customer.lost",
            subject_kind="loss",
            subject_id=loss.pk,
            data={"kind": loss.kind, "staff": loss.staff_id},
            at=now,
        )
        for loss in losses
    )


def _ask_to_win_back(losses: Sequence[Loss], now: datetime) -> None:
    Task.objects.bulk_create(
        [
            Task(
                kind=TaskKind.WIN_BACK,
                staff=winner_of(loss),
                store_id=loss.store_id,
                customer_id=loss.customer_id,
                created_at=now,
                state_at=now,
                due_on=timezone.localdate(now + WIN_BACK_WITHIN),
            )
            for loss in losses
        ],
        ignore_conflicts=True,
    )


def winner_of(loss: Loss) -> Staff | None:
    """Return who should win the customer back; ``None`` means the managers of the store."""
    owner = loss.owner
    removed = loss.kind == LossKind.BY_STAFF and loss.staff_id == loss.owner_id
    return owner if owner and owner.is_employed and not removed else None


def _tell(losses: Sequence[Loss], kind: LossKind, now: datetime) -> None:
    """Tell once of a customer who left, but once a day of everybody whom a colleague removed."""
    managers = managers_by_store(loss.store_id for loss in losses)
    removed = kind == LossKind.BY_STAFF
    told_as = NoticeKind.CUSTOMER_REMOVED if removed else NoticeKind.CUSTOMER_LOST
    news = {_key(loss, kind): loss for loss in reversed(losses)}
    for key, loss in news.items():
        people = set(managers[loss.store_id])
        one = loss.customer if kind == LossKind.BY_CUSTOMER else None
        if one:
            people |= {p.pk for p in (loss.staff, loss.owner) if p and p.is_employed}
        notify(
            people,
            told_as,
            key=key,
            now=now,
            customer=one,
            about=loss.staff,
            data={"loss": loss.pk, "kind": kind.value},
        )


def _key(loss: Loss, kind: LossKind) -> str:
    if kind == LossKind.BY_CUSTOMER:
        return f"loss:{loss.pk}"
    day = timezone.localdate(loss.at)
    return f"losses:{kind.value}:{loss.staff_id}:{loss.store_id}:{day:%Y-%m-%d}"


def win_back(customer_ids: Sequence[int], *, now: datetime) -> int:
    """Close the open losses of those among these customers who are connected again.

    Returns how many that were. Their win-back tasks are done.
    """
    connected = Customer.objects.filter(pk__in=customer_ids, follows__ended_at=None)
    lost = Loss.objects.filter(state=LossState.OPEN, customer__in=connected.values("pk"))
    back = dict(lost.values_list("pk", "customer"))
    if not back:
        return 0
    Loss.objects.filter(pk__in=back).update(state=LossState.WON_BACK, state_at=now)
    Task.objects.filter(
        customer__in=back.values(), kind=TaskKind.WIN_BACK, state=TaskState.OPEN
    ).update(state=TaskState.DONE, state_at=now)
    HistoryEntry.objects.bulk_create(
        HistoryEntry(
            customer_id=customer,
            action="customer.won_back",
            subject_kind="loss",
            subject_id=pk,
            at=now,
        )
        for pk, customer in back.items()
    )
    return len(back)
