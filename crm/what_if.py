"""What if this person leaves: everything that would be at stake, counted at this moment."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from campaigns.enums import BatchState
from campaigns.models import Batch
from contacts.enums import Role, TaskState
from contacts.models import ContactCode, Customer, Follow, Interaction, Staff, Task
from crm.queries import birthday_days
from crm.staff_queries import with_customers

LARGE_SHARE = 25
"""Percent of the store's value from which on a single person answers for much of it."""

_RISK_WORDS: dict[str, Promise] = {
    "low": _("Low: colleagues know these customers and have room for them."),
    "medium": _("Medium: plan the handover before the last day."),
    "high": _(
        "High: much depends on this person alone. Introduce colleagues to the customers now."
    ),
}


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The figures of one person; ``room`` is how many more customers the store's others can take."""

    customers: int
    value: Decimal
    store_value: Decimal
    only_connected: int
    never_met_another: int
    birthdays: int
    tasks: int
    batches: int
    codes: int
    room: int

    @property
    def share_of_value(self) -> int:
        """What part of the store's value these customers are, in percent."""
        return int(100 * self.value / self.store_value) if self.store_value else 0

    @property
    def shortage(self) -> int:
        """For how many customers the store has no room."""
        return max(0, self.customers - self.room)

    @property
    def risk(self) -> str:
        """``low``, ``medium`` or ``high``: how many of four warnings hold; no room counts twice."""
        signs = [
            self.shortage > 0,
            self.shortage > 0,
            2 * self.never_met_another > self.customers,
            self.share_of_value >= LARGE_SHARE,
            self.codes > 0,
        ]
        points = sum(signs)
        return "high" if points >= 3 else "medium" if points else "low"

    @property
    def risk_words(self) -> Promise:
        """The risk as a person would say it."""
        return _RISK_WORDS[self.risk]


def what_if(person: Staff, *, now: datetime) -> WhatIf:
    """Count what a departure of this person would put at stake: six queries, nothing is changed."""
    return WhatIf(
        **_customers(person, now),
        store_value=_value_of_store(person),
        tasks=Task.objects.filter(staff=person, state=TaskState.OPEN).count(),
        batches=Batch.objects.filter(
            sender=person,
            state__in=[BatchState.WAITING, BatchState.SENDING, BatchState.HANDED],
            confirmed_at=None,
        ).count(),
        codes=_codes_alone(person),
        room=_room_beside(person),
    )


def _customers(person: Staff, now: datetime) -> dict[str, Any]:
    follows = Follow.objects.active().filter(customer=OuterRef("pk"))
    talks = Interaction.objects.filter(customer=OuterRef("pk"), staff__isnull=False)
    days = birthday_days(timezone.localdate(now))
    birthday = Q()
    for month, day in days:
        birthday |= Q(birthday__month=month, birthday__day=day)
    counted: dict[str, Any] = (
        Customer.objects.active()
        .filter(owner=person)
        .annotate(
            mine=Exists(follows.filter(staff=person)),
            others=Exists(follows.exclude(staff=person)),
            met=Exists(talks.exclude(staff=person)),
        )
        .aggregate(
            customers=Count("pk"),
            value=Sum("spent", default=Decimal(0)),
            only_connected=Count("pk", filter=Q(mine=True, others=False)),
            never_met_another=Count("pk", filter=Q(met=False)),
            birthdays=Count("pk", filter=birthday),
        )
    )
    return counted


def _value_of_store(person: Staff) -> Decimal:
    customers = Customer.objects.active().filter(store=person.store_id)
    value: Decimal = customers.aggregate(value=Sum("spent", default=Decimal(0)))["value"]
    return value


def _codes_alone(person: Staff) -> int:
    """Codes that would have nobody at work on duty."""
    others = Staff.objects.employed().exclude(pk=person.pk)
    open_codes = ContactCode.objects.filter(staff_on_duty=person, closed_at=None)
    served = others.filter(contact_codes=OuterRef("pk"))
    return open_codes.filter(~Exists(served)).count()


def _room_beside(person: Staff) -> int:
    guides = Staff.objects.able_to_receive().filter(store=person.store_id, roles__role=Role.GUIDE)
    rooms = with_customers(guides.exclude(pk=person.pk))
    return sum(max(0, guide.capacity - guide.owned) for guide in rooms)  # type: ignore[attr-defined]  # annotated
