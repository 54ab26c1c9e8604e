"""How many customers of a segment somebody sees: counted when looked at, remembered for lists.

A list would have to run every rule to be fresh. It says what the person's last look counted, and
when; a changed rule is not counted yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

from campaigns.models import Segment
from campaigns.segments import Count, count_customers
from crm.access import Viewer, members_of

KEPT_SECONDS = 90 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Counted:
    """A count with the moment at which it was taken."""

    count: Count
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A segment in the list; ``counted`` is missing until the person has looked at it."""

    segment: Segment
    counted: Counted | None


def count_now(viewer: Viewer, segment: Segment, *, now: datetime) -> Count:
    """Count the segment as the person sees it, and remember that for their lists."""
    count = count_customers(members_of(viewer, segment))
    cache.set(_key(viewer, segment), Counted(count, now), timeout=KEPT_SECONDS)
    return count


def with_counts(viewer: Viewer, segments: Sequence[Segment]) -> list[Row]:
    """Put the remembered counts beside the segments."""
    keys = {segment.pk: _key(viewer, segment) for segment in segments}
    kept = cache.get_many(keys.values())
    return [Row(segment, kept.get(keys[segment.pk])) for segment in segments]


def _key(viewer: Viewer, segment: Segment) -> str:
    changed = segment.changed_at or segment.created_at
    return f"segment-count:{segment.pk}:{viewer.staff.pk}:{changed.timestamp():.6f}"
