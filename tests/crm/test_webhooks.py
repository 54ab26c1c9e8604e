"""What administrators do with webhooks: allowed, refused, and what a refusal leaves as it was."""

from datetime import timedelta

import pytest
from django.core import management
from django.db import connection
from psycopg import sql

from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry
from crm.actions.webhooks import (
    MOST_WEBHOOKS,
    change_webhook,
    create_webhook,
    pause_webhook,
    remove_webhook,
    replay_events,
    resume_webhook,
    rotate_secret,
    send_test,
)
from crm.enums import EventState, WebhookPause, WebhookState
from crm.models import Webhook, WebhookEvent
from crm.sealing import Unreadable, seal, unseal
from tests.builders import (
    NOON,
    WEBHOOK_SECRET,
    make_staff,
    make_webhook,
    make_webhook_event,
)

pytestmark = pytest.mark.django_db

URL = "https://example.com/hook"


@pytest.fixture
def hua():
    return make_staff("Hua", role=Role.ADMINISTRATOR)


def history():
    return list(HistoryEntry.objects.order_by("pk").values_list("action", flat=True))


def test_a_new_webhook_has_a_secret_that_is_stored_sealed(hua):
    webhook, secret = create_webhook(URL, ["task.done", "staff.departed"], actor=hua, now=NOON)

    webhook.refresh_from_db()
    assert webhook.events == ["staff.departed", "task.done"]
    assert webhook.created_by == hua
    assert secret.startswith("whsec_")
    assert secret not in webhook.secret
    assert unseal(webhook.secret) == secret
    assert history() == ["webhook.created"]


def test_everything_is_everything(hua):
    webhook, _secret = create_webhook(URL, ["task.done", "*"], actor=hua, now=NOON)

    assert webhook.events == ["*"]
    assert webhook.wants("campaign.of_a_later_version")


@pytest.mark.parametrize(
    ("url", "events", "why"),
    [
        ("http://example.com/", ["*"], "Only https"),
        ("https://10.0.0.1/", ["*"], "private network"),
        ("https://user:secret@example.com/", ["*"], "passwords"),
        ("https://example.com:22/", ["*"], "ports"),
        (URL, [], "at least one event"),
        (URL, ["staff.hired", "nonsense"], "no event nonsense"),
        (URL, ["webhook.test"], "no event"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(hua, settings, url, events, why):
    settings.LOCAL = False
    with pytest.raises(RuleBroken, match=why):
        create_webhook(url, events, actor=hua, now=NOON)

    assert not Webhook.objects.exists()
    assert history() == []


def test_an_address_has_one_webhook_until_it_is_removed(hua):
    first, _secret = create_webhook(URL, ["*"], actor=hua, now=NOON)
    with pytest.raises(RuleBroken, match="already"):
        create_webhook(URL, ["*"], actor=hua, now=NOON)

    remove_webhook(first, actor=hua, now=NOON)

    assert create_webhook(URL, ["*"], actor=hua, now=NOON)


def test_there_are_only_so_many(hua):
    Webhook.objects.bulk_create(
        Webhook(url=f"{URL}{n}", events=["*"], secret="x", from_xact=1)
        for n in range(MOST_WEBHOOKS)
    )
    with pytest.raises(RuleBroken, match="enough"):
        create_webhook(URL, ["*"], actor=hua, now=NOON)


def test_a_webhook_is_changed(hua):
    webhook = make_webhook()

    change_webhook(webhook, f"{URL}/2", ["task.done"], actor=hua, now=NOON)

    assert (webhook.url, webhook.events) == (f"{URL}/2", ["task.done"])
    assert history() == ["webhook.changed"]


def test_a_change_that_is_refused_changes_nothing(hua):
    make_webhook(f"{URL}/other")
    webhook = make_webhook()
    for url, events in ((f"{URL}/other", ["*"]), ("ftp://x/", ["*"]), (URL, ["nonsense"])):
        with pytest.raises(RuleBroken):
            change_webhook(webhook, url, events, actor=hua, now=NOON)

    webhook.refresh_from_db()
    assert (webhook.url, webhook.events) == (URL, ["*"])
    assert history() == []


def test_pause_and_resume(hua):
    webhook = make_webhook()
    with pytest.raises(MovedOn):
        resume_webhook(webhook, actor=hua, now=NOON)

    pause_webhook(webhook, actor=hua, now=NOON)
    assert (webhook.state, webhook.reason) == (WebhookState.PAUSED, WebhookPause.BY_HAND)
    with pytest.raises(MovedOn):
        pause_webhook(webhook, actor=hua, now=NOON)

    resume_webhook(webhook, actor=hua, now=NOON)
    assert (webhook.state, webhook.reason) == (WebhookState.ACTIVE, "")
    assert history() == ["webhook.paused", "webhook.resumed"]


def test_a_removed_webhook_forgets_its_secret_and_what_waits(hua):
    webhook = make_webhook()
    waits = make_webhook_event(webhook)
    there = make_webhook_event(webhook, state=EventState.DELIVERED)

    remove_webhook(webhook, actor=hua, now=NOON)

    assert (webhook.state, webhook.secret) == (WebhookState.REMOVED, "")
    waits.refresh_from_db()
    there.refresh_from_db()
    assert (waits.state, there.state) == (EventState.DROPPED, EventState.DELIVERED)
    for act in (remove_webhook, pause_webhook, resume_webhook):
        with pytest.raises(MovedOn):
            act(webhook, actor=hua, now=NOON)
    with pytest.raises(MovedOn):
        rotate_secret(webhook, actor=hua, now=NOON)
    with pytest.raises(MovedOn):
        replay_events(webhook, webhook.deliveries.all(), actor=hua, now=NOON)
    with pytest.raises(MovedOn):
        send_test(webhook, now=NOON)


def test_the_old_secret_holds_for_a_day(hua):
    webhook = make_webhook()

    new = rotate_secret(webhook, actor=hua, now=NOON)

    assert unseal(webhook.secret) == new
    assert unseal(webhook.old_secret) == WEBHOOK_SECRET
    assert webhook.old_secret_until == NOON + timedelta(hours=24)
    with pytest.raises(RuleBroken, match="still holds"):
        rotate_secret(webhook, actor=hua, now=NOON + timedelta(hours=23))
    rotate_secret(webhook, actor=hua, now=NOON + timedelta(hours=25))
    assert unseal(webhook.old_secret) == new


def test_a_secret_that_got_out_ends_at_once(hua):
    webhook = make_webhook()
    rotate_secret(webhook, actor=hua, now=NOON)

    newest = rotate_secret(webhook, at_once=True, actor=hua, now=NOON)

    assert unseal(webhook.secret) == newest
    assert (webhook.old_secret, webhook.old_secret_until) == ("", None)


def test_nothing_is_tested_in_a_pause(hua):
    webhook = make_webhook(state=WebhookState.PAUSED, reason=WebhookPause.BY_HAND)
    with pytest.raises(RuleBroken, match="Resume"):
        send_test(webhook, now=NOON)

    assert not WebhookEvent.objects.exists()


def test_only_what_is_over_is_sent_again_and_only_ones_own(hua):
    webhook, other = make_webhook(), make_webhook(f"{URL}/other")
    waits = make_webhook_event(webhook)
    foreign = make_webhook_event(other, state=EventState.FAILED)
    wanted = WebhookEvent.objects.filter(pk__in=[waits.pk, foreign.pk])

    with pytest.raises(RuleBroken, match="None of these"):
        replay_events(webhook, wanted, actor=hua, now=NOON)

    foreign.refresh_from_db()
    assert foreign.state == EventState.FAILED
    assert history() == []


def test_what_was_sealed_opens_under_the_same_key_only(settings):
    sealed = seal("whsec_x")

    assert unseal(sealed) == "whsec_x"
    settings.SECRET_KEY = "another"
    with pytest.raises(Unreadable):
        unseal(sealed)


def test_no_secret_lies_open_in_the_database(hua):
    _webhook, secret = create_webhook(URL, ["*"], actor=hua, now=NOON)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            holds = sql.SQL("SELECT count(*) FROM {} AS row WHERE row::text LIKE %s")
            cursor.execute(holds.format(sql.Identifier(table)), [f"%{secret}%"])
            assert cursor.fetchone()[0] == 0, table


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("webhook_state_known", {"state": "odd"}),
        ("webhook_pause_has_reason", {"state": "paused"}),
        ("webhook_pause_has_reason", {"reason": "gone"}),
        ("webhook_secret_until_removed", {"secret": ""}),
        ("webhook_secret_until_removed", {"state": "removed"}),
        ("webhook_old_secret_ends", {"old_secret": "x"}),
        ("webhook_turn_is_complete", {"turn_until": NOON}),
        ("webhook_failures_have_begun", {"failures": 1}),
    ],
)
def test_the_database_refuses_a_webhook_that_cannot_be(refused_by, constraint, fields):
    webhook = make_webhook()
    with refused_by(constraint):
        Webhook.objects.filter(pk=webhook.pk).update(**fields)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("webhook_event_state_known", {"state": "odd", "next_attempt_at": None}),
        ("webhook_event_open_is_due", {"next_attempt_at": None}),
        ("webhook_event_open_is_due", {"state": "failed"}),
    ],
)
def test_the_database_refuses_an_event_that_cannot_be(refused_by, constraint, fields):
    event = make_webhook_event(make_webhook())
    with refused_by(constraint):
        WebhookEvent.objects.filter(pk=event.pk).update(**fields)


def test_an_entry_is_told_to_a_webhook_once(refused_by):
    webhook = make_webhook()
    make_webhook_event(webhook, entry_id=1)
    with refused_by("webhook_event_once"):
        make_webhook_event(webhook, entry_id=1)


def test_the_models_and_their_migrations_agree():
    management.call_command("makemigrations", check=True, dry_run=True, verbosity=0)
