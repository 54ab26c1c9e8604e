"""Levelling the load of a store: who holds too much, and who has room for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count

from contacts.enums import Role
from contacts.models import Customer, Staff, Store
from contacts.wecom import wecom

TOLERANCE = 20
"""One in so many customers more or less than one's part is no uneven load."""


@dataclass(slots=True)
class Load:
    """What one guide holds and would hold; ``gives`` says how many go to whom."""

    staff: Staff
    owned: int
    target: int
    gets: int = 0
    gives: dict[int, int] = field(default_factory=dict)

    @property
    def given(self) -> int:
        """How many customers the guide gives away."""
        return sum(self.gives.values())

    @property
    def after(self) -> int:
        """How many the guide holds afterwards."""
        return self.owned - self.given + self.gets


def level_loads(store: Store) -> list[Load]:
    """Return how the guides of a store would stand if all were equally full, in name order.

    Everybody's part is in proportion to their capacity. Who holds clearly more than that gives
    the surplus to those with the most room.
    """
    able = Staff.objects.able_to_receive().filter(store=store, capacity__gt=0)
    if wecom() is not None:
        able = able.exclude(wecom_userid=None)  # nobody else takes customers over there
    people = list(able.filter(roles__role=Role.GUIDE).order_by("name_key", "pk"))
    owned = dict(
        Customer.objects.filter(owner__in=people).values_list("owner").annotate(Count("pk"))
    )
    total, capacity = sum(owned.values()), sum(person.capacity for person in people)
    loads = [
        Load(person, owned.get(person.pk, 0), round(total * person.capacity / capacity))
        for person in people
    ]
    for load in loads:
        surplus = load.owned - load.target
        if surplus * TOLERANCE > load.target:
            _spread(load, surplus, loads)
    return loads


def _spread(giver: Load, surplus: int, loads: Sequence[Load]) -> None:
    """Let the surplus fill up those who hold least of their part, one after the other."""
    for taker in sorted(loads, key=lambda load: load.owned + load.gets - load.target):
        room = taker.target - taker.owned - taker.gets
        number = min(surplus, room)
        if number > 0 and taker is not giver:
            giver.gives[taker.staff.pk] = number
            taker.gets += number
            surplus -= number
