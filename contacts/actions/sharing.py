"""Who takes how many: the strategies of a handover plan, as plain arithmetic."""

from collections.abc import Sequence
from itertools import cycle, islice

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Strategy(TextChoices):
    """How customers are spread over their receivers."""

    EVENLY = "evenly", _("evenly")
    CAPACITY = "capacity", _("by remaining capacity")
    OWN_STORE = "own_store", _("evenly within the customer's own store")
    ONE = "one", _("all to one colleague")


class Order(TextChoices):
    """Which customers are dealt out first, and so get a receiver when there are too few places."""

    RECENT = "recent", _("last met first")
    VALUE = "value", _("highest value first")
    QUIET = "quiet", _("longest not met first")


def share_out(
    count: int, receivers: Sequence[int], rooms: Sequence[int], strategy: Strategy
) -> list[int | None]:
    """Return the receiver of each of ``count`` customers, in order; ``None`` rests in the pool.

    ``rooms`` is how many more customers each receiver may hold. *Evenly* deals them out like
    cards and pays no heed to rooms; *capacity* fills in proportion to the room and leaves over
    what fits nowhere.
    """
    if not receivers:
        return [None] * count
    if strategy != Strategy.CAPACITY:
        return list(islice(cycle(receivers), count))
    quotas = quotas_for(count, rooms, strategy)
    dealt: list[int | None] = []
    while any(quotas):
        for index, receiver in enumerate(receivers):
            if quotas[index]:
                quotas[index] -= 1
                dealt.append(receiver)
    return dealt + [None] * (count - len(dealt))


def quotas_for(count: int, rooms: Sequence[int], strategy: Strategy) -> list[int]:
    """Return how many of ``count`` customers each receiver gets; dealing goes round by round.

    Together they are ``count``, or with *capacity* as many as the rooms hold.
    """
    if strategy == Strategy.CAPACITY:
        return _proportional(min(count, sum(rooms)), rooms)
    each, rest = divmod(count, len(rooms))
    return [each + (place < rest) for place in range(len(rooms))]


def _proportional(count: int, rooms: Sequence[int]) -> list[int]:
    """Split ``count`` in proportion to ``rooms`` by largest remainder; the sum is exact."""
    total = sum(rooms)
    if not total:
        return [0] * len(rooms)
    exact = [count * room / total for room in rooms]
    quotas = [int(share) for share in exact]
    by_remainder = sorted(range(len(rooms)), key=lambda i: exact[i] - quotas[i], reverse=True)
    for index in by_remainder[: count - sum(quotas)]:
        quotas[index] += 1
    return quotas
