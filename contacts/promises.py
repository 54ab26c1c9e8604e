"""What a plan's preview has promised, as a digest that changes when the world does."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils.translation import gettext as _

from contacts.enums import HandoverState, ItemState
from contacts.errors import MovedOn
from contacts.models import Handover, HandoverItem
from contacts.wecom import wecom

MOST_TRANSFERS = 2
TRANSFER_DAYS = timedelta(days=90)
"""WeCom lets each customer be transferred twice in 90 days while the giver works (docs 92125)."""

_PROMISED = """
WITH item AS (
    SELECT item.id, item.to_staff_id, customer.owner_id, customer.state,
           EXISTS (
               SELECT FROM contacts_follow AS follow
               WHERE follow.customer_id = item.customer_id AND follow.channel = 'wecom'
                 AND follow.staff_id = %(giver)s AND follow.ended_at IS NULL
           ) AND EXISTS (
               SELECT FROM contacts_identity AS identity
               WHERE identity.customer_id = item.customer_id
                 AND identity.kind = 'wecom:external_userid'
           ) AS connected
    FROM contacts_handoveritem AS item
    JOIN contacts_customer AS customer ON customer.id = item.customer_id
    WHERE item.handover_id = %(handover)s AND item.state = 'planned'
), receiver AS (
    SELECT staff.id, staff.state, staff.capacity, coalesce(staff.wecom_userid, '') AS userid,
           (SELECT count(*) FROM contacts_customer WHERE owner_id = staff.id) AS owned
    FROM contacts_staff AS staff
    WHERE staff.id IN (SELECT to_staff_id FROM item)
)
SELECT (SELECT md5(string_agg(item::text, ' ' ORDER BY item.id)) FROM item),
       (SELECT string_agg(receiver::text, ' ' ORDER BY receiver.id) FROM receiver),
       (SELECT md5(string_agg(chat.id || ' ' || coalesce(chat.to_staff_id, 0), ' ' ORDER BY chat.id))
        FROM contacts_chatitem AS chat
        WHERE chat.handover_id = %(handover)s AND chat.state = 'planned'),
       giver.state, giver.wecom_userid, giver.left_channel_at::text,
       handover.steps::text, handover.customer_message
FROM contacts_handover AS handover
JOIN contacts_staff AS giver ON giver.id = handover.from_staff_id
WHERE handover.id = %(handover)s
"""


def plan_fingerprint(handover: Handover) -> str:
    """Return a digest over all that the preview of this plan shows, in one query.

    It changes with whom each customer goes to, what the receivers hold, may hold and do, how the
    giver stands, who is connected in the channel, the group chats, the steps, and the words to the
    customer.
    """
    values: dict[str, Any] = {"handover": handover.pk, "giver": handover.from_staff_id}
    with connection.cursor() as cursor:
        cursor.execute(_PROMISED, values)
        promised = cursor.fetchone()
    return sha256(repr((wecom() is not None, promised)).encode()).hexdigest()


def check_promise(handover: Handover, fingerprint: str | None) -> None:
    """Raise ``MovedOn`` if the plan is not the one whose fingerprint this is any more.

    Locks the handover, so that nobody changes the plan before the transaction ends. Without a
    fingerprint nothing was promised; a plan that has been started or cancelled is not looked at.
    """
    if fingerprint is None:
        return
    locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
    if locked.state == HandoverState.PLANNED and plan_fingerprint(locked) != fingerprint:
        raise MovedOn(_("Things have changed since this preview. Look at it again, then start."))


def transferred_twice(now: datetime) -> QuerySet[HandoverItem, Any]:
    """Return the ids of customers whom WeCom transfers no more while their guide works.

    They changed hands twice on the job within 90 days; use it as a subquery, narrowed down by
    ``customer__in`` where the customers are known.
    """
    return (
        HandoverItem.objects.filter(
            state=ItemState.ACCEPTED,
            request__as_leaver=False,
            closed_at__gt=now - TRANSFER_DAYS,
        )
        .order_by()
        .values("customer")
        .annotate(transfers=Count("pk"))
        .filter(transfers__gte=MOST_TRANSFERS)
        .values("customer")
    )
