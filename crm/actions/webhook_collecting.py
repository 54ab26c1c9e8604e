"""From history to events: every entry is looked at once, in the order in which things committed.

Ids are drawn before a transaction commits, so a reader that only remembers the last id misses
whatever was drawn before and committed after it. Each entry therefore knows its transaction, and
only those of transactions are read before which none is still under way: behind them nothing can
appear any more. The oldest transaction that writes holds all events back until it ends.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Min, Q, QuerySet

from contacts.doorbell import ring
from contacts.models import HistoryEntry
from crm import tasks
from crm.enums import UNDER_WAY, EventState, WebhookState
from crm.models import HistoryCursor, Webhook, WebhookEvent
from crm.webhook_events import OF_ACTION

PART = 1000
"""Entries looked at in one transaction."""

KEPT = timedelta(days=30)
"""How long events that are over are kept, and can be sent again."""

KEPT_WAITING = timedelta(days=7)
"""How long what happens waits for a paused webhook, and what is to be sent again."""

_LAST_ENTRY = 2**63 - 1

_NEXT = """
SELECT xact, id FROM contacts_historyentry
WHERE (xact, id) > (%s, %s) AND id > %s
  AND xact < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY xact, id LIMIT %s
"""

_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"

_LAST_FROM_ELSEWHERE = """
SELECT coalesce(max(id), 0) FROM contacts_historyentry
WHERE xact >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""

_FORGET = """
DELETE FROM crm_webhookevent WHERE id IN (
    SELECT id FROM crm_webhookevent
    WHERE webhook_id = ANY(%s) AND state IN ('delivered', 'failed', 'dropped') AND state_at < %s
    LIMIT %s FOR UPDATE SKIP LOCKED
)
"""


class Line(NamedTuple):
    """Where one entry stands in the order of commits."""

    xact: int
    entry: int


def cursors_to_move(now: datetime) -> list[int]:
    """The cursor, if there is a webhook and something happened, for the sweeper."""
    cursor = HistoryCursor.objects.filter(pk=1).first() or HistoryCursor(pk=1)
    begin = _beginning()
    if begin is None:
        return []
    if _is_from_elsewhere(cursor):
        return [1]
    place = max(Line(cursor.xact, cursor.entry_id), begin)
    return [1] if _next_lines(place, cursor.floor, most=1) else []


def collect_events(*, now: datetime) -> int:
    """Turn what history says since the last time into events; returns how many entries that were.

    The cursor moves in the transaction that makes the events, so an entry is looked at once,
    whoever dies. Does nothing while another worker is at it.
    """
    HistoryCursor.objects.get_or_create(pk=1)
    with transaction.atomic():
        cursor = HistoryCursor.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if cursor is None or not _find_place(cursor):
            return 0
        place = Line(cursor.xact, cursor.entry_id)
        lines = _next_lines(place, cursor.floor, most=PART)
        if lines:
            cursor.xact, cursor.entry_id = lines[-1]
            _make_events(lines, now)
        cursor.save()
    forget_events(now=now)
    if len(lines) == PART:
        ring(tasks.collect_events, 1)
    return len(lines)


def forget_events(*, now: datetime) -> int:
    """Remove events that were over long ago, a part at a time; returns how many.

    What waited too long for a paused webhook is dropped, and what came too late for a removed one.
    """
    late = Q(webhook__state=WebhookState.PAUSED, state_at__lt=now - KEPT_WAITING)
    removed = Q(webhook__state=WebhookState.REMOVED)
    WebhookEvent.objects.filter(late | removed, state__in=UNDER_WAY).update(
        state=EventState.DROPPED, state_at=now, next_attempt_at=None
    )
    everybody = list(Webhook.objects.values_list("pk", flat=True))
    with connection.cursor() as sql:
        sql.execute(_FORGET, [everybody, now - KEPT, PART])
        return int(sql.rowcount)


def oldest_transaction() -> int:
    """Return the oldest transaction under way: whatever commits from now on is not older."""
    return _number(_OLDEST)


def pass_over_what_came_from_elsewhere() -> None:
    """Never read what a backup brought along: sooner or later this server gets to its numbers.

    Call it when a webhook is made, in its transaction.
    """
    if floor := _number(_LAST_FROM_ELSEWHERE):
        HistoryCursor.objects.get_or_create(pk=1)
        HistoryCursor.objects.filter(pk=1, floor__lt=floor).update(floor=floor)


def _number(query: str) -> int:
    with connection.cursor() as sql:
        sql.execute(query)
        return int(sql.fetchone()[0])


def _alive() -> QuerySet[Webhook]:
    return Webhook.objects.exclude(state=WebhookState.REMOVED)


def _beginning() -> Line | None:
    """Return the place up to which no webhook wants anything; ``None`` without webhooks.

    A webhook that is being made at this moment wants what commits after it, and that lies behind
    everything that can be read now.
    """
    first = _alive().aggregate(first=Min("from_xact"))["first"]
    return None if first is None else Line(first - 1, _LAST_ENTRY)


def _find_place(cursor: HistoryCursor) -> bool:
    """Pass over what nobody wants; returns whether anybody wants anything."""
    if _is_from_elsewhere(cursor):
        _begin_anew(cursor)
    begin = _beginning()
    if begin is None:
        return False
    cursor.xact, cursor.entry_id = max(Line(cursor.xact, cursor.entry_id), begin)
    return True


def _is_from_elsewhere(cursor: HistoryCursor) -> bool:
    """Whether the cursor names a transaction that this server has yet to begin.

    So it is after a backup was restored on another server.
    """
    return cursor.xact >= oldest_transaction()


def _begin_anew(cursor: HistoryCursor) -> None:
    """Read on from now, and never what the backup brought along."""
    oldest = oldest_transaction()
    cursor.floor = max(cursor.floor, _number(_LAST_FROM_ELSEWHERE))
    cursor.xact, cursor.entry_id = oldest - 1, _LAST_ENTRY
    Webhook.objects.filter(from_xact__gt=oldest).update(from_xact=oldest)


def _next_lines(place: Line, floor: int, *, most: int) -> list[Line]:
    with connection.cursor() as sql:
        sql.execute(_NEXT, [*place, floor, most])
        return [Line(*row) for row in sql.fetchall()]


def _make_events(lines: Sequence[Line], now: datetime) -> None:
    # The webhooks are read after the entries: one that has been made in between is told of them,
    # or they are older than it; the other way round it could miss some.
    entries = HistoryEntry.objects.in_bulk([line.entry for line in lines])
    webhooks = list(_alive())
    events = [
        WebhookEvent(
            webhook=webhook,
            entry=entries[line.entry],
            type=event.name,
            data=event.data_of(entries[line.entry]),
            at=entries[line.entry].at,
            state_at=now,
            next_attempt_at=now,
        )
        for line in lines
        if (event := OF_ACTION.get(entries[line.entry].action))
        for webhook in webhooks
        if line.xact >= webhook.from_xact and webhook.wants(event.name)
    ]
    WebhookEvent.objects.bulk_create(events, ignore_conflicts=True)
    for pk in dict.fromkeys(event.webhook_id for event in events):
        ring(tasks.call_webhook, pk)
