"""Taking a person out of campaigns: the parts of an erasure that lie in this app.

Everything here runs in the transaction of ``crm.actions.erasing``, which holds the customers and
has made them erased: whoever claims a batch from now on skips them.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.enums import BatchState, DeliveryReason, DeliveryState, WelcomeState
from campaigns.models import Batch, Delivery, PostReaction, SegmentMember, Welcome

_ADDRESSES = """
UPDATE campaigns_delivery SET address = ''
WHERE customer_id = ANY(%(customers)s) AND address <> ''
"""


LATELY = timedelta(days=1)

_SLIPPED_IN = """
UPDATE campaigns_delivery SET address = ''
WHERE address <> '' AND customer_id = ANY(ARRAY(
    SELECT DISTINCT gone.customer_id FROM contacts_erasedaddress AS gone
    WHERE gone.erased_at > %(since)s
))
"""


def leave_campaigns(customers: Collection[int]) -> None:
    """Send these people nothing more, and forget under which addresses they were reached.

    Batches that wait are held, so that nobody claims one in between. In one that is being sent the
    person stays queued: what its worker has drawn may arrive, and the rest is skipped with the next
    claim. What happened stays, and so do the figures of the campaign.
    """
    queued = Delivery.objects.filter(customer__in=customers, state=DeliveryState.QUEUED)
    waiting = Batch.objects.filter(
        pk__in=list(queued.values_list("batch", flat=True)),
        state__in=[BatchState.WAITING, BatchState.HELD],
    )
    held = list(waiting.select_for_update().order_by("pk").values_list("pk", flat=True))
    queued.filter(batch__in=held).update(state=DeliveryState.SKIPPED, reason=DeliveryReason.GONE)
    values: dict[str, Any] = {"customers": list(customers)}
    with connection.cursor() as cursor:
        cursor.execute(_ADDRESSES, values)


def forget_words(
    customers: Collection[int], wecom_addresses: Collection[str], *, now: datetime
) -> None:
    """Forget how they were greeted, on which lists they stood, and to what they reacted.

    A greeting that waits is not said. The figures of a moment stay.
    """
    welcomes = Welcome.objects.filter(customer__in=customers)
    welcomes.filter(state=WelcomeState.PENDING).update(state=WelcomeState.EXPIRED, settled_at=now)
    welcomes.update(text="", attachments=[], code="", error="")
    SegmentMember.objects.filter(customer__in=customers).delete()
    PostReaction.objects.filter(by_staff=False, address__in=wecom_addresses).delete()


def forget_late_addresses(*, now: datetime) -> int:
    """Forget what a campaign has written down that was being planned during an erasure.

    It read the address before the erasure and committed after it; nothing is sent there. Returns
    how many addresses that were.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SLIPPED_IN, {"since": now - LATELY})
        return int(cursor.rowcount)
