"""Batches of letters whose worker died: what may go again, and what nobody knows."""

from datetime import datetime

from django.db import connection
from django.utils.translation import gettext_noop

from campaigns.actions.letter_lease import LOOK_EVERY, wait_after
from campaigns.actions.stopping import stop_waiting
from campaigns.channels import direct_connector
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch
from connectors.base import Recovery

_LEFT_BEHIND = """
UPDATE campaigns_delivery AS delivery SET state = 'unclear'
FROM campaigns_batch AS batch
WHERE batch.id = ANY(%(batches)s) AND delivery.batch_id = batch.id
  AND delivery.state = 'queued' AND (%(all)s OR delivery.slot < batch.drawn)
"""

_HOLD_THEIRS = """
SELECT id, state FROM campaigns_campaign
WHERE id IN (SELECT campaign_id FROM campaigns_batch WHERE id = ANY(%s))
ORDER BY id FOR SHARE
"""


def take_over_letters(batches: list[int], channel: str, *, now: datetime) -> None:
    """Let batches of a worker that died go on. Call it in the transaction that has locked them.

    They go at once the first time, and wait longer each time that not one of their letters was
    settled in between. The letters that the worker may have sent are unclear. Where the channel honours our keys all
    of them go again, and nothing is lost by that; elsewhere only those go that were not drawn.
    With a cancelled campaign nothing goes.
    """
    recovery = direct_connector(channel).abilities.recovery
    is_keyed = recovery is Recovery.KEYED
    with connection.cursor() as cursor:
        cursor.execute(_LEFT_BEHIND, {"batches": batches, "all": is_keyed})
    rows = Batch.objects.filter(pk__in=batches)
    to_go = [DeliveryState.QUEUED, DeliveryState.UNCLEAR] if is_keyed else [DeliveryState.QUEUED]
    with_rest = dict(rows.filter(deliveries__state__in=to_go).values_list("pk", "attempts"))
    free = {"lease_token": None, "lease_until": None, "drawn": 0}
    for attempts in set(with_rest.values()):
        rows.filter(pk__in=with_rest, attempts=attempts).update(
            state=BatchState.WAITING,
            next_attempt_at=now + wait_after(attempts) if attempts > 1 else None,
            **free,
        )
    looks = now + LOOK_EVERY if recovery is Recovery.ASKABLE else None
    why = gettext_noop("The worker stopped before it could write down what happened.")
    rows.exclude(pk__in=with_rest).update(
        state=BatchState.UNCLEAR, next_attempt_at=looks, error=why, **free
    )
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_THEIRS, [batches])
        ended = [pk for pk, state in cursor.fetchall() if state == CampaignState.CANCELLED]
    stop_waiting(rows.filter(campaign__in=ended), DeliveryReason.NONE, now=now)
