"""History becomes events: nothing is skipped, nothing is told twice, whoever is how slow."""

import ast
import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, connections, transaction

from campaigns.actions.campaigns import advance_campaign
from campaigns.enums import CampaignState, DeliveryState, PostState
from campaigns.models import Delivery
from config.places import ROOT
from contacts.actions.history import record
from contacts.enums import StaffState, TaskState
from contacts.models import HistoryEntry
from crm.actions import webhook_collecting
from crm.actions.departures import let_go
from crm.actions.sweeping import do_what_is_due
from crm.actions.webhook_collecting import (
    collect_events,
    cursors_to_move,
    forget_events,
    oldest_transaction,
)
from crm.actions.webhooks import create_webhook, replay_events
from crm.enums import EventState, WebhookPause, WebhookState
from crm.models import HistoryCursor, WebhookEvent
from crm.webhook_events import EVENTS, GROUPS, OF_ACTION, PRIVATE
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_customer,
    make_customers,
    make_staff,
    make_webhook,
    make_webhook_event,
)

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 600.0


def depart(staff, customers=0):
    return record(staff, "staff.departed", actor=None, at=NOON, data={"customers": customers})


def collect():
    """Collect, once nobody else writes who began before us: other tests share the server.

    A slow test is one transaction, and some last for minutes.
    """
    quiet()
    return collect_events(now=NOON)


def begin_another():
    """Begin a transaction; return its number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        return cursor.fetchone()[0]


def quiet():
    ours = begin_another()
    deadline = time.monotonic() + PATIENCE
    while oldest_transaction() <= ours:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def told():
    return [event.entry_id for event in WebhookEvent.objects.order_by("pk")]


def on_own_connection(work):
    try:
        return work()
    finally:
        connections.close_all()


# --- what becomes of an entry -------------------------------------------------------------------


def test_an_entry_becomes_an_event_of_ids_and_figures():
    hua, lin = make_staff("Hua"), make_staff("Lin")
    webhook = make_webhook()
    entry = record(lin, "staff.departed", actor=hua, at=NOON, data={"customers": 250})

    assert collect() == 1

    event = WebhookEvent.objects.get()
    assert (event.webhook, event.entry, event.type) == (webhook, entry, "staff.departed")
    assert event.data == {"staff": lin.pk, "customers": 250, "actor": hua.pk, "customer": None}
    assert (event.state, event.next_attempt_at) == (EventState.WAITING, NOON)
    assert event.body == {
        "id": f"evt_{event.pk}",
        "type": "staff.departed",
        "timestamp": "2026-03-02T04:00:00.000+00:00",
        "data": event.data,
    }


def test_a_campaign_that_is_over_is_told_with_its_figures_and_nobody_in_them():
    webhook = make_webhook()
    campaign = make_campaign("Spring coats", state="sending")
    people = make_customers(6, owner=make_staff("Lin"))
    make_batch(campaign, people[:3], state="done", delivery_state=DeliveryState.SENT)
    failed = make_batch(campaign, people[3:5], state="done")
    failed.deliveries.update(state="failed", reason="channel_error")
    Delivery.objects.create(
        campaign=campaign, customer=people[5], state="skipped", reason="no_address"
    )

    advance_campaign(campaign.pk, now=NOON)
    collect()

    event = WebhookEvent.objects.get(webhook=webhook, type="campaign.done")
    assert event.data == {
        "campaign": campaign.pk,
        "states": {"sent": 3, "failed": 2, "skipped": 1},
        "actor": None,
        "customer": None,
    }
    assert EVENTS["campaign.done"].example["data"].keys() == event.data.keys()


def test_whoever_gets_an_event_is_rung_for(rung):
    webhook = make_webhook()
    depart(make_staff())

    collect()

    assert ("crm.tasks.call_webhook", [webhook.pk]) in rung()


def test_a_webhook_is_told_what_it_wants_and_no_more():
    lin = make_staff()
    some = make_webhook(events=["staff.leaving"])
    everything = make_webhook("https://example.com/all")
    record(lin, "staff.leaving", actor=None, at=NOON, data={"leaves_on": "2026-03-31"})
    depart(lin)
    record(lin, "staff.capacity_changed", actor=None, at=NOON)

    collect()

    assert list(some.deliveries.values_list("type", flat=True)) == ["staff.leaving"]
    assert set(everything.deliveries.values_list("type", flat=True)) == {
        "staff.leaving",
        "staff.departed",
    }


def test_words_that_people_typed_are_not_told():
    chen = make_customer("Chen")
    make_webhook()
    for text in ("Chen Jing", "13812345678", "+8613812345678", "chen@example.com", "likes <b>"):
        record(chen, "customer.edited", actor=None, at=NOON, data={"fields": ["city", text]})
        record(chen, "customer.tagged", actor=None, at=NOON, data={"tags": [text]})
        record(chen, "task.added", actor=None, at=NOON, data={"kind": text, "text": text})

    collect()

    for event in WebhookEvent.objects.all():
        assert "13812345678" not in str(event.data)
        assert "hen" not in str(event.data)
        assert "<b>" not in str(event.data)
        assert set(event.data) <= {"customer", "actor", "fields", "task", "kind"}


def test_what_was_before_the_webhook_is_not_told():
    lin = make_staff()
    depart(lin)
    quiet()

    make_webhook()
    later = depart(lin)
    collect()

    assert told() == [later.pk]


def test_a_removed_webhook_is_told_nothing_and_a_paused_one_later():
    lin = make_staff()
    make_webhook(state=WebhookState.REMOVED, secret="")
    paused = make_webhook(state=WebhookState.PAUSED, reason=WebhookPause.BY_HAND)
    depart(lin)

    collect()

    assert [event.webhook for event in WebhookEvent.objects.all()] == [paused]


def test_without_a_webhook_nothing_is_read():
    depart(make_staff())

    assert cursors_to_move(NOON) == []
    assert collect_events(now=NOON) == 0
    assert not WebhookEvent.objects.exists()


# --- the order of commits -----------------------------------------------------------------------


def test_what_commits_late_is_not_skipped_and_nothing_is_told_twice():
    lin = make_staff()
    make_webhook()
    written, go_on = Event(), Event()

    def slowly():
        with transaction.atomic():
            slow = depart(lin)
            written.set()
            assert go_on.wait(PATIENCE)
        return slow.pk

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(on_own_connection, slowly)
        assert written.wait(PATIENCE)
        quick = depart(lin)  # a larger id, committed before the smaller one
        collect_events(now=NOON)
        before = told()
        go_on.set()
        slow = future.result(PATIENCE)
    collect()
    after = told()
    collect()

    assert slow < quick.pk
    assert before == []  # it waits for the transaction that is older
    assert after == told() == [slow, quick.pk]


def test_an_old_transaction_that_writes_late_is_not_skipped():
    """It draws its entry's id after the others, and its transaction's number before them."""
    lin = make_staff()
    make_webhook()
    begun, go_on = Event(), Event()

    def old():
        with transaction.atomic():
            lin.name = "Lin"
            lin.save(update_fields=["name"])
            begun.set()
            assert go_on.wait(PATIENCE)
            return depart(lin).pk

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(on_own_connection, old)
        assert begun.wait(PATIENCE)
        quick = depart(make_staff("Mei"))
        collect_events(now=NOON)
        assert told() == []
        go_on.set()
        late = future.result(PATIENCE)
    collect()
    collect()

    assert sorted(told()) == sorted([late, quick.pk])


def test_what_was_rolled_back_holds_nothing_up():
    lin = make_staff()
    make_webhook()
    with transaction.atomic():
        depart(lin)
        transaction.set_rollback(True)
    entry = depart(lin)

    collect()

    assert told() == [entry.pk]


def test_entries_of_one_transaction_are_told_in_parts(monkeypatch, rung):
    monkeypatch.setattr(webhook_collecting, "PART", 2)
    lin = make_staff()
    make_webhook()
    with transaction.atomic():
        entries = [depart(lin).pk for _ in range(5)]

    assert [collect() for _ in range(4)] == [2, 2, 1, 0]
    assert told() == entries
    assert ("crm.tasks.collect_events", [1]) in rung()


def test_a_webhook_made_at_the_same_moment_misses_nothing_that_comes_after():
    lin, hua = make_staff(), make_staff("Hua")
    make_webhook("https://example.com/first")
    made, go_on = Event(), Event()

    def make():
        with transaction.atomic():
            webhook, _secret = create_webhook("https://example.com/", ["*"], actor=hua, now=NOON)
            made.set()
            assert go_on.wait(PATIENCE)
        return webhook, depart(lin).pk

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(on_own_connection, make)
        assert made.wait(PATIENCE)
        depart(lin)
        collect_events(now=NOON)
        go_on.set()
        webhook, after = future.result(PATIENCE)
    collect()

    assert after in webhook.deliveries.values_list("entry", flat=True)


def test_of_two_workers_one_reads():
    lin = make_staff()
    make_webhook()
    entries = [depart(lin).pk for _ in range(20)]
    quiet()

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(on_own_connection, lambda: collect_events(now=NOON)) for _ in range(8)]
        counts = [future.result(PATIENCE) for future in done]

    assert sum(counts) == 20
    assert told() == entries


def test_a_worker_that_dies_has_moved_nothing():
    lin = make_staff()
    make_webhook()
    entry = depart(lin)
    quiet()

    def die_saving_the_cursor(execute, sql, params, many, context):
        if sql.startswith('UPDATE "crm_historycursor"'):
            raise SystemExit
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die_saving_the_cursor), pytest.raises(SystemExit):
        collect_events(now=NOON)
    assert told() == []
    collect()

    assert told() == [entry.pk]


def test_the_sweeper_finds_news_and_only_news():
    make_webhook()
    assert cursors_to_move(NOON) == []

    depart(make_staff())
    quiet()
    assert cursors_to_move(NOON) == [1]

    do_what_is_due(now=NOON)
    assert cursors_to_move(NOON) == []
    assert WebhookEvent.objects.count() == 1


# --- a backup that is restored elsewhere --------------------------------------------------------


def test_after_a_restore_on_another_server_old_entries_are_not_told_again_and_new_ones_are():
    lin = make_staff()
    webhook = make_webhook()
    ahead = 10_000_000_000  # the other server had begun so many transactions
    old = depart(lin)
    from_elsewhere(ahead)
    webhook.from_xact = ahead - 5
    webhook.save()
    HistoryCursor.objects.create(pk=1, xact=ahead, entry_id=old.pk)

    assert cursors_to_move(NOON) == [1]
    collect()
    new = depart(lin)
    collect()

    assert told() == [new.pk]
    assert cursors_to_move(NOON) == []
    assert HistoryCursor.objects.get().floor == old.pk


def from_elsewhere(xact):
    """Let all entries come from a server that had begun so many transactions."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE contacts_historyentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE contacts_historyentry SET xact = %s", [xact])
        cursor.execute("ALTER TABLE contacts_historyentry ENABLE TRIGGER USER")


def test_the_first_webhook_after_a_restore_is_not_told_what_the_backup_brought_along():
    lin = make_staff()
    depart(lin)
    soon = oldest_transaction() + 1000
    from_elsewhere(soon)  # a number that this server is going to reach
    create_webhook("https://example.com/hook", ["*"], actor=None, now=NOON)
    collect()

    while begin_another() <= soon:
        pass
    quiet()
    new = depart(lin)
    collect()

    assert told() == [new.pk]


def test_what_commits_while_the_place_is_found_anew_is_told():
    lin = make_staff()
    make_webhook()
    ahead = 10_000_000_000
    old = depart(lin)
    from_elsewhere(ahead)
    HistoryCursor.objects.create(pk=1, xact=ahead, entry_id=old.pk)
    quiet()
    new: list[HistoryEntry] = []

    def in_between(execute, sql, *rest):
        if "max(id)" in sql and not new:
            with ThreadPoolExecutor(1) as pool:
                new.append(pool.submit(on_own_connection, lambda: depart(lin)).result())
        return execute(sql, *rest)

    with connection.execute_wrapper(in_between):
        collect_events(now=NOON)
    collect()

    assert told() == [new[0].pk]


# --- forgetting ---------------------------------------------------------------------------------


def test_events_that_were_over_long_ago_are_forgotten():
    webhook = make_webhook()
    long_ago = NOON - timedelta(days=31)
    make_webhook_event(webhook, state=EventState.DELIVERED, state_at=long_ago)
    make_webhook_event(webhook, state=EventState.FAILED, state_at=long_ago)
    waits = make_webhook_event(webhook, state_at=long_ago)
    recent = make_webhook_event(webhook, state=EventState.DELIVERED)

    assert forget_events(now=NOON) == 2
    assert set(webhook.deliveries.all()) == {waits, recent}


def test_what_waits_a_week_for_a_paused_webhook_is_dropped():
    webhook = make_webhook(state=WebhookState.PAUSED, reason=WebhookPause.BY_HAND)
    week_ago = NOON - timedelta(days=8)
    stale = make_webhook_event(webhook, at=week_ago, state_at=week_ago)
    fresh = make_webhook_event(webhook)

    forget_events(now=NOON)

    stale.refresh_from_db()
    fresh.refresh_from_db()
    assert (stale.state, stale.next_attempt_at) == (EventState.DROPPED, None)
    assert fresh.state == EventState.WAITING


def test_what_is_to_be_sent_again_waits_for_a_paused_webhook_too():
    webhook = make_webhook(state=WebhookState.PAUSED, reason=WebhookPause.BY_HAND)
    long_ago = NOON - timedelta(days=20)
    event = make_webhook_event(webhook, at=long_ago, state=EventState.FAILED, state_at=long_ago)
    replay_events(webhook, webhook.deliveries.all(), actor=None, now=NOON)

    forget_events(now=NOON)

    event.refresh_from_db()
    assert event.state == EventState.WAITING


# --- the catalogue ------------------------------------------------------------------------------

_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
_MADE_UP = {
    ("campaign.", ""): [state.value for state in CampaignState],
    ("post.", ""): [state.value for state in PostState],
    ("task.", ""): [TaskState.DONE.value, TaskState.DROPPED.value],
    ("", ".exported"): ["customers", "handover_items", "losses", "recipients", "staff_file"],
}
"""What stands where an action is put together, by what stands around it."""

_NO_ACTIONS = {"crm.tasks", "contacts.tasks", "campaigns.tasks", "webhook.test"}


def recorded_actions():
    """Every action that code records: all constants and formats that look like one."""
    found = set()
    for app in ("contacts", "campaigns", "crm"):
        for path in (ROOT / app).rglob("actions/**/*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    found |= _put_together(node)
                elif isinstance(node, ast.Constant) and _ACTION.fullmatch(str(node.value)):
                    found.add(node.value)
    return found - _NO_ACTIONS


def _put_together(node):
    parts = [str(part.value) if isinstance(part, ast.Constant) else "\0" for part in node.values]
    if parts.count("\0") != 1:
        return set()
    before, _sep, after = "".join(parts).partition("\0")
    if not _ACTION.fullmatch(f"{before}x{after}"):
        return set()
    return {f"{before}{middle}{after}" for middle in _MADE_UP[before, after]}


def test_every_action_that_is_recorded_is_an_event_or_is_private():
    recorded = recorded_actions()

    assert len(recorded) > 60
    assert recorded - OF_ACTION.keys() - PRIVATE == set()


def test_no_event_is_promised_that_nobody_records():
    assert (OF_ACTION.keys() | PRIVATE) - recorded_actions() == set()


def test_each_event_is_offered_once():
    assert sum(len(events) for _label, events in GROUPS) == len(EVENTS)


def test_no_action_is_both_told_and_private():
    assert OF_ACTION.keys() & PRIVATE == set()
    assert len(OF_ACTION) == sum(len(event.recorded_as) for event in EVENTS.values())


@pytest.mark.parametrize("name", EVENTS)
def test_an_example_has_the_shape_of_its_event(name):
    event = EVENTS[name]
    entry = HistoryEntry(
        action=event.recorded_as[0], subject_id=12, data=dict(event.carries or {}), at=NOON
    )

    assert event.data_of(entry).keys() == event.example["data"].keys()
    for key, value in (event.carries or {}).items():
        assert event.data_of(entry)[key] == value


def test_a_departure_is_told_as_the_product_does_it():
    lin = make_staff()
    make_customer("Chen", owner=lin)
    make_webhook()

    let_go(lin.pk, actor=None, now=NOON)
    collect()

    lin.refresh_from_db()
    assert lin.state == StaffState.DEPARTED
    departed = WebhookEvent.objects.get(type="staff.departed")
    assert departed.data == {"staff": lin.pk, "customers": 1, "actor": None, "customer": None}
