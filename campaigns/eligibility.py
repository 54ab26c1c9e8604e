"""Who may still get a message at the moment when it leaves.

Planning asks the same once, hours or days earlier. What has changed since counts here.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from campaigns.channels import abilities_of
from campaigns.enums import DeliveryReason, DeliveryState
from campaigns.models import Batch, Delivery
from contacts.enums import Channel, CustomerState, StaffState
from contacts.models import Follow


def skip_those_who_may_not(batch: Batch, *, now: datetime) -> int:
    """Skip the queued recipients of a batch who may not get it any more; return how many.

    Opted out, merged or erased; and where the channel sends in a colleague's name, that
    colleague gone or no longer connected with the customer.
    """
    queued = Delivery.objects.filter(batch=batch, state=DeliveryState.QUEUED)
    skipped = 0
    for reason, broken in _rules(batch):
        customers = list(queued.filter(broken).values_list("customer_id", flat=True))
        if customers:
            skipped += Delivery.objects.filter(
                campaign=batch.campaign_id, customer__in=customers, state=DeliveryState.QUEUED
            ).update(state=DeliveryState.SKIPPED, reason=reason)
    return skipped


def _rules(batch: Batch) -> Iterable[tuple[DeliveryReason, Q]]:
    yield DeliveryReason.OPTED_OUT, Q(customer__opted_out_at__isnull=False)
    yield DeliveryReason.GONE, ~Q(customer__state=CustomerState.ACTIVE)
    if abilities_of(batch.campaign.channel).direct:
        return
    if batch.sender is None or batch.sender.state not in {StaffState.ACTIVE, StaffState.LEAVING}:
        yield DeliveryReason.NO_SENDER, Q()
    follows = Follow.objects.active().filter(
        staff=batch.sender_id, customer=OuterRef("customer_id"), channel=Channel.WECOM
    )
    yield DeliveryReason.CHANGED_HANDS, ~Q(Exists(follows))
