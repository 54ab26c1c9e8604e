"""Planning, starting and ending a handover. What the channel is asked is in ``transfers``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.actions.chats import (
    chats_are_settled,
    close_chats,
    deal_chats,
    take_chats_along,
)
from contacts.actions.closing import decided
from contacts.actions.dealing import deal_out
from contacts.actions.history import record
from contacts.actions.losses import hold_customers, record_losses
from contacts.actions.moving import move_on
from contacts.actions.notices import notify
from contacts.actions.offers import note_not_given_back
from contacts.actions.ownership import move_ownership
from contacts.actions.receivers import check_receivers, locked_receivers
from contacts.actions.selecting import EVERY_CUSTOMER, Selection, take_in
from contacts.actions.settlement import home_of
from contacts.actions.sharing import Strategy, share_out
from contacts.enums import (
    FollowEnd,
    HandoverKind,
    HandoverState,
    ItemState,
    LossKind,
    NoticeKind,
    OwnershipReason,
    RequestState,
    UndoNote,
)
from contacts.errors import MovedOn, RuleBroken, broken_constraint
from contacts.models import (
    Customer,
    Follow,
    Handover,
    HandoverItem,
    OwnershipPeriod,
    Staff,
    Store,
)
from contacts.plan_steps import EVERYBODY, Step
from contacts.promises import check_promise

RETRYABLE = (ItemState.REFUSED, ItemState.OVER_CAPACITY, ItemState.FAILED)
"""Items that may be offered to somebody else while the handover is open."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many customers of a plan one receiver gets; without a receiver, how many rest in the pool."""

    staff: Staff | None
    customers: int


def plan_handover(
    from_staff: Staff,
    *,
    kind: HandoverKind,
    actor: Staff | None,
    now: datetime,
    select: Selection = EVERY_CUSTOMER,
    with_chats: bool = False,
) -> Handover:
    """Plan to hand over those whom a working colleague owns, all or some; nothing moves yet.

    Their group chats stay theirs unless the handover is ``with_chats``. A departure plans its own
    handover (``depart_staff``). For somebody who has departed this plans once more those who still
    rest in the pool and the chats that still wait for owners, whatever ``kind`` says. Raises
    ``RuleBroken`` if there is nobody, or some of the customers are in another open handover.
    """
    if not from_staff.is_employed:
        kind = HandoverKind.DEPARTURE
    store = from_staff.store or Store.objects.order_by("id")[0]
    try:
        with transaction.atomic():
            # Whom somebody claims out of the pool at this moment is not taken in as well.
            Staff.objects.select_for_update(no_key=True).get(pk=from_staff.pk)
            handover = Handover.objects.create(
                from_staff=from_staff,
                store=store,
                planned_by=actor,
                kind=kind,
                size=0,
                planned_at=now,
            )
            chosen = select.of(customers_to_hand_over(from_staff))
            handover.size = take_in(handover, chosen, now=now)
            takes_chats = with_chats or not from_staff.is_employed
            chats = take_chats_along(handover, now=now) if takes_chats else 0
            if not (handover.size or chats):
                raise RuleBroken(_nobody_to_hand_over(from_staff, select))
            handover.save(update_fields=["size"])
            record(handover, "handover.planned", actor=actor, at=now, data={"size": handover.size})
    except IntegrityError as error:
        if broken_constraint(error) not in {
            "handover_item_one_open_per_customer",
            "handover_one_plan_per_person",
            "chat_item_one_open",
        }:
            raise
        raise RuleBroken(
            _("Customers of %(name)s are in another open handover. Finish or cancel it first.")
            % {"name": from_staff.name}
        ) from error
    return handover


def _nobody_to_hand_over(staff: Staff, select: Selection) -> str:
    if select == EVERY_CUSTOMER or not customers_to_hand_over(staff).exists():
        return _("%(name)s answers for no customers.") % {"name": staff.name}
    return _("None of the customers of %(name)s is like that. Choose others.") % {
        "name": staff.name
    }


def customers_to_hand_over(staff: Staff) -> QuerySet[Customer]:
    """Return whom a person owns or, once departed, whom they left behind in the pool."""
    if staff.is_employed:
        return Customer.objects.filter(owner=staff)
    in_the_pool = Customer.objects.active().filter(owner=None)
    left_behind = OwnershipPeriod.objects.filter(ended_at=None, handover__from_staff=staff)
    in_a_handover = HandoverItem.objects.filter(closed_at=None)
    return in_the_pool.filter(pk__in=left_behind.values("customer")).exclude(
        pk__in=in_a_handover.values("customer")
    )


def propose_receivers(
    handover: Handover,
    receivers: Sequence[Staff],
    *,
    strategy: Strategy,
    actor: Staff | None,
    now: datetime,
) -> list[Share]:
    """Spread the plan's customers over these colleagues, and return the shares: a plan of one step.

    The most recently met customers are dealt out first, so that everyone gets a fair part of
    them. May be called again until the handover starts; the last proposal holds.
    """
    check_receivers(handover, receivers)
    step = Step(EVERYBODY, tuple(staff.pk for staff in receivers), strategy)
    with transaction.atomic():
        locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
        if locked.state != HandoverState.PLANNED:
            raise MovedOn(_("This handover has already been started or cancelled."))
        deal_out(locked, [step], now=now, keep_moves=False)
        Handover.objects.filter(pk=handover.pk).update(steps=[step.as_json()])
        record(
            handover,
            "handover.proposed",
            actor=actor,
            at=now,
            data={"receivers": [staff.pk for staff in receivers], "strategy": strategy.value},
        )
    return plan_shares(handover)


def plan_shares(handover: Handover) -> list[Share]:
    """Return how the plan spreads its customers, receivers in name order, the pool last."""
    counts = dict(
        HandoverItem.objects.filter(handover=handover, state=ItemState.PLANNED)
        .values_list("to_staff")
        .annotate(Count("pk"))
    )
    staff = Staff.objects.filter(pk__in=[pk for pk in counts if pk]).order_by("name_key", "id")
    shares = [Share(person, counts[person.pk]) for person in staff]
    return [*shares, Share(None, counts[None])] if counts.get(None) else shares


def start_handover(
    handover: Handover,
    *,
    actor: Staff | None,
    now: datetime,
    customer_message: str = "",
    fingerprint: str | None = None,
) -> None:
    """Start the handover: receivers answer for their customers from now on, provisionally.

    Customers whom the channel connects with the leaver are asked for in requests of at most
    100; the others are settled at once; those without a receiver rest in the pool. Raises
    ``MovedOn`` if somebody started or cancelled it first, or the preview that is promised by
    ``fingerprint`` holds no more; ``RuleBroken`` if a receiver can no longer take customers or
    nobody has been proposed.
    """
    receivers = receivers_of(handover)
    if not receivers:
        raise RuleBroken(_("Propose who takes these customers before starting the handover."))
    with transaction.atomic():
        check_receivers(handover, locked_receivers(handover, receivers))
        check_promise(handover, fingerprint)
        moved = Handover.objects.filter(pk=handover.pk, state=HandoverState.PLANNED).update(
            state=HandoverState.RUNNING,
            started_at=now,
            customer_message=customer_message,
        )
        if not moved:
            raise MovedOn(_("Someone else has just started or cancelled this handover."))
        handover.refresh_from_db()
        HandoverItem.objects.filter(
            handover=handover, state=ItemState.PLANNED, to_staff=None
        ).update(state=ItemState.CANCELLED, state_at=now, closed_at=now, reason="pool")
        _tell_receivers(handover, now=now)
        deal_chats(handover, receivers, now=now)
        move_on(handover, now=now)
        record(handover, "handover.started", actor=actor, at=now)


def _tell_receivers(handover: Handover, *, now: datetime) -> None:
    for share in plan_shares(handover):
        if share.staff:
            notify(
                [share.staff.pk],
                NoticeKind.HANDED_OVER,
                key=f"handover-{handover.pk}",
                now=now,
                handover=handover,
                about=handover.from_staff,
                data={"customers": share.customers},
            )


def receivers_of(handover: Handover) -> list[Staff]:
    """Return who gets customers of a plan or, where it has only group chats, whom its steps name."""
    getting = Staff.objects.filter(received_items__handover=handover).distinct()
    if receivers := list(getting.order_by("pk")):
        return receivers
    if not handover.chats.filter(state=ItemState.PLANNED).exists():
        return []
    steps = Handover.objects.values_list("steps", flat=True).get(pk=handover.pk)
    named = {pk for step in steps for pk in step.get("receivers", [])}
    return list(Staff.objects.filter(pk__in=named).order_by("pk"))


def reassign_items(
    handover: Handover,
    item_ids: Sequence[int],
    receivers: Sequence[Staff],
    *,
    actor: Staff | None,
    now: datetime,
) -> int:
    """Offer refused, over-capacity and failed customers to other colleagues; returns how many.

    Items that are on their way or settled are left alone. Raises ``RuleBroken`` if none of the
    items can be offered again, or a receiver cannot take customers; ``MovedOn`` if the handover
    is over.
    """
    with transaction.atomic():
        check_receivers(handover, locked_receivers(handover, receivers))
        locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
        if locked.state != HandoverState.RUNNING:
            raise MovedOn(_("This handover is not running any more."))
        items = list(
            HandoverItem.objects.select_for_update()
            .filter(handover=handover, pk__in=item_ids, state__in=RETRYABLE, closed_at=None)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        if not items:
            raise RuleBroken(_("None of these customers waits for another colleague."))
        HandoverItem.objects.filter(pk__in=items).update(
            state=ItemState.PLANNED, state_at=now, request=None, slot=None, takeover_at=None
        )
        _assign(items, receivers, Strategy.EVENLY)
        move_on(handover, now=now)
        record(handover, "handover.reassigned", actor=actor, at=now, data={"customers": len(items)})
    return len(items)


def finish_handover(handover: Handover, *, actor: Staff | None, now: datetime) -> None:
    """Let what nobody accepted rest in the pool, and close the handover.

    Raises ``RuleBroken`` while customers are still on their way.
    """
    moving = (ItemState.PLANNED, ItemState.REQUESTED, ItemState.WAITING)
    with transaction.atomic():
        locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
        if locked.state != HandoverState.RUNNING:
            raise MovedOn(_("This handover is not running any more."))
        if locked.items.filter(state__in=moving).exists():
            raise RuleBroken(
                _("Some customers have not answered yet. Wait, or re-assign them later.")
            )
        if locked.chats.filter(state=ItemState.REQUESTED).exists():
            raise RuleBroken(_("WeCom is moving group chats right now. Try again in a minute."))
        close_chats(locked, now=now)
        left = locked.items.filter(closed_at=None)
        _end_follows_of(left, locked, now)
        rest = left.update(closed_at=now)
        Handover.objects.filter(pk=handover.pk).update(
            state=HandoverState.DONE, closed_at=now, check_at=None
        )
        decided(handover, now=now)
        record(handover, "handover.finished", actor=actor, at=now, data={"pool": rest})
    handover.refresh_from_db()


def cancel_handover(handover: Handover, *, actor: Staff | None, now: datetime) -> int:
    """Undo what the channel has not been asked yet, and return how many customers that is.

    A plan is cancelled whole. Of a running handover the requests that were not made are
    withdrawn: their customers go back to the pool, or to the colleague who keeps working. Whom
    the channel had been asked about before is as lost as when the handover is finished.
    """
    with transaction.atomic():
        back_to = home_of(handover)
        locked = Handover.objects.select_for_update(no_key=True).get(pk=handover.pk)
        if locked.state not in {HandoverState.PLANNED, HandoverState.RUNNING}:
            raise MovedOn(_("This handover has already ended."))
        withdrawn = locked.requests.filter(state=RequestState.PREPARED)
        stopped = list(withdrawn.select_for_update().values_list("pk", flat=True))
        items = locked.items.filter(state=ItemState.PLANNED) | locked.items.filter(
            state=ItemState.REQUESTED, request__in=stopped
        )
        customers = list(items.values_list("customer_id", flat=True))
        if locked.state == HandoverState.RUNNING:
            _end_follows_of(items.filter(tries__gt=1), locked, now)
            move_ownership(
                [(pk, back_to) for pk in customers],
                reason=OwnershipReason.RETURNED,
                now=now,
                handover=locked,
            )
        note_not_given_back(locked, list(items.values_list("pk", flat=True)), UndoNote.CALLED_OFF)
        locked.items.filter(customer_id__in=customers, closed_at=None).update(
            state=ItemState.CANCELLED, state_at=now, closed_at=now
        )
        close_chats(locked, now=now)
        locked.requests.filter(pk__in=stopped).update(state=RequestState.REFUSED, error="cancelled")
        if not locked.items.filter(closed_at=None).exists() and chats_are_settled(locked):
            Handover.objects.filter(pk=locked.pk).update(
                state=HandoverState.CANCELLED, closed_at=now, check_at=None
            )
            decided(locked, now=now)
        record(
            locked, "handover.cancelled", actor=actor, at=now, data={"customers": len(customers)}
        )
    handover.refresh_from_db()
    return len(customers)


def _assign(items: Sequence[int], receivers: Sequence[Staff], strategy: Strategy) -> None:
    owned = dict(
        Customer.objects.filter(owner__in=receivers).values_list("owner").annotate(Count("pk"))
    )
    rooms = [max(0, staff.capacity - owned.get(staff.pk, 0)) for staff in receivers]
    dealt = share_out(len(items), [staff.pk for staff in receivers], rooms, strategy)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE contacts_handoveritem AS item SET to_staff_id = dealt.staff_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS dealt (item_id, staff_id)
            WHERE item.id = dealt.item_id
            """,
            [list(items), dealt],
        )


def _end_follows_of(items: QuerySet[HandoverItem], handover: Handover, now: datetime) -> None:
    """The connections of somebody who has left end with the handover; a working colleague's do not.

    That is a loss of each of these customers.
    """
    if handover.kind != HandoverKind.DEPARTURE and handover.from_staff.is_employed:
        return
    customers = list(items.values_list("customer", flat=True))
    hold_customers(customers)
    ending = Follow.objects.active().filter(staff=handover.from_staff_id, customer__in=customers)
    follows = list(ending.values_list("pk", flat=True))
    # WeCom's clock, which dates the beginnings, may be ahead of ours.
    ending.update(ended_at=Greatest("began_at", now), end_reason=FollowEnd.LOST)
    record_losses(follows, LossKind.ON_HANDOVER, now=now)
