"""The pages of webhooks: for administrators of the whole company, and for nobody else."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from contacts.enums import NoticeKind, Role, Scope
from contacts.models import Notice
from crm.access import viewer_for
from crm.enums import EventState, WebhookPause, WebhookState
from crm.models import Webhook, WebhookEvent
from crm.notice_links import place_of
from crm.sealing import unseal
from tests.builders import (
    NOON,
    WEBHOOK_SECRET,
    make_staff,
    make_store,
    make_webhook,
    make_webhook_event,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

GOOD = {"url": "https://example.com/new", "events": ["staff.departed", "task.done"]}
READ = ("webhook_list", "webhook_new", "webhook_page", "webhook_change")
PRESS = (
    "webhook_new", "webhook_change", "webhook_pause", "webhook_resume", "webhook_remove",
    "webhook_secret", "webhook_test", "webhook_replay",
)  # fmt: skip


@pytest.fixture
def hua():
    return make_staff("Hua", role=Role.ADMINISTRATOR)


@pytest.fixture
def hers(client: Client, hua) -> Client:
    return sign_in(client, hua)


def at(name, webhook):
    return reverse(name, args=[] if name in {"webhook_list", "webhook_new"} else [webhook.pk])


# --- who gets in --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER, Role.MARKETER, "part"])
def test_nobody_else_gets_in(client, role):
    webhook = make_webhook()
    event = make_webhook_event(webhook, state=EventState.FAILED)
    if role == "part":
        person = make_staff(role=Role.ADMINISTRATOR, scope=Scope.STORE, store=make_store())
    else:
        person = make_staff(role=role)
    sign_in(client, person)

    for name in READ:
        assert client.get(at(name, webhook)).status_code == 403, name
    for name in PRESS:
        answer = client.post(at(name, webhook), GOOD | {"event": event.pk})
        assert answer.status_code == 403, name
    webhook.refresh_from_db()
    assert (webhook.state, unseal(webhook.secret)) == (WebhookState.ACTIVE, WEBHOOK_SECRET)
    assert Webhook.objects.count() == 1
    assert reverse("webhook_list") not in client.get(reverse("preferences")).text


def test_a_visitor_is_asked_to_sign_in(client):
    webhook = make_webhook()
    for name in READ:
        assert client.get(at(name, webhook)).status_code == 302


def test_another_site_changes_nothing(hua):
    webhook = make_webhook()
    careful = sign_in(Client(enforce_csrf_checks=True), hua)

    for name in PRESS:
        assert careful.post(at(name, webhook), GOOD).status_code == 403, name
    assert Webhook.objects.get() == webhook


def test_looking_changes_nothing(hers):
    webhook = make_webhook()
    for name in PRESS[2:]:
        assert hers.get(at(name, webhook)).status_code == 405, name


def test_a_removed_webhook_is_not_there(hers):
    webhook = make_webhook(state=WebhookState.REMOVED, secret="")

    assert hers.get(at("webhook_page", webhook)).status_code == 404
    assert "No webhook yet" in hers.get(reverse("webhook_list")).text


# --- making and changing ------------------------------------------------------------------------


def test_from_me_to_a_webhook_whose_secret_is_shown_once(hers):
    assert reverse("webhook_list") in hers.get(reverse("preferences")).text
    assert reverse("webhook_new") in hers.get(reverse("webhook_list")).text

    made = hers.post(reverse("webhook_new"), GOOD)

    webhook = Webhook.objects.get()
    secret = unseal(webhook.secret)
    assert (webhook.url, webhook.events) == (GOOD["url"], GOOD["events"])
    assert secret in made.text
    assert made["Cache-Control"] == "private, no-store"
    assert secret not in hers.get(at("webhook_page", webhook)).text


def test_everything_can_be_told(hers):
    hers.post(reverse("webhook_new"), {"url": GOOD["url"], "everything": "on"})

    assert Webhook.objects.get().events == ["*"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"url": ""}, "Enter the address"),
        ({"url": "ftp://example.com/"}, "Only https"),
        ({"url": "https://192.168.0.1/"}, "private network"),
        ({"events": []}, "Choose at least one event"),
        ({"events": ["nonsense"]}, "does not exist"),
        ({"url": "https://example.com/hook"}, "already"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(hers, wrong, said):
    make_webhook()
    answer = hers.post(reverse("webhook_new"), GOOD | wrong)

    assert answer.status_code == 400
    assert said in answer.text
    if "url" not in wrong:
        assert GOOD["url"] in answer.text
    if "events" not in wrong:
        assert re.search(r'value="task.done" checked', answer.text)
    assert Webhook.objects.count() == 1


def test_a_webhook_is_changed(hers):
    webhook = make_webhook(events=["task.done"])
    form = hers.get(at("webhook_change", webhook)).text
    assert webhook.url in form
    assert 'value="task.done" checked' in form

    answer = hers.post(at("webhook_change", webhook), GOOD, follow=True)

    assert "The webhook has been changed." in answer.text
    webhook.refresh_from_db()
    assert (webhook.url, webhook.events) == (GOOD["url"], GOOD["events"])


def test_a_new_secret_is_shown_once_and_the_old_one_holds(hers):
    webhook = make_webhook()

    answer = hers.post(at("webhook_secret", webhook))

    webhook.refresh_from_db()
    assert unseal(webhook.secret) in answer.text
    assert unseal(webhook.old_secret) == WEBHOOK_SECRET
    refused = hers.post(at("webhook_secret", webhook), follow=True)
    assert "still holds" in refused.text
    hers.post(at("webhook_secret", webhook), {"at_once": "yes"})
    webhook.refresh_from_db()
    assert webhook.old_secret == ""


def test_pause_resume_test_remove(hers):
    webhook = make_webhook()

    def press(name):
        text = hers.post(at(name, webhook), follow=True).text
        webhook.refresh_from_db()
        return text

    assert "kept for a week" in press("webhook_pause")
    assert webhook.state == WebhookState.PAUSED
    assert "already" in press("webhook_pause")
    assert "Resume it first" in press("webhook_test")
    press("webhook_resume")
    assert webhook.state == WebhookState.ACTIVE
    assert "webhook.test" in press("webhook_test")
    press("webhook_remove")
    assert webhook.state == WebhookState.REMOVED


# --- what was sent ------------------------------------------------------------------------------


def test_the_page_shows_what_was_sent_and_what_came_of_it(hers):
    webhook = make_webhook()
    make_webhook_event(
        webhook, data={"staff": 4711}, attempts=1, state=EventState.DELIVERED, status=204
    )
    failed = make_webhook_event(
        webhook,
        type="task.done",
        state=EventState.FAILED,
        attempts=8,
        error="The receiver did not answer in time.",
    )

    page = hers.get(at("webhook_page", webhook)).text
    assert "4711" in page
    assert "HTTP 204" in page
    assert "8 attempts" in page
    assert "did not answer in time" in page
    assert failed.message_id in page
    only = hers.get(at("webhook_page", webhook) + "?state=failed").text
    assert failed.message_id in only
    assert "4711" not in only


def test_the_page_renews_itself_until_a_first_call_is_through(hers):
    webhook = make_webhook()
    event = make_webhook_event(webhook)
    renews = 'hx-trigger="load delay:3s"'
    assert renews in hers.get(at("webhook_page", webhook)).text

    Webhook.objects.update(failing_since=NOON, failures=1)
    assert renews not in hers.get(at("webhook_page", webhook)).text

    Webhook.objects.update(failing_since=None, failures=0)
    WebhookEvent.objects.filter(pk=event.pk).update(attempts=1)
    assert renews not in hers.get(at("webhook_page", webhook)).text


def test_only_what_will_be_tried_again_says_when(hers):
    webhook = make_webhook()
    make_webhook_event(webhook, attempts=1, status=500, next_attempt_at=NOON)
    assert "again at" in hers.get(at("webhook_page", webhook)).text

    hers.post(at("webhook_pause", webhook))
    assert "again at" not in hers.get(at("webhook_page", webhook)).text


def test_what_failed_is_sent_again_one_by_one_or_all(hers):
    webhook = make_webhook()
    first, second = (make_webhook_event(webhook, state=EventState.FAILED) for _ in range(2))
    foreign = make_webhook_event(make_webhook("https://x.example/"), state=EventState.FAILED)

    hers.post(at("webhook_replay", webhook), {"event": first.pk})
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (EventState.WAITING, EventState.FAILED)
    assert hers.post(at("webhook_replay", webhook), {"event": foreign.pk}).status_code == 404
    assert hers.post(at("webhook_replay", webhook), {"event": "x"}).status_code == 404

    hers.post(at("webhook_replay", webhook), {"which": "failed"})
    second.refresh_from_db()
    foreign.refresh_from_db()
    assert (second.state, foreign.state) == (EventState.WAITING, EventState.FAILED)


def test_a_long_list_goes_on_on_the_next_page(hers):
    webhook = make_webhook()
    events = [make_webhook_event(webhook) for _ in range(27)]

    page = hers.get(at("webhook_page", webhook))
    assert f"after={events[2].pk}" in page.text
    rest = hers.get(at("webhook_page", webhook) + f"?after={events[2].pk}").text
    assert events[1].message_id in rest
    assert events[2].message_id not in rest


def test_a_paused_webhook_says_why(hers):
    webhook = make_webhook(state=WebhookState.PAUSED, reason=WebhookPause.FAILING)

    assert "Failed for days" in hers.get(at("webhook_page", webhook)).text


def test_the_pages_take_the_same_queries_for_any_length(hers, hua):
    webhook = make_webhook(created_by=hua)
    make_webhook_event(webhook, state=EventState.FAILED)
    hers.get(at("webhook_page", webhook))
    places = (reverse("webhook_list"), at("webhook_page", webhook))
    before = [queries_for(hers, place) for place in places]
    for number in range(3):
        make_webhook(f"https://example.com/{number}")
        make_webhook_event(webhook, state=EventState.FAILED)

    assert [queries_for(hers, place) for place in places] == before


def test_the_pages_are_free_of_inline_code_and_style(hers):
    webhook = make_webhook("https://example.com/'\"><script>alert(1)</script>")
    make_webhook_event(webhook, error="<script>alert(1)</script>", state=EventState.FAILED)
    for name in READ:
        answer = hers.get(at(name, webhook))
        assert "unsafe" not in answer["Content-Security-Policy"]
        for forbidden in ("<script>alert", "style=", "onclick", "javascript:"):
            assert forbidden not in answer.text, name


def test_a_notice_leads_to_the_webhook(hua):
    webhook = make_webhook()
    notice = Notice.objects.create(
        staff=hua,
        kind=NoticeKind.UNUSUAL,
        key="webhook",
        data={"what": "webhook", "webhook": webhook.pk, "host": "example.com"},
        created_at=NOON,
    )

    assert place_of(notice, viewer_for(hua)) == at("webhook_page", webhook)
