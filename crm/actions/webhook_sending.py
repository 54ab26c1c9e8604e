"""Sending events to webhooks: claimed, called outside any transaction, written down.

One worker at a time has the turn of a webhook and sends what is due, oldest first. An event that
failed is due again later and holds the others back only while the receiver as a whole does not
answer. A worker that dies leaves its event *sending*: it is sent again when the lease is over,
with the same id, so that the receiver can tell.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from connectors.webhook.client import Delivered, Later, Outcome, Receiver, Refused
from contacts.doorbell import ring
from crm import tasks
from crm.actions.webhooks import pause_by_itself
from crm.enums import UNDER_WAY, EventState, WebhookPause, WebhookState
from crm.models import Webhook, WebhookEvent
from crm.sealing import Unreadable, unseal

RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
)
"""How long an event waits after its first, second … failed attempt; then it has failed."""

RETRIES_IF_REFUSED = RETRIES[:4]
"""A refusal will mostly be the same tomorrow; but a receiver may just be being deployed."""

LONGEST_REST = RETRIES[3]
"""After how long a receiver that does not answer is tried again."""

REFUSALS_IN_A_ROW = 5
"""So many refusals, and the receiver as a whole is given a rest."""

GIVE_UP = timedelta(days=3)
FAILURES_TO_GIVE_UP = 10
"""A webhook without one success for so long, in so many calls, is paused."""

SLICE = 10.0
"""Seconds a worker stays with one webhook while others may wait."""

LEASE = timedelta(seconds=60)
"""Longer than a slice and a call take."""

AT_ONCE = 2
"""Webhooks called at the same moment, of all workers: they leave room for other work."""

PART = 100

_ONE_TAKES_A_TURN = 7_301_548
"""The number of the lock under which turns are counted and taken."""


@dataclass
class Turn:
    """A webhook while this worker is the one to call it."""

    webhook: Webhook
    token: UUID
    began: datetime
    clock: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self.clock

    @property
    def is_over(self) -> bool:
        """Whether others may come first now."""
        return self.seconds >= SLICE

    @property
    def now(self) -> datetime:
        """The moment, by the clock of whoever called."""
        return self.began + timedelta(seconds=self.seconds)


def webhooks_to_call(now: datetime) -> list[int]:
    """Webhooks for which something is due, those in good health first, for the sweeper."""
    due = _due(now).filter(webhook=OuterRef("pk"))
    ready = Webhook.objects.filter(_ready(now), Exists(due))
    in_order = ready.order_by(F("rest_until").asc(nulls_first=True), "pk")
    return list(in_order.values_list("pk", flat=True)[:50])


def call_webhook(webhook_id: int, *, now: datetime) -> int:
    """Send the webhook what is due for it; returns how many events were tried.

    Does nothing while another worker has its turn, the webhook rests or is paused, or enough
    webhooks are being called.
    """
    turn = _take_turn(webhook_id, now)
    if turn is None:
        return 0
    try:
        tried = _send_due(turn)
    finally:
        _turn_of(turn).update(turn_token=None, turn_until=None)
    if turn.is_over:  # whoever comes for the rest must find the turn free
        ring(tasks.call_webhook, webhook_id)
    return tried


def _due(now: datetime) -> QuerySet[WebhookEvent]:
    return WebhookEvent.objects.filter(state__in=UNDER_WAY, next_attempt_at__lte=now)


def _ready(now: datetime) -> Q:
    rested = Q(rest_until=None) | Q(rest_until__lte=now)
    free = Q(turn_until=None) | Q(turn_until__lt=now)
    return rested & free & Q(state=WebhookState.ACTIVE)


def _turn_of(turn: Turn) -> QuerySet[Webhook]:
    return Webhook.objects.filter(pk=turn.webhook.pk, turn_token=turn.token)


def _take_turn(webhook_id: int, now: datetime) -> Turn | None:
    token = uuid4()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_TAKES_A_TURN])
        if Webhook.objects.filter(turn_until__gte=now).count() >= AT_ONCE:
            return None
        mine = Webhook.objects.filter(_ready(now), pk=webhook_id)
        if not mine.update(turn_token=token, turn_until=now + LEASE):
            return None
    return Turn(Webhook.objects.get(pk=webhook_id), token, now)


def _send_due(turn: Turn) -> int:
    try:
        secrets = _secrets_of(turn.webhook, turn.now)
    except Unreadable:
        pause_by_itself(turn.webhook, WebhookPause.SECRET, now=turn.now)
        return 0
    tried = 0
    with closing(Receiver(turn.webhook.url, allow_loopback=settings.LOCAL)) as receiver:
        for event in _claimed(turn):
            outcome = receiver.post(event.message_id, event.body, secrets=secrets)
            tried += 1
            if not _write_down(turn, event, outcome):
                break
    return tried


def _secrets_of(webhook: Webhook, now: datetime) -> list[str]:
    sealed = [webhook.secret]
    if webhook.old_secret_until and webhook.old_secret_until > now:
        sealed.append(webhook.old_secret)
    return [unseal(one) for one in sealed]


def _claimed(turn: Turn) -> Iterator[WebhookEvent]:
    """Claim one due event after the other, oldest first, until the slice is over."""
    while True:
        due = _due(turn.now).filter(webhook=turn.webhook).order_by("pk")
        waiting = list(due.values_list("pk", flat=True)[:PART])
        for pk in waiting:
            if turn.is_over:
                return
            if event := _claim(turn, pk):
                yield event
        if len(waiting) < PART:
            return


def _claim(turn: Turn, pk: int) -> WebhookEvent | None:
    """Take the event as the next attempt, unless the turn is over: paused, or taken over."""
    now = turn.now
    mine = _due(now).filter(pk=pk, webhook__in=_turn_of(turn))
    if not mine.update(
        state=EventState.SENDING,
        state_at=now,
        attempts=F("attempts") + 1,
        next_attempt_at=now + LEASE,
    ):
        return None
    return WebhookEvent.objects.get(pk=pk)


def _write_down(turn: Turn, event: WebhookEvent, outcome: Outcome) -> bool:
    """Write down what came of the call; returns whether the receiver can be called on."""
    if isinstance(outcome, Delivered):
        _settle(turn, event, EventState.DELIVERED, status=outcome.status, error="")
        if turn.webhook.failures:
            _note(turn, failures=0, failing_since=None, rest_until=None)
        return True
    waits = RETRIES if isinstance(outcome, Later) else RETRIES_IF_REFUSED
    wait = waits[event.attempts - 1] if event.attempts <= len(waits) else None
    if wait and isinstance(outcome, Later) and outcome.retry_after:
        wait = max(wait, timedelta(seconds=outcome.retry_after))
    _settle(
        turn,
        event,
        EventState.WAITING if wait else EventState.FAILED,
        next_attempt_at=turn.now + wait if wait else None,
        status=outcome.status,
        error=outcome.why[:200],
    )
    return _note_failure(turn, outcome)


def _settle(turn: Turn, event: WebhookEvent, state: EventState, **facts: object) -> None:
    mine = WebhookEvent.objects.filter(
        pk=event.pk, state=EventState.SENDING, attempts=event.attempts
    )
    mine.update(**{"state": state, "state_at": turn.now, "next_attempt_at": None} | facts)


def _note_failure(turn: Turn, outcome: Refused | Later) -> bool:
    """Count it against the receiver; returns whether the next event is worth a call."""
    now, webhook = turn.now, turn.webhook
    failures, since = webhook.failures + 1, webhook.failing_since or now
    silent = isinstance(outcome, Later)
    rest = None
    if silent or failures >= REFUSALS_IN_A_ROW:
        rest = min(RETRIES[min(failures, len(RETRIES)) - 1], LONGEST_REST)
    if rest and isinstance(outcome, Later) and outcome.retry_after:
        rest = max(rest, timedelta(seconds=outcome.retry_after))
    _note(
        turn,
        failures=failures,
        failing_since=since,
        rest_until=now + rest if rest else None,
    )
    if isinstance(outcome, Refused) and outcome.gone:
        pause_by_itself(webhook, WebhookPause.GONE, now=now)
    elif failures >= FAILURES_TO_GIVE_UP and now - since >= GIVE_UP:
        pause_by_itself(webhook, WebhookPause.FAILING, now=now)
    return rest is None


def _note(turn: Turn, **health: object) -> None:
    for name, value in health.items():
        setattr(turn.webhook, name, value)
    _turn_of(turn).update(**health)
