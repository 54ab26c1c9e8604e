"""What the channel is asked during a handover, and what its answers mean.

Every call is claimed, made, and written down, in two short transactions with nothing but the
call between them. A repeated transfer is harmless: the channel answers 40100 or 40129, "already
in transfer", which counts as asked (WeCom docs 92125, 94081; errcodes of ``connectors.wecom``).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_noop

from connectors.wecom.api.transfers import (
    MAX_MESSAGE,
    MAX_PER_CALL,
    UNDER_WAY,
    TransferItem,
    get_unassigned_list,
    resigned_transfer_customer,
    transfer_customer,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, ConfigProblem, Refused, Unclear, describe
from contacts.actions.closing import close_if_settled
from contacts.actions.offers import RECEIVER_DEPARTED
from contacts.actions.settlement import hold, settle_items
from contacts.actions.staff import left_the_channel
from contacts.enums import (
    Channel,
    HandoverState,
    IdentityKind,
    ItemState,
    RequestState,
    StaffState,
)
from contacts.models import Follow, Handover, HandoverItem, HandoverRequest, Staff
from contacts.wecom import wecom
from contacts.words import handover_words

LEASE = timedelta(seconds=60)
FIRST_CHECK = timedelta(seconds=60)
LOOK_AGAIN = timedelta(seconds=30)

FULL = 40099
GONE = 40131
"""The giver has no such customer: on a repeated call also because the first one has succeeded."""
NO_ADDRESS = gettext_noop("The customer has no WeCom address any more.")
NO_CONNECTION = gettext_noop("Taken over without WeCom: the connection there was lost.")

_PREPARE = """
WITH numbered AS (
    SELECT item.id, item.to_staff_id,
           row_number() OVER (PARTITION BY item.to_staff_id ORDER BY item.id) - 1 AS place
    FROM contacts_handoveritem AS item
    JOIN contacts_staff AS receiver ON receiver.id = item.to_staff_id
    WHERE item.id = ANY(%(items)s) AND item.state = 'planned'
      AND receiver.wecom_userid IS NOT NULL
      AND EXISTS (
          SELECT FROM contacts_follow AS follow
          WHERE follow.customer_id = item.customer_id AND follow.staff_id = %(from_staff)s
            AND follow.channel = 'wecom' AND follow.ended_at IS NULL
      ) AND EXISTS (
          SELECT FROM contacts_identity AS identity
          WHERE identity.customer_id = item.customer_id
            AND identity.kind = 'wecom:external_userid'
      )
), chunks AS (
    INSERT INTO contacts_handoverrequest
        (handover_id, to_staff_id, state, attempts, error, created_at, next_attempt_at)
    SELECT %(handover)s, to_staff_id, 'prepared', 0, '', %(now)s, %(now)s
    FROM numbered GROUP BY to_staff_id, place / %(limit)s
    RETURNING id, to_staff_id
), dealt AS (
    SELECT id, to_staff_id,
           row_number() OVER (PARTITION BY to_staff_id ORDER BY id) - 1 AS chunk
    FROM chunks
)
UPDATE contacts_handoveritem AS item
SET state = 'requested', state_at = %(now)s, request_id = dealt.id,
    slot = numbered.place %% %(limit)s, tries = item.tries + 1, errcode = NULL, reason = ''
FROM numbered
JOIN dealt ON dealt.to_staff_id = numbered.to_staff_id
          AND dealt.chunk = numbered.place / %(limit)s
WHERE item.id = numbered.id
"""

_SETTLE_AT_ONCE = """
UPDATE contacts_handoveritem
SET state = 'accepted', state_at = %(now)s, closed_at = %(now)s,
    reason = CASE WHEN tries > 0 THEN %(lost)s ELSE reason END,
    errcode = CASE WHEN tries > 0 THEN NULL ELSE errcode END
WHERE id = ANY(%(items)s) AND state = 'planned'
RETURNING customer_id, to_staff_id
"""


def goes_through_channel(handover: Handover) -> bool:
    """Whether WeCom has to be asked about any customer of the handover."""
    if wecom() is None or not handover.from_staff.wecom_userid:
        return False
    open_items = HandoverItem.objects.filter(handover=handover, closed_at=None)
    return (
        Follow.objects.active()
        .filter(
            staff=handover.from_staff_id,
            channel=Channel.WECOM,
            customer__in=open_items.values("customer"),
        )
        .exists()
    )


def prepare_requests(handover: Handover, items: Sequence[int], *, now: datetime) -> int:
    """Cut those of the planned items that go through the channel into requests of at most 100.

    Returns how many items that were; none when the connection to WeCom is not set up.
    """
    if wecom() is None or not handover.from_staff.wecom_userid:
        return 0
    values: dict[str, Any] = {
        "handover": handover.pk,
        "items": list(items),
        "from_staff": handover.from_staff_id,
        "now": now,
        "limit": MAX_PER_CALL,
    }
    with connection.cursor() as cursor:
        cursor.execute(_PREPARE, values)
        return int(cursor.rowcount)


def settle_without_channel(items: Sequence[int], *, now: datetime) -> list[tuple[int, int]]:
    """Accept at once those of the planned items about whom no channel has to be asked.

    Those whom the channel was asked about before have lost their connection, and say so. Returns
    customer and receiver of each.
    """
    values: dict[str, Any] = {"items": list(items), "now": now, "lost": NO_CONNECTION}
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE_AT_ONCE, values)
        return list(cursor.fetchall())


def make_request(request_id: int, *, now: datetime, left: dict[int, bool] | None = None) -> bool:
    """Make one prepared or unclear request; returns whether this worker was the one to make it.

    ``left`` remembers from request to request whom WeCom counts among its leavers.
    """
    client = wecom()
    if client is None or _receiver_has_departed(request_id, now=now):
        return False
    claimed = (
        _due_requests(now)
        .filter(pk=request_id)
        .update(state=RequestState.CALLING, lease_until=now + LEASE, attempts=F("attempts") + 1)
    )
    if not claimed:
        return False
    request = HandoverRequest.objects.select_related("handover__from_staff", "to_staff").get(
        pk=request_id
    )
    addresses = _addresses(request)
    try:
        answers = _transfer(client, request, list(addresses), left, now=now) if addresses else ()
    except (Busy, ConfigProblem) as error:
        wait = timedelta(seconds=error.retry_after)
        harmless = isinstance(error, ConfigProblem) or error.surely_nothing_done
        state = RequestState.PREPARED if harmless else RequestState.UNCLEAR
        _try_later(request, state, now + wait, str(error))
    except Unclear as error:
        _try_later(request, RequestState.UNCLEAR, now + LOOK_AGAIN, str(error))
    except Refused as error:
        _write_down(request, addresses, dict.fromkeys(addresses, error.errcode), now)
    else:
        codes = {answer.external_user_id: answer.errcode for answer in answers}
        _write_down(request, addresses, codes, now)
    return True


def make_due_requests(handover_id: int, *, now: datetime) -> int:
    """Make every request of the handover that is due; returns how many this worker made."""
    due = _due_requests(now).filter(handover=handover_id).order_by("pk")
    requests = list(due.values_list("pk", flat=True))
    left: dict[int, bool] = {}
    return sum(make_request(pk, now=max(now, timezone.now()), left=left) for pk in requests)


def handovers_to_request(now: datetime) -> list[int]:
    """Handovers with a request that is due, for the sweeper."""
    return list(_due_requests(now).values_list("handover", flat=True).distinct()[:50])


def handovers_to_check(now: datetime) -> list[int]:
    """Running handovers whose results are due, for the sweeper."""
    due = Handover.objects.filter(state=HandoverState.RUNNING, check_at__lte=now)
    return list(due.values_list("pk", flat=True)[:50])


def _due_requests(now: datetime) -> QuerySet[HandoverRequest]:
    to_make = Q(state__in=[RequestState.PREPARED, RequestState.UNCLEAR])
    left_behind = Q(state=RequestState.CALLING, lease_until__lt=now)
    return HandoverRequest.objects.filter(to_make | left_behind, next_attempt_at__lte=now)


def _receiver_has_departed(request_id: int, *, now: datetime) -> bool:
    """Withdraw a request that was not made yet if its receiver has departed; returns whether so."""
    departed = Staff.objects.filter(state=StaffState.DEPARTED)
    unasked = HandoverRequest.objects.filter(
        pk=request_id, state=RequestState.PREPARED, to_staff__in=departed
    )
    request = unasked.select_related("handover").first()
    if request is None:
        return False
    with transaction.atomic():
        hold(request.handover, [request.to_staff_id])
        if not unasked.update(state=RequestState.REFUSED, error=RECEIVER_DEPARTED):
            return False
        settle_items(
            request.handover,
            request.items.filter(state=ItemState.REQUESTED),
            ItemState.FAILED,
            reason=RECEIVER_DEPARTED,
            now=now,
        )
    return True


def _addresses(request: HandoverRequest) -> dict[str, int]:
    """Return one WeCom address for each customer in the request, with the item's id."""
    rows = (
        request.items.filter(
            state=ItemState.REQUESTED, customer__identities__kind=IdentityKind.WECOM
        )
        .order_by("-customer__identities__pk")
        .values_list("pk", "customer__identities__value")
    )
    return {address: item for item, address in dict(rows).items()}


def _transfer(
    client: WeComClient,
    request: HandoverRequest,
    addresses: Sequence[str],
    left: dict[int, bool] | None,
    *,
    now: datetime,
) -> Sequence[TransferItem]:
    handover = request.handover
    giver = handover.from_staff.wecom_userid or ""
    taker = request.to_staff.wecom_userid or ""
    known = {} if left is None else left
    if handover.from_staff_id not in known:
        known[handover.from_staff_id] = _has_left(client, handover.from_staff, now=now)
    has_left = known[handover.from_staff_id]
    HandoverRequest.objects.filter(pk=request.pk).update(as_leaver=has_left)
    if has_left:
        return resigned_transfer_customer(client, giver, taker, addresses)
    words = handover_words(handover.customer_message, handover, request.to_staff)
    message = words[:MAX_MESSAGE]
    return transfer_customer(client, giver, taker, addresses, success_message=message)


def _has_left(client: WeComClient, staff: Staff, *, now: datetime) -> bool:
    """Whether WeCom counts the person among its leavers, whom other endpoints serve (40097).

    WeCom is asked about people who have departed here without WeCom having told us so.
    """
    if staff.left_channel_at is None and not staff.is_employed:
        userid = (staff.wecom_userid or "").lower()
        if any(row.handover_user_id.lower() == userid for row in get_unassigned_list(client)):
            left_the_channel(staff, now=now)
            staff.left_channel_at = now
    return staff.left_channel_at is not None


def _try_later(request: HandoverRequest, state: RequestState, at: datetime, error: str) -> None:
    """Put the request back; an attempt that surely did nothing does not count."""
    uncounted = 1 if state == RequestState.PREPARED else 0
    HandoverRequest.objects.filter(pk=request.pk, state=RequestState.CALLING).update(
        state=state,
        lease_until=None,
        next_attempt_at=at,
        attempts=F("attempts") - uncounted,
        error=error[:300],
    )


def _write_down(
    request: HandoverRequest,
    addresses: Mapping[str, int],
    answers: Mapping[str, int],
    now: datetime,
) -> None:
    """Record the answer for each item; one that the answer passes over counts as asked.

    An item whose customer had no address could not be asked about, and fails.
    """
    with transaction.atomic():
        hold(request.handover, [request.to_staff_id])
        made = HandoverRequest.objects.filter(pk=request.pk, state=RequestState.CALLING).update(
            state=RequestState.MADE, lease_until=None, made_at=now, error=""
        )
        if not made:
            return
        asked, declined = [], {}
        for address, item in addresses.items():
            errcode = answers.get(address, 0)
            if errcode in UNDER_WAY or (errcode == GONE and request.attempts > 1):
                asked.append(item)
            else:
                declined[item] = errcode
        HandoverItem.objects.filter(pk__in=asked, state=ItemState.REQUESTED).update(
            state=ItemState.WAITING, state_at=now
        )
        for errcode in set(declined.values()):
            items = [item for item, code in declined.items() if code == errcode]
            outcome = ItemState.OVER_CAPACITY if errcode == FULL else ItemState.FAILED
            settle_items(
                request.handover,
                HandoverItem.objects.filter(pk__in=items),
                outcome,
                reason=describe(errcode),
                errcode=errcode,
                now=now,
            )
        unasked = request.items.filter(state=ItemState.REQUESTED)
        settle_items(request.handover, unasked, ItemState.FAILED, reason=NO_ADDRESS, now=now)
        Handover.objects.filter(pk=request.handover_id, state=HandoverState.RUNNING).update(
            check_at=now + FIRST_CHECK
        )
        close_if_settled(request.handover, now=now)
