"""What goes along when one record of a customer is merged into another.

Facts stay with the record they were written for and are read through ``merged_into``: orders,
coupons, interactions, history, deliveries, ended follows and tasks. What must live with whoever
stays moves: addresses, connections, tags, open tasks, refusals, and whatever was not known of them.
Both records are held (``hold_records``); nothing here is a transaction of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.actions.consent import join_consents
from contacts.actions.customers import name_keys, searched_addresses
from contacts.enums import CustomerState, FollowEnd, LossState, TaskKind, TaskState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    CustomerTag,
    Follow,
    HandoverItem,
    Identity,
    Loss,
    OwnershipPeriod,
    Staff,
    Task,
)

FILLED = ("name", "gender", "birthday", "city", "note", "time_zone")
"""What whoever stays takes over where they have nothing of their own."""

ONE_AT_A_TIME = (TaskKind.FIRST_CONTACT, TaskKind.WIN_BACK)

Moved = dict[str, list[Any]]
"""What went along, as ``Merge.moved`` keeps it: ids of rows, and names of fields."""


def hold_records(*customers: Customer, staff: Iterable[int | None] = ()) -> list[Customer]:
    """Lock these records and those merged into them, in the order of their ids; return the former.

    Nobody can hang anything on them meanwhile: the lock keeps out new references, too. The people
    around them, and ``staff``, are held first, as whoever departs is before their customers.
    """
    people = Staff.objects.select_for_update(no_key=True).filter(
        pk__in=_people_around(customers) | {pk for pk in staff if pk}
    )
    list(people.order_by("pk").values_list("pk"))
    wanted = {customer.pk for customer in customers}
    rows = Customer.objects.select_for_update().filter(Q(pk__in=wanted) | Q(merged_into__in=wanted))
    held = {row.pk: row for row in rows.order_by("pk")}
    return [held[customer.pk] for customer in customers]


def _people_around(customers: Sequence[Customer]) -> set[int]:
    follows = Follow.objects.active().filter(customer__in=customers)
    tasks = Task.objects.filter(customer__in=customers, state=TaskState.OPEN, staff__isnull=False)
    return {
        *(customer.owner_id for customer in customers if customer.owner_id),
        *follows.values_list("staff", flat=True),
        *tasks.values_list("staff", flat=True),
    }


def check_merge(gone: Customer, kept: Customer) -> None:
    """Raise ``RuleBroken`` for what cannot be merged: see ``merge_customers``."""
    if gone.pk == kept.pk:
        raise RuleBroken(_("This is one and the same record. Choose another."))
    for record in (gone, kept):
        check_free(record)


def check_free(record: Customer) -> None:
    """Raise ``RuleBroken`` for a record that is not active, or that a handover holds."""
    if record.state != CustomerState.ACTIVE:
        raise RuleBroken(_("%(name)s is no longer an active customer.") % {"name": record})
    if HandoverItem.objects.filter(customer=record, closed_at=None).exists():
        raise RuleBroken(
            _("%(name)s is in an open handover. Finish or cancel it first.") % {"name": record}
        )


def check_unchanged(seen: Customer, held: Customer) -> None:
    """Raise ``MovedOn`` if the record was merged, erased or given away since it was read."""
    if seen.state == CustomerState.ACTIVE != held.state:
        raise MovedOn(_("%(name)s has just been merged or erased.") % {"name": held})
    if seen.owner_id != held.owner_id:
        raise MovedOn(_("%(name)s has changed hands in the meantime.") % {"name": held})


def join_records(gone: Customer, kept: Customer, *, actor: Staff | None, now: datetime) -> Moved:
    """Let ``kept`` stand for both, and make a tombstone of ``gone``; return what went along.

    Both must be held, and ``check_merge`` must have passed.
    """
    moved: Moved = {
        "identities": _move_identities(gone, kept),
        "follows": move_follows(gone, kept, now=now),
        **_move_tags(gone, kept),
        **_move_tasks(gone, kept, actor=actor, now=now),
        **_fill(gone, kept),
    }
    moved |= _join_losses(gone, kept, now=now)
    join_consents(kept, gone, now=now)
    moved["records"] = _repoint(gone, kept)
    end_ownership(gone, now=now)
    Customer.objects.filter(pk=gone.pk).update(
        state=CustomerState.MERGED, merged_into=kept, owner=None
    )
    renew_keys(gone, kept)
    return moved


def _move_identities(gone: Customer, kept: Customer) -> list[int]:
    ids = list(gone.identities.order_by("pk").values_list("pk", flat=True))
    Identity.objects.filter(pk__in=ids).update(customer=kept)
    return ids


def move_follows(
    source: Customer, target: Customer, *, now: datetime
) -> list[tuple[int, int | None]]:
    """End the connections of a record and let them go on under another; return old and new ids.

    Where the other is connected with the same colleague anyway nothing new begins.
    """
    active = Follow.objects.active()
    ending = list(active.filter(customer=source).order_by("pk"))
    active.filter(customer=source).update(
        ended_at=Greatest(Value(now), F("began_at")), end_reason=FollowEnd.MERGED
    )
    theirs = set(active.filter(customer=target).values_list("staff", "channel"))
    pairs: list[tuple[int, int | None]] = []
    for old in ending:
        is_new = (old.staff_id, old.channel) not in theirs
        pairs.append((old.pk, begin_again(old, target).pk if is_new else None))
    return pairs


def begin_again(old: Follow, customer: Customer) -> Follow:
    """Let a connection go on under another record, since when it has existed."""
    return Follow.objects.create(
        staff_id=old.staff_id,
        customer=customer,
        channel=old.channel,
        add_way=old.add_way,
        came_by=old.came_by,
        remark=old.remark,
        began_at=old.began_at,
    )


def _move_tags(gone: Customer, kept: Customer) -> Moved:
    """Of an exclusive group the tag of whoever stays counts."""
    theirs = CustomerTag.objects.filter(customer=kept)
    carried = CustomerTag.objects.filter(customer=gone)
    left = carried.filter(
        Q(tag__in=theirs.values("tag"))
        | Q(exclusive_group__in=theirs.exclude(exclusive_group=None).values("exclusive_group"))
    )
    taken_off = [
        (row.tag_id, row.added_by_id, row.added_at.isoformat()) for row in left.order_by("pk")
    ]
    CustomerTag.objects.filter(pk__in=list(left.values_list("pk", flat=True))).delete()
    moving = list(carried.order_by("pk").values_list("pk", flat=True))
    CustomerTag.objects.filter(pk__in=moving).update(customer=kept)
    return {"tags": moving, "tags_left": taken_off}


def _move_tasks(gone: Customer, kept: Customer, *, actor: Staff | None, now: datetime) -> Moved:
    """What whoever answered for ``gone`` had to do is for whoever answers for ``kept``."""
    open_ones = Task.objects.filter(customer=gone, state=TaskState.OPEN)
    theirs = Task.objects.filter(customer=kept, state=TaskState.OPEN, kind__in=ONE_AT_A_TIME)
    open_ones.filter(kind__in=list(theirs.values_list("kind", flat=True))).update(
        state=TaskState.DROPPED, state_at=now, closed_by=actor
    )
    tasks = list(open_ones.order_by("pk").values_list("pk", flat=True))
    of_owner = open_ones.exclude(kind=TaskKind.DECISION).filter(staff=gone.owner_id)
    handed = list(of_owner.order_by("pk").values_list("pk", flat=True))
    Task.objects.filter(pk__in=handed).update(staff=kept.owner_id, store=kept.store_id)
    Task.objects.filter(pk__in=tasks).update(customer=kept)
    return {"tasks": tasks, "handed": handed}


def _fill(gone: Customer, kept: Customer) -> Moved:
    """Fill in what was not known of ``kept``; what stands there is never overwritten."""
    fields = [name for name in FILLED if getattr(gone, name) and not getattr(kept, name)]
    changes: dict[str, Any] = {name: getattr(gone, name) for name in fields}
    attributes = sorted(set(gone.attributes) - set(kept.attributes))
    if attributes:
        changes["attributes"] = gone.attributes | kept.attributes
    met, before = gone.last_interaction_at, kept.last_interaction_at
    is_later = met is not None and (before is None or met > before)
    if is_later:
        changes["last_interaction_at"] = met
    _write(kept, changes)
    own = [before.isoformat() if before else None] if is_later else []
    return {"fields": fields, "attributes": attributes, "met": own}


def _write(customer: Customer, changes: dict[str, Any]) -> None:
    Customer.objects.filter(pk=customer.pk).update(**changes)
    for name, value in changes.items():
        setattr(customer, name, value)


def _join_losses(gone: Customer, kept: Customer, *, now: datetime) -> Moved:
    """Nobody is lost who is connected under the other record; of two losses the later one counts.

    A loss that does not count is one of a customer who was still connected: at that time they
    were, under the other record.
    """
    lost = Loss.objects.filter(customer__in=[gone, kept], state=LossState.OPEN)
    latest = lost.order_by("-at", "-pk").first()
    if latest is None:
        return {"settled": [], "losses": []}
    if Follow.objects.active().filter(customer=kept).exists():
        settled = _keep(lost, now=now)
        Task.objects.filter(customer=kept, kind=TaskKind.WIN_BACK, state=TaskState.OPEN).update(
            state=TaskState.DROPPED, state_at=now
        )
        return {"settled": settled, "losses": []}
    settled = _keep(lost.exclude(pk=latest.pk), now=now)
    moving = [latest.pk] if latest.customer_id == gone.pk else []
    Loss.objects.filter(pk__in=moving).update(customer=kept)
    return {"settled": settled, "losses": moving}


def _keep(losses: QuerySet[Loss], *, now: datetime) -> list[int]:
    ids = list(losses.order_by("pk").values_list("pk", flat=True))
    Loss.objects.filter(pk__in=ids).update(is_last=False, state=LossState.KEPT, state_at=now)
    return ids


def _repoint(gone: Customer, kept: Customer) -> list[int]:
    """Whoever was merged into ``gone`` is merged into ``kept``: readers follow one step."""
    records = Customer.objects.filter(merged_into=gone)
    ids = list(records.order_by("pk").values_list("pk", flat=True))
    Customer.objects.filter(pk__in=ids).update(merged_into=kept)
    return ids


def end_ownership(customer: Customer, *, now: datetime) -> None:
    """End the open period of somebody who becomes a tombstone in the same transaction."""
    OwnershipPeriod.objects.filter(customer=customer, ended_at=None).update(
        ended_at=Greatest(Value(now), F("began_at"))
    )


def renew_keys(*customers: Customer) -> None:
    """Let a search find each under what they have now."""
    for customer in customers:
        keys = name_keys(customer.name, searched_addresses(customer))
        Customer.objects.filter(pk=customer.pk).update(**keys)
