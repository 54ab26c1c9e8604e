"""Taking a person out of what contacts knows: the parts of an erasure that lie in this app.

Everything here runs in the transaction of ``crm.actions.erasing``, which holds the customers and
has made them erased; each function may be called for several records of one person at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat, Greatest
from django.utils.translation import gettext as _

from contacts.actions.closing import close_if_settled, note_settled
from contacts.actions.erased_addresses import bar_addresses
from contacts.actions.moving import NO_MORE
from contacts.enums import (
    CustomerState,
    FindingState,
    FollowEnd,
    HandoverState,
    IdentityKind,
    ItemState,
    LossState,
    TaskKind,
    TaskState,
    UndoNote,
)
from contacts.errors import MovedOn
from contacts.models import (
    Coupon,
    Customer,
    CustomerTag,
    Finding,
    Follow,
    Handover,
    HandoverItem,
    Identity,
    Interaction,
    Loss,
    Notice,
    OwnershipPeriod,
    Staff,
    Task,
)

NOBODY: dict[str, Any] = {
    "name": "",
    "name_key": "",
    "search_key": "",
    "gender": "",
    "birthday": None,
    "city": "",
    "note": "",
    "time_zone": "",
    "attributes": {},
}
"""What an erased customer's columns hold; the constraint ``customer_erased_is_nobody`` says so, too."""

BLANK = "—"
"""Stands where the database wants a word and there is none any more."""

# Of an entry stay numbers, yes and no, and words out of closed lists under these names.
_STAYS = ["kind", "reason", "channel", "purpose", "state", "outcome", "due_on", "fields"]
_OWN_SOURCES = ["", "api", "wecom", "command", "merge", "link", "keyword", "complained"]

_HISTORY = """
UPDATE contacts_historyentry AS entry SET
    data = (
        SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(entry.data)
        WHERE jsonb_typeof(value) IN ('number', 'boolean', 'null') OR key = ANY(%(stays)s)
    ),
    source = CASE WHEN source = ANY(%(sources)s) OR source LIKE 'code:%%' THEN source ELSE '' END
WHERE customer_id = ANY(%(customers)s)
"""

_CONSENTS = """
UPDATE contacts_consententry SET
    evidence = '', source = CASE WHEN source = ANY(%(sources)s) THEN source ELSE '' END
WHERE customer_id = ANY(%(customers)s)
"""

_CHATS = """
UPDATE contacts_groupchat SET customers = array_remove(customers, %(address)s)
WHERE customers @> ARRAY[%(address)s]::varchar[]
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is being erased: all records of theirs, and the addresses they had."""

    customers: list[int]
    identities: list[Identity]

    @property
    def wecom_addresses(self) -> list[str]:
        """Under which WeCom knows them."""
        return [row.value for row in self.identities if row.kind == IdentityKind.WECOM]


def hold_person(customer: Customer) -> list[Customer]:
    """Lock a customer, whoever was merged into them, and the handovers that move them.

    Locks are taken as everywhere: handovers before customers. Nobody writes anything about the
    customers until the transaction ends, not even what only refers to them. Raises ``MovedOn`` if a
    handover has taken them up in this moment.
    """
    everybody = Customer.objects.filter(Q(pk=customer.pk) | Q(merged_into=customer.pk))
    open_items = HandoverItem.objects.filter(customer__in=everybody, closed_at=None)
    moving = Handover.objects.filter(pk__in=open_items.values("handover"))
    locked = {row.pk for row in moving.select_for_update(no_key=True).order_by("pk")}
    held = list(everybody.select_for_update(of=["self"]).order_by("pk"))
    if open_items.exclude(handover__in=locked).exists():
        raise MovedOn(_("A handover has just taken this customer up. Try again."))
    return held


def make_nobody(held: Collection[Customer], *, now: datetime) -> Person:
    """Empty the records themselves: no owner, no name, no address, and no way back to one."""
    customers = [row.pk for row in held]
    person = Person(customers, list(Identity.objects.filter(customer__in=customers)))
    OwnershipPeriod.objects.filter(customer__in=customers, ended_at=None).update(
        ended_at=Greatest("began_at", now)
    )
    Customer.objects.filter(pk__in=customers).update(
        state=CustomerState.ERASED, owner=None, merged_into=None, **NOBODY
    )
    bar_addresses(person.identities, now=now)
    Identity.objects.filter(customer__in=customers).delete()
    return person


def end_what_goes_on(person: Person, *, actor: Staff | None, now: datetime) -> None:
    """End connections, tasks, losses and handovers that wait for the person."""
    follows = Follow.objects.filter(customer__in=person.customers)
    follows.active().update(ended_at=Greatest("began_at", now), end_reason=FollowEnd.ERASED)
    tasks = Task.objects.filter(customer__in=person.customers)
    tasks.filter(state=TaskState.OPEN).update(
        state=TaskState.DROPPED, state_at=now, closed_by=actor
    )
    losses = Loss.objects.filter(customer__in=person.customers, state=LossState.OPEN)
    losses.update(state=LossState.WRITTEN_OFF, state_at=now)
    _leave_handovers(HandoverItem.objects.filter(customer__in=person.customers), now=now)


def _leave_handovers(items: QuerySet[HandoverItem], *, now: datetime) -> None:
    """A handover goes on adding up: its customer is cancelled, whatever they waited for."""
    to_undo = items.filter(undo_asked_at__isnull=False, undone_at=None, undo_note="")
    to_undo.update(undo_note=UndoNote.TOMBSTONE)
    waiting = items.filter(closed_at=None)
    handovers = list(Handover.objects.filter(pk__in=waiting.values("handover")).order_by("pk"))
    for handover in handovers:
        left = waiting.filter(handover=handover).update(
            state=ItemState.CANCELLED, state_at=now, closed_at=now, reason=NO_MORE
        )
        note_settled(handover, ItemState.CANCELLED, left, now=now)
        if handover.state == HandoverState.RUNNING:
            close_if_settled(handover, now=now)


def forget_words(person: Person) -> None:
    """Empty what people wrote of the person or told them; what happened when stays."""
    theirs = {"customer__in": person.customers}
    CustomerTag.objects.filter(**theirs).delete()
    Notice.objects.filter(**theirs).delete()
    Interaction.objects.filter(**theirs).update(text="")
    Follow.objects.filter(**theirs).update(remark="")
    Loss.objects.filter(**theirs).update(note="")
    needs_words = Q(kind__in=[TaskKind.TO_DO, TaskKind.PROMISE])
    Task.objects.filter(needs_words, **theirs).update(text=BLANK)
    Task.objects.filter(~needs_words, **theirs).update(text="")
    _forget_findings(person)
    Coupon.objects.filter(**theirs).update(
        code=Concat(Value("erased-"), Cast("pk", CharField())), title=BLANK, source=""
    )
    with connection.cursor() as cursor:
        for address in person.wecom_addresses:
            cursor.execute(_CHATS, {"address": address})


def _forget_findings(person: Person) -> None:
    theirs = Q(customer__in=person.customers) | Q(address__in=person.wecom_addresses)
    found = Finding.objects.filter(theirs)
    found.filter(state=FindingState.OPEN).update(state=FindingState.GONE)
    found.update(address="", detail={}, note="")


def forget_in_ledgers(person: Person) -> None:
    """Take words out of history and the consent ledger: the one door that there is (ADR 0032).

    It opens for this transaction, and closes before anything else is written.
    """
    values: dict[str, Any] = {
        "customers": person.customers,
        "stays": _STAYS,
        "sources": _OWN_SOURCES,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('liuke.erasing', 'on', true)")
        cursor.execute(_HISTORY, values)
        cursor.execute(_CONSENTS, values)
        cursor.execute("SELECT set_config('liuke.erasing', '', true)")
