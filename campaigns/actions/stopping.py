"""Stopping what has not gone out: the batches that wait, and their queued recipients."""

from datetime import datetime

from django.db.models import Q, QuerySet

from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Delivery


def stop_waiting(batches: QuerySet[Batch], reason: DeliveryReason, *, now: datetime) -> int:
    """Cancel what of these batches waits to be sent; returns how many batches that stops.

    A batch with recipients whose fate is unclear stays so. What is in a call at this moment is
    written down when the call returns. Call it in the transaction that says why.
    """
    waits = [BatchState.WAITING, BatchState.HELD]
    waiting = batches.select_for_update().filter(state__in=waits).order_by("pk")
    stopped = list(waiting.values_list("pk", flat=True))
    Delivery.objects.filter(batch__in=stopped, state=DeliveryState.QUEUED).update(
        state=DeliveryState.CANCELLED, reason=reason
    )
    rows = Batch.objects.filter(pk__in=stopped)
    unclear = Q(deliveries__state=DeliveryState.UNCLEAR)
    open_ones = set(rows.filter(unclear).values_list("pk", flat=True))
    rows.filter(pk__in=open_ones).update(state=BatchState.UNCLEAR, next_attempt_at=now)
    rows.exclude(pk__in=open_ones).update(state=BatchState.CANCELLED, done_at=now)
    return len(stopped)
