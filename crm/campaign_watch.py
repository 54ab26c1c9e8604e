"""What the page of a running campaign shows: cells, pace, who is waited for, what went wrong."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.db.models import Count, Max, Min, Q, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns.channels import is_direct
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, ChannelPace
from campaigns.queries import CampaignProgress, DeliveryCount, campaign_progress

CELLS = 200
"""As many cells a page shows at most; each stands for several batches when there are more. The page
is drawn anew every two seconds, and twice as many cost half as much again (docs/scaling.md)."""

ERRORS_SHOWN = 5
"""As many different errors are told at most, the most frequent first."""

LATELY = timedelta(seconds=60)

LIVE = (
    CampaignState.SCHEDULED,
    CampaignState.PLANNED,
    CampaignState.SENDING,
    CampaignState.WAITING,
)
"""States in which something still happens by itself."""

_WORST_FIRST = (
    BatchState.UNCLEAR,
    BatchState.REFUSED,
    BatchState.SENDING,
    BatchState.WAITING,
    BatchState.HELD,
    BatchState.HANDED,
    BatchState.CANCELLED,
    BatchState.DONE,
)

ADVICE: dict[str, Any] = {
    DeliveryReason.NO_ADDRESS: gettext_lazy(
        "Ask for it at the next visit, or use another channel."
    ),
    DeliveryReason.DEAD_ADDRESS: gettext_lazy("Ask for a new address; mail to this one came back."),
    "bounced": gettext_lazy("Ask for a new address; this one will not be used again."),
    DeliveryReason.NO_CONSENT: gettext_lazy("Ask them whether they want to hear from you."),
    DeliveryReason.NO_SENDER: gettext_lazy("Assign these customers to a guide who works in WeCom."),
    DeliveryReason.SENDER_LEFT: gettext_lazy("Hand their customers over, then send to them again."),
    DeliveryReason.NOT_CONFIRMED: gettext_lazy("Remind the guides earlier next time."),
    DeliveryReason.CHANNEL_ERROR: gettext_lazy("Read what the channel said above, and correct it."),
    DeliveryReason.INVALID: gettext_lazy("The channel does not take this address: correct it."),
    DeliveryReason.RECEIVE_LIMIT: gettext_lazy("They have had as many as WeCom allows; try later."),
    DeliveryReason.NOT_A_FRIEND: gettext_lazy("They have removed the guide; use another channel."),
    DeliveryReason.MISSED: gettext_lazy("The time until which it could be sent had passed."),
    "undelivered": gettext_lazy("The gateway could not deliver it; try another channel."),
}
"""What can be done about a reason; of the others nothing has to be done."""


@dataclass(slots=True)
class Cell:
    """One batch, or several that follow each other."""

    first: int
    last: int
    states: dict[BatchState, int] = field(default_factory=dict)
    size: int = 0

    @property
    def state(self) -> BatchState:
        """The state that most needs a look; what is done comes last."""
        return min(self.states, key=_WORST_FIRST.index)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a campaign's recipients went to the channel, and how many are left to go now.

    Those who wait for the winner of a test are not: nobody knows how long that takes.
    """

    handed: int = 0
    seconds: int = 0
    lately: int = 0
    left: int = 0

    @property
    def per_second(self) -> int:
        """Recipients a second within the last minute."""
        return round(self.lately / LATELY.seconds)

    @property
    def per_minute(self) -> int:
        """Recipients within the last minute."""
        return self.lately

    @property
    def seconds_left(self) -> int | None:
        """How long the rest takes at the pace of the last minute; nothing if nobody can say."""
        if not self.lately or self.left <= 0:
            return None
        return math.ceil(self.left * LATELY.seconds / self.lately)

    @property
    def time_left(self) -> str:
        """The same in words; empty if nobody can say."""
        seconds = self.seconds_left
        if seconds is None:
            return ""
        if seconds < LATELY.seconds:
            return _("less than a minute left")
        minutes = math.ceil(seconds / 60)
        return ngettext("about %(n)s minute left", "about %(n)s minutes left", minutes) % {
            "n": minutes
        }

    def __str__(self) -> str:
        if not self.handed or not self.seconds:
            return ""
        if self.seconds < LATELY.seconds:
            said = ngettext(
                "%(handed)s handed over in %(n)s second",
                "%(handed)s handed over in %(n)s seconds",
                self.seconds,
            )
            return said % {"handed": intcomma(self.handed), "n": self.seconds}
        rate = round(self.handed * 60 / self.seconds)
        return _("%(handed)s handed over, %(n)s a minute") % {
            "handed": intcomma(self.handed),
            "n": intcomma(rate),
        }


@dataclass(frozen=True, slots=True)
class Batches:
    """All batches of a campaign as cells, how many are in which state, and how fast they went."""

    cells: list[Cell]
    per_cell: int
    states: dict[BatchState, int]
    pace: Pace

    @property
    def total(self) -> int:
        """How many batches there are."""
        return sum(self.states.values())

    def told(self) -> Iterator[tuple[Cell, str]]:
        """Return each cell, and itself in a sentence; words are looked up once for all."""
        labels = {state: str(state.label) for state in self.states}
        sentence = _("Batch %(name)s, %(size)s recipients: %(stand)s")
        for cell in self.cells:
            is_many = cell.first < cell.last
            stand = ", ".join(
                [
                    f"{labels[state]} {n}" if is_many else labels[state]
                    for state, n in cell.states.items()
                ]
            )
            name = f"{cell.first}-{cell.last}" if is_many else str(cell.first)
            yield cell, sentence % {"name": name, "size": cell.size, "stand": stand}


_BATCHES = """
WITH whole AS (
    SELECT greatest(1, (max(seq) + %(cells)s - 1) / %(cells)s) AS per_cell
    FROM campaigns_batch WHERE campaign_id = %(campaign)s
), batch AS (
    SELECT seq, state, size, claimed_at,
           coalesce(handed_at, CASE WHEN state = 'done' THEN done_at END) AS taken_at
    FROM campaigns_batch WHERE campaign_id = %(campaign)s
)
SELECT (seq - 1) / per_cell, state, min(per_cell), count(*), sum(size), min(seq), max(seq),
       coalesce(sum(size) FILTER (WHERE taken_at > %(since)s), 0),
       extract(epoch FROM min(claimed_at)
           FILTER (WHERE taken_at IS NOT NULL OR state = 'sending'))::float8,
       extract(epoch FROM max(taken_at))::float8
FROM batch CROSS JOIN whole
GROUP BY 1, 2 ORDER BY 1, 2
"""

_TAKEN = frozenset(
    {
        DeliveryState.HANDED,
        DeliveryState.SENT,
        DeliveryState.DELIVERED,
        DeliveryState.READ,
        DeliveryState.REPLIED,
    }
)
_FAILED_LATER = frozenset(
    {
        DeliveryReason.NOT_A_FRIEND,
        DeliveryReason.RECEIVE_LIMIT,
        DeliveryReason.NOT_CONFIRMED,
        DeliveryReason.BOUNCED,
        DeliveryReason.UNDELIVERED,
    }
)
"""Reasons for which something fails that the channel had taken."""


class _Group(NamedTuple):
    """The batches of one cell in one state: a row of ``_BATCHES``, its times in seconds."""

    cell: int
    state: str
    per_cell: int
    many: int
    size: int
    first: int
    last: int
    lately: int
    claimed: float | None
    taken: float | None


def watch_batches(campaign: Campaign, counts: Iterable[DeliveryCount], *, now: datetime) -> Batches:
    """Gather the batches into at most ``CELLS`` cells, and measure: one query, however many.

    The pace is measured from the first claim to the last batch that the channel has taken, or to
    ``now`` while one is being sent, since its letters count already; how many recipients those were
    is known from the ``counts`` of the campaign's deliveries.
    """
    values: dict[str, Any] = {"campaign": campaign.pk, "cells": CELLS, "since": now - LATELY}
    with connection.cursor() as cursor:
        cursor.execute(_BATCHES, values)
        groups = [_Group(*row) for row in cursor.fetchall()]
    cells: dict[int, Cell] = {}
    states: dict[BatchState, int] = {}
    for group in groups:
        state = BatchState(group.state)
        cell = cells.setdefault(group.cell, Cell(group.first, group.last))
        cell.first, cell.last = min(cell.first, group.first), max(cell.last, group.last)
        cell.states[state] = group.many
        cell.size += group.size
        states[state] = states.get(state, 0) + group.many
    per_cell = groups[0].per_cell if groups else 1
    return Batches(list(cells.values()), per_cell, states, _pace_of(groups, counts, now=now))


def _pace_of(groups: list[_Group], counts: Iterable[DeliveryCount], *, now: datetime) -> Pace:
    handed = left = 0
    for state, reason, count in counts:
        left += count if state == DeliveryState.QUEUED else 0
        handed += count if state in _TAKEN or reason in _FAILED_LATER else 0
    left -= sum(group.size for group in groups if group.state == BatchState.HELD)
    first = min((group.claimed for group in groups if group.claimed), default=None)
    last = max((group.taken for group in groups if group.taken), default=None)
    if any(group.state == BatchState.SENDING for group in groups):
        last = now.timestamp()
    if first is None or last is None:
        return Pace(handed=handed, left=left)
    return Pace(
        handed=handed,
        seconds=max(1, math.ceil(round(last - first, 3))),
        lately=sum(group.lately for group in groups),
        left=left,
    )


def senders_of(campaign: Campaign) -> int:
    """Return how many people send the campaign."""
    senders = Batch.objects.filter(campaign=campaign).aggregate(n=Count("sender", distinct=True))
    return int(senders["n"])


@dataclass(frozen=True, slots=True)
class Waited:
    """Somebody who has not confirmed yet."""

    name: str
    batches: int
    recipients: int
    since: datetime | None
    reminders: int


def waited_for(campaign: Campaign, *, limit: int) -> list[Waited]:
    """List who has not confirmed, the longest first: one query."""
    rows = (
        Batch.objects.filter(campaign=campaign, state=BatchState.HANDED, confirmed_at=None)
        .exclude(sender=None)
        .values("sender", "sender__name")
        .annotate(n=Count("pk"), sizes=Sum("size"), since=Min("handed_at"), most=Max("reminders"))
        .order_by("since", "sender")[:limit]
    )
    return [
        Waited(row["sender__name"], row["n"], row["sizes"], row["since"], row["most"])
        for row in rows
    ]


def refused_of(campaign: Campaign, *, limit: int) -> list[tuple[str, int]]:
    """List what the channel said of batches, or of letters in them, that it refused, and of how many.

    The most frequent first: one query.
    """
    refused = Q(state=BatchState.REFUSED)
    if is_direct(campaign.channel):
        refused |= ~Q(error="") & ~Q(state=BatchState.UNCLEAR)
    return list(
        Batch.objects.filter(refused, campaign=campaign)
        .values_list("error")
        .annotate(n=Count("pk"))
        .order_by("-n", "error")[:limit]
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """All that the API tells of a running campaign."""

    progress: CampaignProgress
    pace: Pace
    refused: list[tuple[str, int]]
    rest: ChannelPace | None


def watch(campaign: Campaign, *, now: datetime) -> Watched:
    """Gather progress, pace and what was refused: six queries at most, however many batches there are."""
    progress = campaign_progress(campaign)
    return Watched(
        progress=progress,
        pace=watch_batches(campaign, progress.counts, now=now).pace,
        refused=refused_of(campaign, limit=ERRORS_SHOWN),
        rest=resting(campaign.channel, now=now) if campaign.state in LIVE else None,
    )


def resting(channel: str, *, now: datetime) -> ChannelPace | None:
    """Return the pace of a channel that rests after trouble, else nothing."""
    return ChannelPace.objects.filter(channel=channel, rest_until__gt=now).first()
