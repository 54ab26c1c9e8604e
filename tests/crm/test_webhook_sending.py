"""Events go out signed, again and again until they arrive, and nobody waits for a broken receiver."""

import base64
import hashlib
import hmac
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from contacts.enums import NoticeKind, Role, Scope
from contacts.models import HistoryEntry, Notice
from contacts.notice_words import sentence
from crm.actions import webhook_sending
from crm.actions.departures import let_go
from crm.actions.sweeping import do_what_is_due
from crm.actions.webhook_sending import (
    AT_ONCE,
    GIVE_UP,
    LEASE,
    LONGEST_REST,
    RETRIES,
    RETRIES_IF_REFUSED,
    call_webhook,
    webhooks_to_call,
)
from crm.actions.webhooks import (
    failed_since,
    pause_webhook,
    replay_events,
    resume_webhook,
    rotate_secret,
    send_test,
)
from crm.enums import EventState, WebhookPause, WebhookState
from crm.models import Webhook, WebhookEvent
from tests.builders import (
    NOON,
    WEBHOOK_SECRET,
    make_staff,
    make_webhook,
    make_webhook_event,
)
from tests.hooked import Answer, open_hook

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "http://127.0.0.1:9999/"
PATIENCE = 60.0


@pytest.fixture
def hook():
    with open_hook() as hooked:
        yield hooked


@pytest.fixture
def webhook(hook):
    return make_webhook(hook.url)


def fresh(row):
    row.refresh_from_db()
    return row


@contextmanager
def dying_before(value):
    """Die before the first statement that would write this value."""

    def watch(execute, sql, params, many, context):
        if value in (params or ()):
            raise SystemExit
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield


def signature(got, secret):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


# --- the good way -------------------------------------------------------------------------------


def test_what_is_due_arrives_signed_and_in_order(hook, webhook):
    events = [make_webhook_event(webhook, data={"staff": number}) for number in range(5)]

    assert call_webhook(webhook.pk, now=NOON) == 5

    assert [got.said["data"]["staff"] for got in hook.got] == [0, 1, 2, 3, 4]
    assert [got.said for got in hook.got] == [event.body for event in events]
    assert [got.headers["webhook-id"] for got in hook.got] == [e.message_id for e in events]
    assert all(
        got.headers["webhook-signature"] == signature(got, WEBHOOK_SECRET) for got in hook.got
    )
    for event in events:
        assert fresh(event).state == EventState.DELIVERED
        assert (event.attempts, event.status, event.next_attempt_at) == (1, 200, None)
    assert fresh(webhook).turn_until is None


def test_nothing_is_sent_before_its_time(hook, webhook):
    make_webhook_event(webhook, next_attempt_at=NOON + timedelta(seconds=30))

    assert webhooks_to_call(NOON) == []
    assert call_webhook(webhook.pk, now=NOON) == 0
    assert hook.got == []


def test_from_an_action_to_the_receiver_by_the_sweeper_alone(hook, webhook):
    let_go(make_staff().pk, actor=None, now=timezone.now())

    deadline = time.monotonic() + PATIENCE
    while not hook.got and time.monotonic() < deadline:
        do_what_is_due(now=timezone.now())
    assert "staff.departed" in hook.types


def test_while_the_secret_changes_both_sign(hook, webhook):
    new = rotate_secret(webhook, actor=None, now=NOON)
    make_webhook_event(webhook)
    call_webhook(webhook.pk, now=NOON)
    make_webhook_event(webhook)
    call_webhook(webhook.pk, now=NOON + timedelta(hours=25))

    during, after = hook.got
    both = {signature(during, new), signature(during, WEBHOOK_SECRET)}
    assert set(during.headers["webhook-signature"].split(" ")) == both
    assert after.headers["webhook-signature"] == signature(after, new)


def test_a_test_event_says_that_it_is_one(hook, webhook):
    event = send_test(webhook, now=NOON)

    call_webhook(webhook.pk, now=NOON)

    assert fresh(event).state == EventState.DELIVERED
    assert hook.types == ["webhook.test"]


# --- failures -----------------------------------------------------------------------------------


def due(event: WebhookEvent) -> datetime:
    assert event.next_attempt_at is not None
    return event.next_attempt_at


def test_a_failed_event_is_sent_again_after_longer_and_longer_waits(hook, webhook):
    hook.usual = Answer(500)
    event = make_webhook_event(webhook)
    now, waits = NOON, []

    while call_webhook(webhook.pk, now=now):
        if fresh(event).state == EventState.FAILED:
            break
        waits.append(due(event) - now)
        now = max(due(event), fresh(webhook).rest_until)

    assert [round(wait.total_seconds()) for wait in waits] == [
        round(wait.total_seconds()) for wait in RETRIES
    ]
    assert (event.attempts, event.status, event.error) == (8, 500, "HTTP 500")
    assert event.next_attempt_at is None
    assert {got.headers["webhook-id"] for got in hook.got} == {event.message_id}


def test_a_refused_event_is_given_up_sooner_and_holds_nobody_back(hook, webhook):
    event = make_webhook_event(webhook, type="task.done")
    other = make_webhook_event(webhook)
    hook.answers = [Answer(422)]

    assert call_webhook(webhook.pk, now=NOON) == 2

    assert fresh(other).state == EventState.DELIVERED
    now = NOON
    for _wait in RETRIES_IF_REFUSED:
        assert fresh(event).state == EventState.WAITING
        now, hook.answers = due(event), [Answer(422)]
        call_webhook(webhook.pk, now=now)
    assert fresh(event).state == EventState.FAILED
    assert event.attempts == 5


def test_a_receiver_that_says_when_is_left_alone_until_then(hook, webhook):
    hook.answers = [Answer(429, {"Retry-After": "1800"})]
    event = make_webhook_event(webhook)

    call_webhook(webhook.pk, now=NOON)

    half_an_hour = timedelta(seconds=1800)
    assert fresh(event).next_attempt_at >= NOON + half_an_hour
    assert fresh(webhook).rest_until >= NOON + half_an_hour


def test_a_silent_receiver_is_tried_once_a_turn_and_rests(webhook):
    Webhook.objects.filter(pk=webhook.pk).update(url=NOBODY)
    events = [make_webhook_event(webhook) for _ in range(3)]

    assert call_webhook(webhook.pk, now=NOON) == 1
    assert call_webhook(webhook.pk, now=NOON) == 0
    assert webhooks_to_call(NOON + timedelta(seconds=1)) == []

    assert [fresh(event).attempts for event in events] == [1, 0, 0]
    assert fresh(webhook).failures == 1
    now = NOON
    for _ in range(6):
        now = fresh(webhook).rest_until
        call_webhook(webhook.pk, now=now)
    assert fresh(webhook).rest_until - now <= LONGEST_REST + timedelta(seconds=5)


def test_one_success_forgets_the_failures(hook, webhook):
    hook.answers = [Answer(503)]
    make_webhook_event(webhook)
    call_webhook(webhook.pk, now=NOON)
    assert fresh(webhook).failures == 1

    call_webhook(webhook.pk, now=NOON + timedelta(minutes=1))

    assert (fresh(webhook).failures, webhook.failing_since, webhook.rest_until) == (0, None, None)


def test_many_refusals_in_a_row_give_the_receiver_a_rest(hook, webhook):
    hook.usual = Answer(404)
    for _ in range(8):
        make_webhook_event(webhook)

    assert call_webhook(webhook.pk, now=NOON) == 5
    assert fresh(webhook).rest_until > NOON


def test_a_broken_receiver_keeps_no_other_waiting(hook, webhook):
    broken = make_webhook(NOBODY)
    for _ in range(3):
        make_webhook_event(broken)
        make_webhook_event(webhook)

    do_what_is_due(now=NOON)

    assert len(hook.got) == 3
    do_what_is_due(now=NOON + timedelta(seconds=10))
    assert webhooks_to_call(NOON + timedelta(seconds=11)) == []


def test_so_many_webhooks_are_called_at_once_and_no_more(webhook):
    make_webhook_event(webhook)
    for number in range(AT_ONCE):
        make_webhook(
            f"https://example.com/{number}",
            turn_token="00000000-0000-0000-0000-000000000001",
            turn_until=NOON + LEASE,
        )

    assert call_webhook(webhook.pk, now=NOON) == 0
    assert call_webhook(webhook.pk, now=NOON + LEASE * 2) == 1


def test_whoever_wants_nothing_any_more_is_paused_at_once(hook, webhook):
    hook.usual = Answer(410)
    event = make_webhook_event(webhook)

    call_webhook(webhook.pk, now=NOON)

    assert (fresh(webhook).state, webhook.reason) == (WebhookState.PAUSED, WebhookPause.GONE)
    assert fresh(event).state == EventState.WAITING
    assert webhooks_to_call(NOON + timedelta(days=1)) == []


def test_a_webhook_that_fails_for_days_is_paused_and_its_administrators_are_told(hook, webhook):
    hua = make_staff("Hua", role=Role.ADMINISTRATOR)
    make_staff("Jin", role=Role.ADMINISTRATOR, scope=Scope.STORE)
    hook.usual = Answer(500)
    make_webhook_event(webhook)
    Webhook.objects.filter(pk=webhook.pk).update(failures=9, failing_since=NOON - GIVE_UP)

    call_webhook(webhook.pk, now=NOON)

    assert (fresh(webhook).state, webhook.reason) == (WebhookState.PAUSED, WebhookPause.FAILING)
    notice = Notice.objects.get()
    assert (notice.staff, notice.kind) == (hua, NoticeKind.UNUSUAL)
    assert "127.0.0.1" in sentence(notice)
    assert HistoryEntry.objects.filter(action="webhook.paused").count() == 1


@pytest.mark.parametrize(
    "health",
    [{"failures": 8, "failing_since": NOON - GIVE_UP}, {"failures": 50, "failing_since": NOON}],
)
def test_few_or_recent_failures_are_no_reason_to_pause(hook, webhook, health):
    hook.usual = Answer(500)
    make_webhook_event(webhook)
    Webhook.objects.filter(pk=webhook.pk).update(**health)

    call_webhook(webhook.pk, now=NOON)

    assert fresh(webhook).state == WebhookState.ACTIVE


def test_a_secret_of_another_secret_key_pauses_the_webhook(hook, webhook, settings):
    make_webhook_event(webhook)
    settings.SECRET_KEY = "another"

    call_webhook(webhook.pk, now=NOON)

    assert hook.got == []
    assert (fresh(webhook).state, webhook.reason) == (WebhookState.PAUSED, WebhookPause.SECRET)


def test_an_earlier_secret_key_still_opens_the_secret(hook, webhook, settings):
    make_webhook_event(webhook)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"

    assert call_webhook(webhook.pk, now=NOON) == 1


def test_a_public_installation_calls_nothing_on_its_own_machine(hook, webhook, settings):
    settings.LOCAL = False
    event = make_webhook_event(webhook)

    call_webhook(webhook.pk, now=NOON)

    assert hook.connections == 0
    assert fresh(event).error.startswith("Only https")


# --- pausing, replaying -------------------------------------------------------------------------


def test_what_happened_in_a_pause_is_sent_after_it(hook, webhook):
    pause_webhook(webhook, actor=None, now=NOON)
    make_webhook_event(webhook)
    assert call_webhook(webhook.pk, now=NOON) == 0

    resume_webhook(webhook, actor=None, now=NOON)

    assert call_webhook(webhook.pk, now=NOON) == 1


def test_what_failed_is_sent_again_under_its_id(hook, webhook):
    event = make_webhook_event(webhook, state=EventState.FAILED, attempts=8, error="HTTP 500")
    make_webhook_event(
        webhook, state=EventState.FAILED, state_at=NOON - timedelta(days=2), attempts=8
    )

    again = replay_events(webhook, failed_since(webhook, NOON), actor=None, now=NOON)
    call_webhook(webhook.pk, now=NOON)

    assert again == 1
    assert [got.headers["webhook-id"] for got in hook.got] == [event.message_id]
    assert (fresh(event).state, event.attempts) == (EventState.DELIVERED, 1)


# --- workers that die, and two at once ----------------------------------------------------------


def test_a_worker_that_dies_in_the_call_leaves_it_to_be_made_again(hook, webhook):
    event = make_webhook_event(webhook)
    with dying_before("delivered"), pytest.raises(SystemExit):
        call_webhook(webhook.pk, now=NOON)
    assert fresh(event).state == EventState.SENDING

    assert call_webhook(webhook.pk, now=NOON + timedelta(seconds=30)) == 0
    assert call_webhook(webhook.pk, now=NOON + LEASE * 2) == 1
    assert [got.headers["webhook-id"] for got in hook.got] == [event.message_id] * 2
    assert fresh(event).state == EventState.DELIVERED


def test_a_turn_that_was_left_behind_ends_by_itself(hook, webhook):
    make_webhook_event(webhook)
    Webhook.objects.filter(pk=webhook.pk).update(
        turn_token="00000000-0000-0000-0000-000000000001", turn_until=NOON + LEASE
    )

    assert call_webhook(webhook.pk, now=NOON) == 0
    assert call_webhook(webhook.pk, now=NOON + LEASE * 2) == 1


def test_of_two_workers_each_event_is_sent_by_one(hook, webhook):
    hook.usual = Answer(wait=0.01)
    events = [make_webhook_event(webhook) for _ in range(20)]

    def work():
        try:
            return sum(call_webhook(webhook.pk, now=NOON) for _ in range(5))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        counts = [future.result(PATIENCE) for future in [pool.submit(work) for _ in range(4)]]

    assert sum(counts) == 20
    assert [got.headers["webhook-id"] for got in hook.got] == [e.message_id for e in events]


def test_a_pause_in_the_middle_stops_after_the_call_that_runs(hook, webhook):
    for _ in range(3):
        make_webhook_event(webhook)
    hook.usual = Answer(wait=0.3)

    def work():
        try:
            return call_webhook(webhook.pk, now=NOON)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not hook.got:
            pass
        pause_webhook(Webhook.objects.get(), actor=None, now=NOON)
        assert future.result(PATIENCE) == 1

    states = list(WebhookEvent.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["delivered", "waiting", "waiting"]


def test_whoever_is_rung_for_the_rest_finds_the_turn_free(webhook, monkeypatch, rung):
    monkeypatch.setattr(webhook_sending, "SLICE", 0.0)
    make_webhook_event(webhook)
    too_early = []

    def watch(execute, sql, params, *rest):
        if sql.startswith('UPDATE "crm_webhook" SET "turn_token" = NULL'):
            too_early.extend(rung())
        return execute(sql, params, *rest)

    with connection.execute_wrapper(watch):
        call_webhook(webhook.pk, now=NOON)

    assert too_early == []
    assert rung() == [("crm.tasks.call_webhook", [webhook.pk])]
