"""Taking a merge apart: the record that is gone gets back what whoever stays still has of it.

What has changed since stays where it is. Both records are held (``hold_records``).
"""

from datetime import datetime
from typing import Any

from django.db.models import F, Max, Value
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from contacts.actions.consent import join_consents
from contacts.actions.losses import open_losses
from contacts.actions.merging import begin_again, check_free, renew_keys
from contacts.actions.ownership import begin_ownership
from contacts.enums import (
    CustomerState,
    FollowEnd,
    LossState,
    OwnershipReason,
    StaffState,
    TaskState,
)
from contacts.errors import MovedOn, RuleBroken
from contacts.models import (
    Customer,
    CustomerTag,
    Follow,
    Identity,
    Loss,
    Merge,
    OwnershipPeriod,
    Staff,
    Tag,
    Task,
)

_BLANK: dict[str, Any] = {"birthday": None}


def check_undo(merge: Merge, gone: Customer, kept: Customer) -> None:
    """Raise ``MovedOn`` if it is undone already, ``RuleBroken`` if whoever stayed is not there.

    That is so when they were merged onward or erased since, or a handover holds them.
    """
    if not Merge.objects.filter(pk=merge.pk, undone_at=None).exists():
        raise MovedOn(_("Someone else has just taken this merge apart."))
    check_free(kept)
    if gone.merged_into_id != kept.pk:
        raise RuleBroken(_("%(name)s has been erased since.") % {"name": gone})


def undo_time(gone: Customer, *, now: datetime) -> datetime:
    """Return when a period of ``gone`` can begin: now, or when the last one ended if that is later."""
    last: datetime | None = OwnershipPeriod.objects.filter(customer=gone).aggregate(
        last=Max("ended_at")
    )["last"]
    return max(now, last or now)


def part_records(merge: Merge, gone: Customer, kept: Customer, *, now: datetime) -> None:
    """Make ``gone`` a customer again, of whoever owned them before or else of their store's pool.

    Refusals of messages said since the merge hold for both. ``check_undo`` must have passed.
    """
    _own_again(merge, gone, now=now)
    _give_back_records(merge, gone, kept)
    Identity.objects.filter(pk__in=merge.moved["identities"], customer=kept).update(customer=gone)
    _give_back_follows(merge, gone, kept, now=now)
    _give_back_tags(merge, gone, kept)
    _give_back_tasks(merge, gone, kept)
    _take_out(merge, gone, kept)
    _part_losses(merge, gone, kept, now=now)
    join_consents(gone, kept, now=now, since=merge.at)
    renew_keys(gone, kept)


def _own_again(merge: Merge, gone: Customer, *, now: datetime) -> None:
    owners = Staff.objects.filter(pk=merge.owner_id or 0).exclude(state=StaffState.DEPARTED)
    gone.owner = owners.first()
    gone.state, gone.merged_into = CustomerState.ACTIVE, None
    Customer.objects.filter(pk=gone.pk).update(state=gone.state, merged_into=None, owner=gone.owner)
    begin_ownership(
        gone.pk,
        store_id=gone.store_id,
        staff=gone.owner,
        reason=OwnershipReason.UNMERGED,
        now=now,
    )


def _give_back_records(merge: Merge, gone: Customer, kept: Customer) -> None:
    records = Customer.objects.filter(pk__in=merge.moved["records"], merged_into=kept)
    records.update(merged_into=gone)


def _give_back_follows(merge: Merge, gone: Customer, kept: Customer, *, now: datetime) -> None:
    """Who is still connected with whoever stays is connected with ``gone`` again."""
    olds = Follow.objects.in_bulk([old for old, _new in merge.moved["follows"]])
    for old_id, new_id in merge.moved["follows"]:
        old = olds[old_id]
        theirs = Follow.objects.active().filter(
            customer=kept, staff=old.staff_id, channel=old.channel
        )
        if theirs.exists():
            theirs.filter(pk=new_id).update(
                ended_at=Greatest(Value(now), F("began_at")), end_reason=FollowEnd.MERGED
            )
            begin_again(old, gone)


def _give_back_tags(merge: Merge, gone: Customer, kept: Customer) -> None:
    moved = CustomerTag.objects.filter(pk__in=merge.moved["tags"], customer=kept)
    moved.update(customer=gone)
    left = {tag: (by, at) for tag, by, at in merge.moved["tags_left"]}
    CustomerTag.objects.bulk_create(
        [
            CustomerTag(
                customer=gone,
                tag=tag,
                exclusive_group=tag.group if tag.group.is_exclusive else None,
                added_by_id=left[tag.pk][0],
                added_at=datetime.fromisoformat(left[tag.pk][1]),
            )
            for tag in Tag.objects.filter(pk__in=left).select_related("group")
        ],
        ignore_conflicts=True,
    )


def _give_back_tasks(merge: Merge, gone: Customer, kept: Customer) -> None:
    """What is done stays done; what whoever stays has to do for it is the owner's again."""
    still_open = Task.objects.filter(
        pk__in=merge.moved["tasks"], customer=kept, state=TaskState.OPEN
    )
    tasks = list(still_open.values_list("pk", flat=True))
    still_open.filter(pk__in=merge.moved["handed"], staff=kept.owner_id).update(
        staff=gone.owner_id, store=gone.store_id
    )
    Task.objects.filter(pk__in=tasks).update(customer=gone)


def _take_out(merge: Merge, gone: Customer, kept: Customer) -> None:
    """Take out what was filled in, as far as it still stands there."""
    changes: dict[str, Any] = {
        name: _BLANK.get(name, "")
        for name in merge.moved["fields"]
        if getattr(kept, name) == getattr(gone, name)
    }
    borrowed = {
        key: gone.attributes[key] for key in merge.moved["attributes"] if key in gone.attributes
    }
    changes["attributes"] = {
        key: value
        for key, value in kept.attributes.items()
        if key not in borrowed or borrowed[key] != value
    }
    if merge.moved["met"] and kept.last_interaction_at == gone.last_interaction_at:
        before = merge.moved["met"][0]
        changes["last_interaction_at"] = datetime.fromisoformat(before) if before else None
    Customer.objects.filter(pk=kept.pk).update(**changes)
    for name, value in changes.items():
        setattr(kept, name, value)


def _part_losses(merge: Merge, gone: Customer, kept: Customer, *, now: datetime) -> None:
    """Whoever is connected with nobody any more, once the other is another, is lost again."""
    losses = Loss.objects.filter(pk__in=merge.moved["losses"], customer=kept, state=LossState.OPEN)
    losses.update(customer=gone)
    settled = Loss.objects.filter(pk__in=merge.moved["settled"], state=LossState.KEPT)
    open_losses(list(settled.values_list("customer", flat=True)), now=now)
