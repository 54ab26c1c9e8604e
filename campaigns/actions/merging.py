"""Lists and waiting messages of somebody whose record is merged into another, or taken out again."""

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Delivery, SegmentMember
from contacts.errors import RuleBroken
from contacts.models import Customer

_WAITS = """
SELECT delivery.campaign_id
FROM campaigns_delivery AS delivery
JOIN campaigns_batch AS batch ON batch.id = delivery.batch_id
LEFT JOIN campaigns_delivery AS theirs
    ON theirs.campaign_id = delivery.campaign_id AND theirs.customer_id = %(target)s
WHERE delivery.customer_id = %(source)s AND delivery.state = 'queued'
  AND batch.state IN ('waiting', 'held')
  AND (theirs.state IS NULL OR theirs.state = 'skipped' AND theirs.reason <> %(control)s)
ORDER BY delivery.campaign_id
"""

# Where each has a row they change places: a customer stands in a campaign once, at every instant.
_ASIDE = """
UPDATE campaigns_delivery SET customer_id = -customer_id
WHERE campaign_id = ANY(%(campaigns)s) AND customer_id = %(target)s
"""
_ACROSS = """
UPDATE campaigns_delivery
SET customer_id = %(target)s,
    address = CASE WHEN address = %(source)s::text THEN %(target)s::text ELSE address END
WHERE campaign_id = ANY(%(campaigns)s) AND customer_id = %(source)s
"""
_BACK = """
UPDATE campaigns_delivery SET customer_id = %(source)s
WHERE campaign_id = ANY(%(campaigns)s) AND customer_id = -%(target)s
"""


def hold_messages(*customers: Customer) -> None:
    """Let nobody draw the waiting messages of these customers until the transaction ends.

    Raises ``RuleBroken`` if one is leaving: nobody could say whose it will have been.
    """
    queued = Delivery.objects.filter(customer__in=customers, state=DeliveryState.QUEUED)
    open_states = [BatchState.WAITING, BatchState.HELD, BatchState.SENDING]
    batches = Batch.objects.select_for_update().filter(
        pk__in=list(queued.values_list("batch", flat=True)), state__in=open_states
    )
    if any(batch.state == BatchState.SENDING for batch in batches.order_by("pk")):
        raise RuleBroken(
            _("A message to this customer is leaving at this moment. Try again in a minute.")
        )


def pass_messages(source: Customer, target: Customer) -> list[int]:
    """Let ``target`` get what waits for ``source``, where nothing waits for or reached them.

    Whoever is in the control group stays there. Whether they may get it is asked when it leaves,
    as always. Returns the campaigns. Both are held (``hold_messages``).
    """
    values: dict[str, Any] = {
        "source": source.pk,
        "target": target.pk,
        "control": DeliveryReason.CONTROL,
    }
    with connection.cursor() as cursor:
        cursor.execute(_WAITS, values)
        campaigns = [row[0] for row in cursor.fetchall()]
    _exchange(source, target, campaigns)
    return campaigns


def give_messages_back(source: Customer, target: Customer, campaigns: Collection[int]) -> None:
    """Give ``target`` back what waited for them in these campaigns, as far as it still waits."""
    waiting = Delivery.objects.filter(
        customer=source,
        campaign__in=campaigns,
        state=DeliveryState.QUEUED,
        batch__state__in=[BatchState.WAITING, BatchState.HELD],
    )
    _exchange(source, target, list(waiting.values_list("campaign", flat=True)))


def _exchange(source: Customer, target: Customer, campaigns: list[int]) -> None:
    if not campaigns:
        return
    values: dict[str, Any] = {"source": source.pk, "target": target.pk, "campaigns": campaigns}
    with connection.cursor() as cursor:
        for statement in (_ASIDE, _ACROSS, _BACK):
            cursor.execute(statement, values)


def pass_lists(source: Customer, target: Customer) -> dict[str, list[int]]:
    """Put ``target`` on the static lists of ``source``, and take that one off.

    Returns the lists, and those on which ``target`` was not.
    """
    theirs = SegmentMember.objects.filter(customer=source)
    lists = list(theirs.order_by("segment").values_list("segment", flat=True))
    known = SegmentMember.objects.filter(customer=target, segment__in=lists)
    fresh = sorted(set(lists) - set(known.values_list("segment", flat=True)))
    _put_on_lists(target, fresh)
    theirs.delete()
    return {"lists": lists, "lists_new": fresh}


def give_lists_back(
    source: Customer, target: Customer, *, lists: Collection[int], lists_new: Collection[int]
) -> None:
    """Put ``target`` on those of these lists on which ``source`` still is, who leaves the new ones."""
    still_on = SegmentMember.objects.filter(customer=source, segment__in=lists)
    _put_on_lists(target, list(still_on.values_list("segment", flat=True)))
    still_on.filter(segment__in=lists_new).delete()


def _put_on_lists(customer: Customer, lists: Collection[int]) -> None:
    SegmentMember.objects.bulk_create(
        [SegmentMember(segment_id=pk, customer=customer) for pk in lists], ignore_conflicts=True
    )
