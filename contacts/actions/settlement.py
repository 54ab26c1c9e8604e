"""How the customers of a handover decided, and what follows from it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from connectors.wecom.api.transfers import (
    TransferResult,
    TransferState,
    resigned_transfer_result,
    transfer_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, WeComError
from contacts.actions.ownership import move_ownership
from contacts.enums import (
    Channel,
    FollowEnd,
    HandoverKind,
    HandoverState,
    IdentityKind,
    ItemState,
    OwnershipReason,
    StaffState,
)
from contacts.models import Follow, Handover, HandoverItem, Staff
from contacts.wecom import READING, wecom

CHECK_EVERY = timedelta(hours=1)
CHECK_MARGIN = timedelta(seconds=5)
RETRY = timedelta(minutes=1)

_OUTCOMES = {
    TransferState.DONE: ItemState.ACCEPTED,
    TransferState.REFUSED: ItemState.REFUSED,
    TransferState.FULL: ItemState.OVER_CAPACITY,
}


def check_handover(handover_id: int, *, now: datetime, early: bool = False) -> bool:
    """Ask the channel how the waiting customers decided, and write it down.

    Runs when the handover's ``check_at`` has come, or at once when ``early``. Returns whether
    this worker was the one to ask.
    """
    due = Q() if early else Q(check_at__lte=now)
    claimed = Handover.objects.filter(due, pk=handover_id, state=HandoverState.RUNNING).update(
        check_at=now + CHECK_EVERY
    )
    client = wecom(patience=READING)
    if not claimed or client is None:
        return False
    handover = Handover.objects.select_related("from_staff").get(pk=handover_id)
    receivers = Staff.objects.filter(
        received_items__handover=handover, received_items__state=ItemState.WAITING
    ).distinct()
    try:
        for receiver in receivers:
            _note_results(handover, receiver, list(_ask(client, handover, receiver)), now)
    except WeComError as error:
        wait = timedelta(seconds=error.retry_after) if isinstance(error, Busy) else RETRY
        _check_again(handover, now + wait, now)
        return True
    _check_again(handover, _next_check(handover, now), now)
    close_if_settled(handover, now=now)
    return True


def _ask(client: WeComClient, handover: Handover, receiver: Staff) -> Iterable[TransferResult]:
    giver = handover.from_staff.wecom_userid or ""
    taker = receiver.wecom_userid or ""
    if handover.from_staff.left_channel_at:
        return resigned_transfer_result(client, giver, taker)
    return transfer_result(client, giver, taker)


def _note_results(
    handover: Handover,
    receiver: Staff,
    results: Sequence[TransferResult],
    now: datetime,
) -> None:
    waiting = HandoverItem.objects.filter(
        handover=handover, to_staff=receiver, state=ItemState.WAITING
    )
    item_of = dict(
        waiting.filter(customer__identities__kind=IdentityKind.WECOM).values_list(
            "customer__identities__value", "pk"
        )
    )
    by_outcome: dict[ItemState, list[int]] = {}
    takeovers: dict[datetime, list[int]] = {}
    for result in results:
        item = item_of.get(result.external_user_id)
        if item is None:
            continue
        if outcome := _OUTCOMES.get(result.state):
            by_outcome.setdefault(outcome, []).append(item)
        elif result.takeover_at:
            takeovers.setdefault(result.takeover_at, []).append(item)
    with transaction.atomic():
        for at, items in takeovers.items():
            HandoverItem.objects.filter(pk__in=items).exclude(takeover_at=at).update(takeover_at=at)
        for outcome, items in by_outcome.items():
            settle_items(handover, HandoverItem.objects.filter(pk__in=items), outcome, now=now)


def _next_check(handover: Handover, now: datetime) -> datetime:
    """Hourly, or just after the next customer is taken over automatically, if that is sooner."""
    soonest = (
        handover.items.filter(state=ItemState.WAITING, takeover_at__gt=now)
        .order_by("takeover_at")
        .values_list("takeover_at", flat=True)
        .first()
    )
    hourly = now + CHECK_EVERY
    return min(hourly, soonest + CHECK_MARGIN) if soonest else hourly


def _check_again(handover: Handover, at: datetime, now: datetime) -> None:
    Handover.objects.filter(pk=handover.pk, state=HandoverState.RUNNING).update(
        check_at=max(at, now + CHECK_MARGIN)
    )


def settle_items(
    handover: Handover,
    items: QuerySet[HandoverItem],
    outcome: ItemState,
    *,
    now: datetime,
    reason: str = "",
    errcode: int | None = None,
) -> int:
    """Bring requested or waiting items to their outcome, and return how many that were.

    Accepted: the leaver's follow ends and the receiver's begins. Otherwise the customer goes
    back to where ``home_of`` says. Whoever was accepted by a receiver who has departed in the
    meantime is left for the manager to decide.
    """
    orphaned = 0
    if outcome == ItemState.ACCEPTED:
        departed = HandoverItem.objects.filter(pk__in=items, to_staff__state=StaffState.DEPARTED)
        why = _("The receiver has departed.")
        orphaned = settle_items(handover, departed, ItemState.FAILED, now=now, reason=why)
    moving = items.filter(state__in=[ItemState.REQUESTED, ItemState.WAITING])
    with transaction.atomic():
        rows = list(
            moving.select_for_update()
            .order_by("pk")
            .values_list("pk", "customer_id", "to_staff_id")
        )
        if not rows:
            return orphaned
        closed = now if outcome == ItemState.ACCEPTED else None
        HandoverItem.objects.filter(pk__in=[row[0] for row in rows]).update(
            state=outcome, state_at=now, closed_at=closed, reason=reason[:200], errcode=errcode
        )
        if outcome == ItemState.ACCEPTED:
            _pass_on_follows(handover, [(row[1], row[2]) for row in rows], now)
        else:
            back_to = home_of(handover)
            move_ownership(
                [(row[1], back_to) for row in rows],
                reason=OwnershipReason.RETURNED,
                now=now,
                handover=handover,
            )
    return orphaned + len(rows)


def home_of(handover: Handover) -> int | None:
    """Return who answers for customers that do not change hands; ``None`` is their store's pool.

    The colleague who hands over, while they work here. Call it in the transaction that moves
    the customers back: the colleague cannot depart before that has ended.
    """
    if handover.kind == HandoverKind.DEPARTURE:
        return None
    giver = Staff.objects.select_for_update(no_key=True).get(pk=handover.from_staff_id)
    return giver.pk if giver.is_employed else None


def _pass_on_follows(
    handover: Handover, pairs: Sequence[tuple[int, int | None]], now: datetime
) -> None:
    Follow.objects.active().filter(
        staff=handover.from_staff_id, customer__in=[customer for customer, _ in pairs]
    ).update(ended_at=now, end_reason=FollowEnd.TRANSFERRED)
    Follow.objects.bulk_create(
        [
            Follow(
                staff_id=staff,
                customer_id=customer,
                channel=Channel.WECOM,
                came_by=f"handover-{handover.pk}",
                began_at=now,
            )
            for customer, staff in pairs
            if staff
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


def close_if_settled(handover: Handover, *, now: datetime) -> None:
    """Close the handover once every item is accepted or cancelled."""
    if not handover.items.filter(closed_at=None).exists():
        Handover.objects.filter(pk=handover.pk, state=HandoverState.RUNNING).update(
            state=HandoverState.DONE, closed_at=now, check_at=None
        )


def note_transfer_failed(taker: str, address: str, fail_reason: str, *, now: datetime) -> bool:
    """Settle the item that a ``transfer_fail`` callback is about; it names no handover.

    Returns whether an open item of this receiver and customer was found.
    """
    outcomes = {
        "customer_refused": ItemState.REFUSED,
        "customer_limit_exceed": ItemState.OVER_CAPACITY,
    }
    item = (
        HandoverItem.objects.select_related("handover__from_staff")
        .filter(
            to_staff__wecom_userid=taker,
            customer__identities__kind=IdentityKind.WECOM,
            customer__identities__value=address,
            state__in=[ItemState.REQUESTED, ItemState.WAITING],
        )
        .first()
    )
    if item is None:
        return False
    outcome = outcomes.get(fail_reason, ItemState.FAILED)
    settle_items(
        item.handover, HandoverItem.objects.filter(pk=item.pk), outcome, reason=fail_reason, now=now
    )
    return True
