"""Merging customers who are found to be one person, and taking a merge apart.

What goes along: ``contacts.actions.merging``, and ``campaigns.actions.merging`` for lists and
messages. Whose rows stay where they are is read through ``merged_into``, one step.
"""

from datetime import datetime

from django.db import transaction

from campaigns.actions.merging import (
    give_lists_back,
    give_messages_back,
    hold_messages,
    pass_lists,
    pass_messages,
)
from contacts.actions.history import record
from contacts.actions.merging import check_merge, check_unchanged, hold_records, join_records
from contacts.actions.notices import notify
from contacts.actions.unmerging import check_undo, part_records, undo_time
from contacts.enums import NoticeKind
from contacts.models import Customer, Merge, Staff
from crm.actions.orders import count_value


def merge_customers(gone: Customer, *, into: Customer, actor: Staff | None, now: datetime) -> Merge:
    """Let one record stand for both from now on; the other is a tombstone that leads to it.

    Owner, store and all that is known of ``into`` stay; whoever answered for the other is told.
    Raises ``RuleBroken`` if both are the same record, one is not active, an open handover holds
    one, or a message to one is leaving just now; ``MovedOn`` if one has been merged, erased or
    given away since it was read. Of two opposite merges at the same moment one wins.
    """
    with transaction.atomic():
        lost, kept = hold_records(gone, into)
        check_unchanged(gone, lost)
        check_unchanged(into, kept)
        check_merge(lost, kept)
        hold_messages(lost, kept)
        owner_id = lost.owner_id
        moved = join_records(lost, kept, actor=actor, now=now)
        moved |= pass_lists(lost, kept)
        moved["campaigns"] = pass_messages(lost, kept)
        count_value(kept)
        merge = Merge.objects.create(
            gone=lost, kept=kept, owner_id=owner_id, merged_by=actor, moved=moved, at=now
        )
        record(lost, "customer.merged", actor=actor, at=now, data={"into": kept.pk})
        record(kept, "customer.took_in", actor=actor, at=now, data={"record": lost.pk})
        notify(
            _unaware(owner_id, kept, actor),
            NoticeKind.HANDED_OVER,
            key=f"merged-{merge.pk}",
            now=now,
            customer=lost,
            about=kept.owner,
            data={"what": "merged"},
        )
    for customer in (gone, into):
        customer.refresh_from_db()
    return merge


def undo_merge(merge: Merge, *, actor: Staff | None, now: datetime) -> Customer:
    """Take a merge apart, and return the record that is a customer again.

    It gets back what whoever stayed still has of it, and its owner, who is told; the pool of its
    store if that one has departed. Raises ``MovedOn`` if somebody else was faster, ``RuleBroken``
    if whoever stayed was merged onward or erased since, an open handover holds them, or a message
    to them is leaving just now.
    """
    with transaction.atomic():
        gone, kept = hold_records(merge.gone, merge.kept, staff=[merge.owner_id])
        check_undo(merge, gone, kept)
        hold_messages(kept)
        at = undo_time(gone, now=now)
        part_records(merge, gone, kept, now=at)
        moved = merge.moved
        give_lists_back(kept, gone, lists=moved["lists"], lists_new=moved["lists_new"])
        give_messages_back(kept, gone, moved["campaigns"])
        for customer in (gone, kept):
            count_value(customer)
        Merge.objects.filter(pk=merge.pk).update(undone_by=actor, undone_at=at)
        record(gone, "customer.unmerged", actor=actor, at=at, data={"from": kept.pk})
        record(kept, "customer.gave_back", actor=actor, at=at, data={"record": gone.pk})
        told, key = _unaware(gone.owner_id, kept, actor), f"unmerged-{merge.pk}"
        notify(told, NoticeKind.HANDED_OVER, key=key, now=at, customer=gone)
    merge.refresh_from_db()
    gone.refresh_from_db()
    return gone


def _unaware(owner_id: int | None, kept: Customer, actor: Staff | None) -> list[int]:
    """Return whoever answers for the record that goes or comes back, if it is news to them."""
    aware = {kept.owner_id, actor.pk if actor else None}
    return [owner_id] if owner_id and owner_id not in aware else []
