"""How the customers of a handover decided, and what follows from it."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Greatest
from django.utils.translation import gettext_noop

from connectors.wecom.api.transfers import (
    TransferResult,
    TransferState,
    resigned_transfer_result,
    transfer_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, ConfigProblem, Refused, WeComError
from contacts import tasks
from contacts.actions.closing import close_if_settled, note_settled
from contacts.actions.departures import hand_on_late
from contacts.actions.losses import LOSING, hold_customers, open_losses, win_back
from contacts.actions.offers import (
    RECEIVER_DEPARTED,
    another_may_get,
    ask_for_decision,
    note_not_given_back,
    offer_again,
)
from contacts.actions.ownership import move_ownership
from contacts.actions.tasks import add_first_contacts
from contacts.doorbell import ring
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
from contacts.models import Follow, Handover, HandoverItem, HandoverRequest, Staff
from contacts.wecom import READING, wecom

CHECK_EVERY = timedelta(hours=1)
CHECK_MARGIN = timedelta(seconds=5)
CHECK_LEASE = timedelta(minutes=5)
RETRY = timedelta(minutes=1)
PART = 500
WHILE_WAITING = 1000
"""Settling so many takes some seconds, which a person may be kept waiting for."""

GIVE_UP = timedelta(hours=26)
"""A customer is taken over within a day; of whom WeCom knows nothing by now, it never will."""

GIVE_UP_DEPARTED = timedelta(minutes=5)
"""The same for a receiver who has departed, with whom WeCom may have ended what was under way."""

_POOLED = """
SELECT id, owner_id IS NULL AND state = 'active' FROM contacts_customer WHERE id = ANY(%s)
"""

MOVING = (ItemState.REQUESTED, ItemState.WAITING)
NO_ANSWER = gettext_noop("WeCom knows of no transfer of this customer.")

_OUTCOMES = {
    TransferState.DONE: ItemState.ACCEPTED,
    TransferState.REFUSED: ItemState.REFUSED,
    TransferState.FULL: ItemState.OVER_CAPACITY,
}
_KNOWN = frozenset({*_OUTCOMES, TransferState.WAITING})


def check_handover(handover_id: int, *, now: datetime, early: bool = False) -> bool:
    """Ask the channel how the waiting customers decided, and write it down.

    Runs when the handover's ``check_at`` has come, or at once when ``early``. What cannot be
    asked about one receiver is asked again soon, and keeps nobody else waiting. Returns whether
    this worker was the one to ask.
    """
    due = Q() if early else Q(check_at__lte=now)
    claimed = Handover.objects.filter(due, pk=handover_id, state=HandoverState.RUNNING).update(
        check_at=now + CHECK_LEASE  # should this worker die, the next one asks then
    )
    client = wecom(patience=0 if early else READING)  # somebody waits for the early answer
    if not claimed or client is None:
        return False
    handover = Handover.objects.select_related("from_staff").get(pk=handover_id)
    receivers = Staff.objects.filter(
        received_items__handover=handover, received_items__state=ItemState.WAITING
    ).distinct()
    again = []
    for receiver in receivers:
        try:
            results = _ask(client, handover, receiver)
        except WeComError as error:
            again.append(now + _pause_after(error))
        else:
            _note_results(handover, receiver, results, now)
    _check_again(handover, min([_next_check(handover, now), *again]), now)
    close_if_settled(handover, now=now)
    return True


def ask_now(handover: Handover, *, now: datetime) -> bool:
    """Have the channel asked because somebody is waiting; returns whether there was anything to ask.

    That is done at once for at most ``WHILE_WAITING`` customers, else by a worker.
    """
    running = Handover.objects.filter(pk=handover.pk, state=HandoverState.RUNNING)
    if handover.items.filter(state=ItemState.WAITING).count() <= WHILE_WAITING or not wecom():
        return check_handover(handover.pk, now=now, early=True)
    ring(tasks.check_handover, handover.pk)
    return bool(running.update(check_at=now))


def _ask(client: WeComClient, handover: Handover, receiver: Staff) -> list[TransferResult]:
    """Return what the channel says about each customer; nothing where it will not tell.

    A transfer is answered for where it was asked for, whatever its giver has done since then. A
    leaver's results are the newer ones and go before those on the job.
    """
    giver = handover.from_staff.wecom_userid or ""
    taker = receiver.wecom_userid or ""
    asked = HandoverRequest.objects.filter(
        handover=handover, to_staff=receiver, items__state=ItemState.WAITING
    )
    results: dict[str, TransferResult] = {}
    for as_leaver in sorted(set(asked.values_list("as_leaver", flat=True)), key=bool):
        ask = resigned_transfer_result if as_leaver else transfer_result
        with suppress(Refused):
            known = (row for row in ask(client, giver, taker) if row.state in _KNOWN)
            results |= {row.external_user_id: row for row in known}
    return list(results.values())


def _pause_after(error: WeComError) -> timedelta:
    if isinstance(error, Busy | ConfigProblem):
        return timedelta(seconds=error.retry_after)
    return RETRY


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
    settled: dict[ItemState, list[int]] = {}
    under_way: list[int] = []
    takeovers: dict[datetime, list[int]] = {}
    for result in results:
        item = item_of.get(result.external_user_id)
        if item is None:
            continue
        if outcome := _OUTCOMES.get(result.state):
            settled.setdefault(outcome, []).append(item)
            continue
        under_way.append(item)
        if result.takeover_at:
            takeovers.setdefault(result.takeover_at, []).append(item)
    for at, items in takeovers.items():
        waiting.filter(pk__in=items).exclude(takeover_at=at).update(takeover_at=at)
    for outcome, items in settled.items():
        _settle_in_parts(handover, items, outcome, now=now)
    _give_up(handover, receiver, waiting.exclude(pk__in=under_way), now)


def _give_up(
    handover: Handover, receiver: Staff, unheard: QuerySet[HandoverItem], now: datetime
) -> None:
    departed = receiver.state == StaffState.DEPARTED
    since = now - (GIVE_UP_DEPARTED if departed else GIVE_UP)
    silent = list(unheard.filter(state_at__lt=since).values_list("pk", flat=True))
    reason = RECEIVER_DEPARTED if departed else NO_ANSWER
    _settle_in_parts(handover, silent, ItemState.FAILED, reason=reason, now=now)


def _settle_in_parts(
    handover: Handover,
    items: Sequence[int],
    outcome: ItemState,
    *,
    now: datetime,
    reason: str = "",
) -> None:
    """Settle a few hundred in a transaction, so that nobody waits long for their rows."""
    for start in range(0, len(items), PART):
        part = HandoverItem.objects.filter(pk__in=items[start : start + PART])
        settle_items(handover, part, outcome, now=now, reason=reason)


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

    Accepted: the leaver's follow ends and the receiver's begins. If the receiver has departed
    in the meantime, the customer is in the plan of the receiver's own handover from now on.
    Otherwise the customer goes back to where ``home_of`` says.
    """
    moving = items.filter(state__in=MOVING)
    with transaction.atomic():
        hold(handover, moving.order_by().values_list("to_staff", flat=True).distinct())
        rows = list(
            moving.select_for_update()
            .order_by("pk")
            .values_list("pk", "customer_id", "to_staff_id")
        )
        if not rows:
            return 0
        closed = now if outcome == ItemState.ACCEPTED else None
        HandoverItem.objects.filter(pk__in=[row[0] for row in rows]).update(
            state=outcome, state_at=now, closed_at=closed, reason=reason[:200], errcode=errcode
        )
        if outcome == ItemState.ACCEPTED:
            pairs = [(customer, staff) for _, customer, staff in rows if staff]
            _pass_on_follows(handover, pairs, now)
            _place_pooled(handover, pairs, now)
            if handover.kind != HandoverKind.UNDO:
                add_first_contacts(pairs, handover=handover, now=now)
        else:
            back_to = home_of(handover)
            move_ownership(
                [(row[1], back_to) for row in rows],
                reason=OwnershipReason.RETURNED,
                now=now,
                handover=handover,
            )
            _go_on_without(handover, [row[0] for row in rows], outcome, errcode, reason, now)
        note_settled(handover, outcome, len(rows), now=now)
    return len(rows)


def _go_on_without(
    handover: Handover,
    items: list[int],
    outcome: ItemState,
    errcode: int | None,
    reason: str,
    now: datetime,
) -> None:
    """Offer customers who stay to somebody else, or leave them to the manager's decision."""
    note_not_given_back(handover, items)
    if another_may_get(outcome, errcode, reason):
        offer_again(handover, items, now=now)
    else:
        ask_for_decision(handover, now=now)


def hold(handover: Handover, receivers: Iterable[int | None]) -> bool:
    """Let neither the giver nor these receivers depart before the transaction ends.

    Returns whether the handover runs; it cannot be cancelled or finished meanwhile. Everywhere
    locks are taken in this order: staff by key, handover, items by key, customers by key.
    """
    involved = {handover.from_staff_id, *filter(None, receivers)}
    people = Staff.objects.select_for_update(no_key=True).filter(pk__in=involved)
    list(people.order_by("pk").values_list("pk"))
    held = Handover.objects.select_for_update(no_key=True).filter(pk=handover.pk)
    return held.values_list("state", flat=True).get() == HandoverState.RUNNING


def home_of(handover: Handover) -> int | None:
    """Return who answers for customers that do not change hands; ``None`` is their store's pool.

    The colleague who hands over, while they work here. Call it in the transaction that moves
    the customers back: the colleague cannot depart before that has ended.
    """
    if handover.kind == HandoverKind.DEPARTURE:
        return None
    giver = Staff.objects.select_for_update(no_key=True).get(pk=handover.from_staff_id)
    return giver.pk if giver.is_employed else None


def _place_pooled(handover: Handover, pairs: Collection[tuple[int, int]], now: datetime) -> None:
    """Whoever rests in the pool although accepted does so because the receiver has departed.

    The receiver may have come back, and answers for them then.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POOLED, [[customer for customer, _ in pairs]])
        pooled = {customer for customer, rests in cursor.fetchall() if rests}
    got: dict[int, list[int]] = {}
    for customer, staff in pairs:
        if customer in pooled:
            got.setdefault(staff, []).append(customer)
    for receiver in Staff.objects.filter(pk__in=got).order_by("pk"):
        customers = got[receiver.pk]
        if receiver.is_employed:
            moves = [(customer, receiver.pk) for customer in customers]
            move_ownership(moves, reason=OwnershipReason.HANDOVER, now=now, handover=handover)
        else:
            hand_on_late(receiver, customers, now=now)


def _pass_on_follows(handover: Handover, pairs: Collection[tuple[int, int]], now: datetime) -> None:
    """End the giver's connections and begin the receivers'.

    Whoever has removed the receiver again before the channel was asked is not connected, but lost.
    """
    customers = [customer for customer, _ in pairs]
    hold_customers(customers)
    Follow.objects.active().filter(staff=handover.from_staff_id, customer__in=customers).update(
        ended_at=Greatest("began_at", now),  # WeCom's clock, which dates beginnings, may be ahead
        end_reason=FollowEnd.TRANSFERRED,
    )
    over = _over_again(handover, pairs)
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
            if (customer, staff) not in over
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    win_back(customers, now=now)
    if over:
        open_losses([customer for customer, _ in over], now=now)


def _over_again(handover: Handover, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the pairs whose connection the channel began in this handover, and which was removed."""
    removed = Follow.objects.filter(
        customer__in=[customer for customer, _ in pairs],
        staff__in={staff for _, staff in pairs},
        channel=Channel.WECOM,
        began_at__gte=handover.started_at,
        end_reason__in=LOSING,
    )
    return set(pairs) & set(removed.values_list("customer", "staff"))


def note_transfer_failed(taker: str, address: str, fail_reason: str, *, now: datetime) -> bool:
    """Settle the item that a ``transfer_fail`` callback is about; it names no handover.

    Returns whether the receiver was ever to get the customer: what has been settled by a result
    already stays as it is.
    """
    outcomes = {
        "customer_refused": ItemState.REFUSED,
        "customer_limit_exceed": ItemState.OVER_CAPACITY,
    }
    items = HandoverItem.objects.filter(
        customer__identities__kind=IdentityKind.WECOM, customer__identities__value=address
    )
    moving = items.filter(to_staff__wecom_userid__iexact=taker, state__in=MOVING)
    item = moving.select_related("handover__from_staff").first()
    if item is None:
        receivers = Staff.objects.filter(wecom_userid__iexact=taker).values_list("pk", flat=True)
        asked = Q(to_staff__in=receivers) | Q(tried__overlap=list(receivers))
        return items.filter(asked).exists()
    outcome = outcomes.get(fail_reason, ItemState.FAILED)
    why = "" if fail_reason in outcomes else fail_reason  # the state says the others in words
    settle_items(
        item.handover, HandoverItem.objects.filter(pk=item.pk), outcome, reason=why, now=now
    )
    return True
