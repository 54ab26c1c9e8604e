"""How many group chats WeCom moves: to one colleague in a day, and one chat in 90 days."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet

from contacts.enums import ItemState
from contacts.models import ChatItem
from contacts.models.chats import MOST_A_DAY
from contacts.promises import MOST_TRANSFERS, TRANSFER_DAYS

A_DAY = timedelta(days=1)


def room_of(
    people: Collection[int], *, now: datetime, apart_from: Collection[int] = ()
) -> dict[int, int]:
    """Return how many more chats each of these colleagues can be given now.

    The items ``apart_from`` which it is asked take no room.
    """
    given = _given(now).filter(to_staff__in=people).exclude(pk__in=apart_from)
    taken = dict(given.order_by().values_list("to_staff").annotate(Count("pk")))
    return {person: max(0, MOST_A_DAY - taken.get(person, 0)) for person in people}


def room_again_at(person: int, *, now: datetime) -> datetime:
    """Return when a colleague who has been given all of a day can be given the next."""
    first = _given(now).filter(to_staff=person).aggregate(first=Min("state_at"))["first"]
    return (first or now) + A_DAY


def moved_twice(now: datetime) -> QuerySet[ChatItem, Any]:
    """Return the ids of chats that WeCom moves no more while their owner works; a subquery."""
    moved = ChatItem.objects.filter(
        state=ItemState.ACCEPTED, on_job=True, closed_at__gt=now - TRANSFER_DAYS
    )
    times = moved.order_by().values("chat").annotate(times=Count("pk"))
    return times.filter(times__gte=MOST_TRANSFERS).values("chat")


def _given(now: datetime) -> QuerySet[ChatItem]:
    """What was given in the last day, or is being given."""
    return ChatItem.objects.filter(
        state__in=[ItemState.ACCEPTED, ItemState.REQUESTED], state_at__gt=now - A_DAY
    )
