"""The figures of a campaign: its funnel, in all and by batch, guide, store and variant; links; hours."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from campaigns.channels import told_by
from campaigns.models import Batch, Campaign, TallyRound, TrackedLink
from campaigns.tracking.tallies import Count, Dimension, counts_by, is_small
from connectors.base import AFTERWARDS
from contacts.models import Staff, Store

_MOST = 2**31
"""More recipients than a campaign has."""

_SENT = ("sent", "delivered", "read", "replied")
_DELIVERED = ("delivered", "read", "replied")
_READ = ("read", "replied")


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many recipients got how far. ``amount`` is what they bought.

    What the channel does not tell is ``None``.
    Machines are in ``opened_by_bots`` and ``clicked_by_bots`` only: recipients for whom no person
    was seen, but a scanner of their mail.
    """

    recipients: int = 0
    sent: int = 0
    delivered: int | None = 0
    read: int | None = 0
    clicked: int | None = 0
    replied: int | None = 0
    opted_out: int | None = 0
    converted: int = 0
    failed: int = 0
    skipped: int = 0
    opened_by_bots: int = 0
    clicked_by_bots: int = 0
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class FunnelOf:
    """The funnel of one batch, guide or store; ``id`` is none for who has none."""

    id: int | None
    name: str
    funnel: Funnel
    by_size: bool = True

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands in a list: those with most recipients first, or in their own order."""
        before = _MOST - self.funnel.recipients if self.by_size else 0
        return before, self.id or 0


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """How often a link was followed: by how many people, how often in all, by how many machines."""

    seq: int
    url: str
    people: int
    clicks: int
    bots: int


@dataclass(frozen=True, slots=True)
class Hour:
    """How many recipients did something for the first time within an hour."""

    at: datetime
    opened: int = 0
    clicked: int = 0
    replied: int = 0
    opted_out: int = 0
    converted: int = 0


def funnel(campaign: Campaign) -> Funnel:
    """Return the funnel of a campaign, as of ``counted_at``."""
    return _funnel(counts_by(campaign, Dimension.ALL), told_by(campaign.channel))


def counted_at(campaign: Campaign) -> datetime | None:
    """Return of when the figures are: of now for all but very large campaigns."""
    if is_small(campaign):
        return timezone.now()
    kept = TallyRound.objects.filter(campaign=campaign)
    return kept.values_list("counted_at", flat=True).first()


def funnels_by(campaign: Campaign, dimension: Dimension) -> list[FunnelOf]:
    """Return the funnel of each batch, guide, store or variant: two queries.

    Guides and stores with most recipients come first.

    The guide is who sent it; where nobody did, who answers for the customer now.
    """
    counts: dict[int | None, list[Count]] = defaultdict(list)
    for count in counts_by(campaign, dimension):
        counts[count.key].append(count)
    by_size = dimension not in {Dimension.BATCH, Dimension.VARIANT}
    if not by_size:
        counts.pop(None, None)  # they got nothing
    told = told_by(campaign.channel)
    names = _names(dimension, [key for key in counts if key is not None])
    found = [
        FunnelOf(key, names.get(key, "") if key is not None else "", _funnel(rows, told), by_size)
        for key, rows in counts.items()
    ]
    return sorted(found, key=lambda one: one.place)


def links(campaign: Campaign) -> list[LinkFigures]:
    """Return the links of a campaign in their order, with how often they were followed."""
    people: dict[int, Count] = {}
    bots: dict[int, Count] = {}
    for count in counts_by(campaign, Dimension.ALL):
        if count.link and count.what in {"people:clicked", "bots:clicked"}:
            (people if count.what == "people:clicked" else bots)[count.link] = count
    return [
        LinkFigures(
            seq,
            url,
            people=people[seq].n if seq in people else 0,
            clicks=people[seq].times if seq in people else 0,
            bots=bots[seq].n if seq in bots else 0,
        )
        for seq, url in TrackedLink.objects.filter(campaign=campaign)
        .order_by("seq")
        .values_list("seq", "url")
    ]


def hours(campaign: Campaign) -> list[Hour]:
    """Return what recipients did hour by hour, without the hours in which nobody did anything."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for count in counts_by(campaign, Dimension.HOUR):
        who, _, kind = count.what.partition(":")
        if count.key is not None and who == "people" and not count.link:
            found[count.key][kind] = count.n
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return [Hour(begin + timedelta(hours=key), **kinds) for key, kinds in sorted(found.items())]


def _funnel(counts: Iterable[Count], told: frozenset[str]) -> Funnel:
    rows = [count for count in counts if not count.link]
    n: dict[str, int] = defaultdict(int)
    for row in rows:
        n[row.what] += row.n
    states = {what.removeprefix("state:"): many for what, many in n.items() if "state:" in what}
    bought = [row.amount for row in rows if row.what == "people:converted"]
    found = Funnel(
        recipients=sum(states.values()) - states.get("skipped", 0),
        sent=sum(states.get(state, 0) for state in _SENT),
        delivered=sum(states.get(state, 0) for state in _DELIVERED),
        read=sum(states.get(state, 0) for state in _READ),
        clicked=n["people:clicked"],
        replied=n["people:replied"],
        opted_out=n["people:opted_out"],
        converted=n["people:converted"],
        failed=states.get("failed", 0),
        skipped=states.get("skipped", 0),
        opened_by_bots=n["bots:opened"],
        clicked_by_bots=n["bots:clicked"],
        amount=sum(bought, Decimal(0)),
    )
    untold: dict[str, Any] = {
        stage: None for stage in AFTERWARDS - told if not getattr(found, stage)
    }
    return replace(found, **untold)


def _names(dimension: Dimension, keys: list[int]) -> dict[int, str]:
    if dimension is Dimension.BATCH:
        rows = Batch.objects.filter(pk__in=keys).values_list("pk", "seq", "sender__name")
        return {pk: f"{seq} {sender or ''}".strip() for pk, seq, sender in rows}
    if dimension is Dimension.VARIANT:
        return {key: chr(ord("A") + key) for key in keys}
    table = Staff if dimension is Dimension.GUIDE else Store
    return dict(table.objects.filter(pk__in=keys).values_list("pk", "name"))
