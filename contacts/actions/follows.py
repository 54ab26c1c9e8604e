"""Follows: a customer is added, a customer is gone."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q

from contacts.actions.customers import (
    Address,
    Profile,
    find_customer,
    find_or_create_customer,
    tag_customer,
)
from contacts.actions.erased_addresses import let_back_in
from contacts.actions.history import record
from contacts.actions.losses import LOSING, hold_customers, record_losses, win_back
from contacts.actions.ownership import move_ownership
from contacts.enums import (
    Channel,
    CustomerState,
    FollowEnd,
    IdentityKind,
    LossKind,
    OwnershipReason,
)
from contacts.errors import broken_constraint
from contacts.models import ContactCode, Customer, Follow, HandoverItem, Loss, Staff, Store


def begin_follow(
    staff: Staff,
    address: str,
    *,
    profile: Profile,
    now: datetime,
    add_way: int = 0,
    code: ContactCode | None = None,
    came_by: str = "",
    began_at: datetime | None = None,
) -> Follow:
    """Connect a person of the channel with a staff member, creating the customer if new.

    A new customer, and one who rests in a pool without a handover under way, is owned by the
    staff member from now on; one whom a colleague answers for stays with the colleague. If the
    staff member has departed meanwhile the customer goes to the pool of the store instead. A
    follow that exists is returned as it is, so a repeated call changes nothing; so is one that has
    ended since ``began_at``: the news is older than the end. Who had been lost is won back.

    Somebody who was erased is a new customer if they came by themselves since, which ``began_at``
    tells; otherwise ``WasErased`` is raised.
    """
    store = _store_of(staff, code)
    with transaction.atomic():
        let_back_in([Address(IdentityKind.WECOM, address)], began_at=began_at)
        owner = staff if staff.is_employed else None
        customer, created = _take_in(address, profile, store, owner, now)
        if not created:
            customer = _held(customer)
        follow = _open_follow(staff, customer, add_way, came_by, began_at or now)
        if not created:
            _adopt_from_pool(customer, staff, now)
            win_back([customer.pk], now=now)
        if created:
            record(
                customer,
                "customer.added",
                actor=None,
                at=now,
                data={"staff": staff.pk},
                source="wecom",
            )
        if code and customer.state == CustomerState.ACTIVE:
            tags = code.tags.select_related("group")
            tag_customer(customer, tags, actor=None, now=now, source=f"code:{code.state}")
    return follow


def _store_of(staff: Staff, code: ContactCode | None) -> Store:
    if staff.store:
        return staff.store
    if code:
        return code.store
    return Store.objects.order_by("id")[0]


def _take_in(
    address: str, profile: Profile, store: Store, owner: Staff | None, now: datetime
) -> tuple[Customer, bool]:
    """Find or create; when the owner departs in the same moment, the pool of the store takes over."""
    try:
        with transaction.atomic():
            return find_or_create_customer(
                IdentityKind.WECOM, address, profile=profile, store=store, staff=owner, now=now
            )
    except IntegrityError as error:
        if broken_constraint(error) != "customer_owner_is_employed":
            raise
    return find_or_create_customer(
        IdentityKind.WECOM, address, profile=profile, store=store, staff=None, now=now
    )


def _held(customer: Customer) -> Customer:
    """Hold the customer as they are now: meanwhile they may have been merged into another."""
    while True:
        hold_customers([customer.pk])
        fresh = Customer.objects.select_related("merged_into").get(pk=customer.pk)
        if fresh.merged_into is None:
            return fresh
        customer = fresh.merged_into


def _open_follow(
    staff: Staff, customer: Customer, add_way: int, came_by: str, began_at: datetime
) -> Follow:
    """Begin the follow, unless it has begun already or has ended since ``began_at``."""
    between = Follow.objects.filter(staff=staff, customer=customer, channel=Channel.WECOM)
    over = between.filter(ended_at__gte=began_at).order_by("-ended_at").first()
    if over:
        return over
    try:
        with transaction.atomic():
            return Follow.objects.create(
                staff=staff,
                customer=customer,
                channel=Channel.WECOM,
                add_way=add_way,
                came_by=came_by,
                began_at=began_at,
            )
    except IntegrityError as error:
        if broken_constraint(error) != "follow_one_active_per_pair":
            raise
    active = between.filter(ended_at=None)
    active.filter(began_at__lt=began_at).update(began_at=began_at)  # news of an older end is stale
    return active.get()


def _adopt_from_pool(customer: Customer, staff: Staff, now: datetime) -> None:
    """Let the staff member answer for a pooled customer, unless somebody else is about to."""
    if customer.owner_id or not staff.is_employed or customer.state != CustomerState.ACTIVE:
        return
    locked = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if locked.owner_id or HandoverItem.objects.filter(customer=customer, closed_at=None).exists():
        return
    try:
        with transaction.atomic():
            move_ownership([(customer.pk, staff.pk)], reason=OwnershipReason.ADDED, now=now)
    except IntegrityError as error:
        if broken_constraint(error) != "customer_owner_is_employed":
            raise
    else:
        customer.owner = staff


def end_follow(
    staff: Staff, address: str, *, reason: FollowEnd, at: datetime, now: datetime | None = None
) -> bool:
    """End the follow between the two, as of ``at``; returns whether such a follow is known.

    A follow that began after ``at`` is a later one and goes on. The customer keeps their owner; a
    removal is written down as a loss, known since ``now``: the channel's clock may be another. A
    follow that a comparison did not find any more learns who has removed whom.
    """
    customer = find_customer(IdentityKind.WECOM, address)
    if customer is None:
        return False
    with transaction.atomic():
        customer = _held(customer)
        between = Follow.objects.filter(staff=staff, customer=customer, channel=Channel.WECOM)
        follow = between.select_for_update().filter(ended_at=None, began_at__lte=at).first()
        if follow is None:
            then = between.filter(began_at__lte=at, ended_at__gte=at)
            if kind := LOSING.get(reason):
                then.filter(end_reason=FollowEnd.MISSING).update(end_reason=reason)
                Loss.objects.filter(follow__in=then, kind=LossKind.UNKNOWN).update(kind=kind)
            return between.filter(Q(ended_at__gte=at) | Q(began_at__gt=at)).exists()
        follow.ended_at = at
        follow.end_reason = reason
        follow.save(update_fields=["ended_at", "end_reason"])
        if kind := LOSING.get(reason):
            record_losses([follow.pk], kind, now=now or at)
        record(
            customer,
            "follow.ended",
            actor=None,
            at=at,
            data={"staff": staff.pk, "reason": reason.value},
            source="wecom",
        )
    return True
