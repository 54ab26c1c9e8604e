"""Campaign screens: the sheet, the audience before anything goes out, and the page that steers."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.campaigns import cancel_campaign, plan_campaign
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, ChannelPace, Delivery
from campaigns.queries import delivery_counts
from contacts.enums import Role, Scope
from contacts.models import Customer, HistoryEntry, Staff
from crm.campaign_queries import explain_batches
from crm.campaign_watch import watch_batches
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_content,
    make_customers,
    make_staff,
    make_store,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db


def planned(recipients: int = 6) -> Campaign:
    """A campaign to two guides' customers, planned and ready to be sent."""
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(recipients // 2, owner=lin, followed=True)
    make_customers(recipients - recipients // 2, owner=mei, followed=True)
    make_customers(2)
    content = make_content("{guide} has the new coats.")
    campaign = make_campaign(content=content, state=CampaignState.SCHEDULED)
    plan_campaign(campaign.pk, now=timezone.now())
    campaign.refresh_from_db()
    return campaign


def state_of(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.state


def test_guides_and_managers_have_no_business_here(client: Client):
    campaign = make_campaign()
    page = f"/campaigns/{campaign.pk}/"
    own = ("", "edit/", "edit/check/", "batches/", "progress/", "audience/")
    everybodys = ("", "new/", "new/audience/", "calendar/")
    for role in (Role.GUIDE, Role.MANAGER):
        sign_in(client, make_staff("Lin", role=role))
        for address in [f"/campaigns/{part}" for part in everybodys] + [
            page + part for part in own
        ]:
            assert client.get(address).status_code == 403
        for part in ("recipients.csv", "unclear/check/", "edit/message/"):
            assert client.post(page + part).status_code == 403


def test_a_colleagues_campaign_does_not_exist_for_a_marketer_of_one_store(client: Client):
    campaign = make_campaign()
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE))

    for part in ("", "progress/", "audience/", "batches/", "edit/", "edit/when/"):
        assert client.get(f"/campaigns/{campaign.pk}/{part}").status_code == 404
    for verb in (
        "approve",
        "send-back",
        "clone",
        "schedule",
        "unschedule",
        "pause",
        "resume",
        "cancel",
        "remind",
        "refresh",
    ):
        assert client.post(f"/campaigns/{campaign.pk}/{verb}/").status_code == 404
        assert client.get(f"/campaigns/{campaign.pk}/{verb}/").status_code == 405
    for part in ("recipients.csv", "unclear/write-off/", "edit/message/"):
        assert client.post(f"/campaigns/{campaign.pk}/{part}").status_code == 404
    assert state_of(campaign) == CampaignState.DRAFT


def test_the_list_filters_by_state(marketer: Client):
    make_campaign("Spring")
    make_campaign("Winter", state=CampaignState.DONE)

    drafts = marketer.get("/campaigns/?state=draft").content.decode()

    assert "Spring" in drafts
    assert "Winter" not in drafts


def test_the_list_filters_by_channel_author_and_words(marketer: Client, yan: Staff):
    make_campaign("Spring", created_by=yan)
    make_campaign("Spring mail", channel="email")

    def names(query: str) -> list[str]:
        rows = marketer.get(f"/campaigns/?{query}").context["rows"]
        return [row.campaign.name for row in rows]

    assert names("") == ["Spring mail", "Spring"]
    assert names("channel=email") == ["Spring mail"]
    assert names("mine=1") == ["Spring"]
    assert names("q=MAIL") == ["Spring mail"]
    assert names("q=mail&mine=1") == []
    assert names("channel=nonsense&q=%00") == ["Spring mail", "Spring"]


def test_no_recipient_like_this_leads_back_to_all(marketer: Client):
    campaign = planned()
    back = f'href="/campaigns/{campaign.pk}/#recipients">Show all'

    assert back in marketer.get(f"/campaigns/{campaign.pk}/?state=replied").text
    assert back not in marketer.get(f"/campaigns/{campaign.pk}/").text


@pytest.mark.parametrize("address", ["/campaigns/new/when/", "/posts/new/"])
def test_a_time_that_was_chosen_is_not_called_optional(marketer: Client, address: str):
    page = marketer.get(address).text
    label = page[page.index('for="id_send_at"') :]

    assert "optional" not in label[: label.index("</label>")]


def test_the_list_takes_the_same_queries_for_3_and_33_campaigns(marketer: Client):
    for _number in range(3):
        make_campaign()
    few = queries_for(marketer, "/campaigns/")

    for _number in range(30):
        make_campaign()

    assert queries_for(marketer, "/campaigns/") == few <= 11


def test_a_draft_is_sent_now(marketer: Client):
    campaign = make_campaign()

    marketer.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now", "send_at": "rubbish"})

    assert state_of(campaign) == CampaignState.SCHEDULED
    assert campaign.send_at
    assert campaign.send_at <= timezone.now()


def test_a_draft_is_scheduled_in_local_time(marketer: Client):
    campaign = make_campaign()
    later = timezone.localtime() + timedelta(days=3)
    typed = later.strftime("%Y-%m-%dT%H:%M")

    marketer.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "later", "send_at": typed})

    assert state_of(campaign) == CampaignState.SCHEDULED
    assert campaign.send_at == later.replace(second=0, microsecond=0)


@pytest.mark.parametrize("typed", ["", "2020-01-01T10:00", "soon", "2999-01-01T10:00"])
def test_a_time_that_cannot_be_is_refused_and_kept(marketer: Client, typed: str):
    campaign = make_campaign()

    response = marketer.post(
        f"/campaigns/{campaign.pk}/schedule/", {"when": "later", "send_at": typed}
    )

    assert response.status_code == 400
    assert typed in response.content.decode()
    assert state_of(campaign) == CampaignState.DRAFT


def test_a_scheduled_campaign_can_become_a_draft_again(marketer: Client):
    campaign = make_campaign(state=CampaignState.SCHEDULED)

    marketer.post(f"/campaigns/{campaign.pk}/unschedule/")

    assert state_of(campaign) == CampaignState.DRAFT


def test_a_running_campaign_shows_every_batch_and_adds_up(marketer: Client):
    campaign = planned()

    response = marketer.get(f"/campaigns/{campaign.pk}/")

    page = response.content.decode()
    assert sum(response.context["states"].values()) == 8
    assert "Batch 1, 3 recipients: waiting" in page
    assert "Skipped: no address in the channel" in page
    assert "one sender per call" in page


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "200 handed over in 1 second"),
        (30, "200 handed over in 30 seconds"),
        (120, "200 handed over, 100 a minute"),
    ],
)
def test_the_pace_is_said_without_guessing(marketer: Client, seconds: int, words: str):
    campaign = make_campaign(state=CampaignState.SENDING)
    make_batch(
        campaign,
        make_customers(200),
        state=BatchState.HANDED,
        delivery_state=DeliveryState.HANDED,
        claimed_at=NOON,
        handed_at=NOON + timedelta(seconds=seconds),
    )

    assert words in marketer.get(f"/campaigns/{campaign.pk}/").content.decode()


def test_the_pace_counts_whom_the_channel_has_taken_and_nobody_else(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING)
    people = make_customers(20)
    times = {"claimed_at": NOON, "done_at": NOON + timedelta(seconds=30)}
    make_batch(
        campaign, people[:6], state=BatchState.DONE, delivery_state=DeliveryState.SENT, **times
    )
    make_batch(campaign, people[6:10], state=BatchState.UNCLEAR, delivery_state=DeliveryState.SENT)
    make_batch(
        campaign, people[10:15], state=BatchState.CANCELLED, delivery_state=DeliveryState.SENT
    )
    make_batch(campaign, people[15:])
    deliveries = Delivery.objects.filter(campaign=campaign)
    deliveries.filter(customer=people[0]).update(state="skipped", reason="opted_out")
    deliveries.filter(customer=people[1]).update(state="failed", reason="channel_error")
    deliveries.filter(customer=people[2]).update(state="failed", reason="bounced")
    deliveries.filter(customer=people[6]).update(state="unclear")
    deliveries.filter(customer=people[10]).update(state="cancelled")

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    assert "11 handed over in 30 seconds" in page  # 3 sent, 1 bounced, 3 and 4 beside what is not


def test_the_pace_is_measured_until_now_while_letters_go_out(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo")
    people = make_customers(6)
    make_batch(
        campaign,
        people[:2],
        state=BatchState.DONE,
        delivery_state=DeliveryState.SENT,
        claimed_at=NOON,
        done_at=NOON + timedelta(seconds=8),
    )
    make_batch(
        campaign,
        people[2:],
        state=BatchState.SENDING,
        delivery_state=DeliveryState.SENT,
        claimed_at=NOON + timedelta(seconds=4),
        lease_token=uuid4(),
        lease_until=NOON + timedelta(seconds=64),
    )

    for later, words in ((20, "6 handed over in 20 seconds"), (120, "6 handed over, 3 a minute")):
        batches = watch_batches(
            campaign, delivery_counts(campaign), now=NOON + timedelta(seconds=later)
        )
        assert str(batches.pace) == words


def test_whoever_waits_for_a_winner_is_not_counted_into_the_time_left(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo")
    people = make_customers(6)
    times = {"claimed_at": NOON, "done_at": NOON + timedelta(seconds=8)}
    make_batch(
        campaign, people[:2], state=BatchState.DONE, delivery_state=DeliveryState.SENT, **times
    )
    make_batch(campaign, people[2:], state=BatchState.HELD)

    counts = delivery_counts(campaign)
    pace = watch_batches(campaign, counts, now=NOON + timedelta(seconds=9)).pace

    assert (pace.handed, pace.left, pace.time_left) == (2, 0, "")


def test_a_pace_that_cannot_be_told_leaves_no_separator_behind(marketer: Client):
    campaign = make_campaign(state=CampaignState.PAUSED, channel="echo", recipients=2, skipped=1)
    make_batch(campaign, make_customers(2), delivery_state=DeliveryState.SENT)

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    assert "1 skipped</p>" in page


def test_what_a_channel_says_of_single_letters_is_shown_once(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo")
    people = make_customers(6)
    words = "the mail server refused the mail (554 5.7.1)"
    for start in (0, 2):
        make_batch(campaign, people[start : start + 2], state=BatchState.DONE, error=words)
    make_batch(campaign, people[4:], state=BatchState.UNCLEAR, error="The worker stopped.")
    Delivery.objects.filter(campaign=campaign, customer=people[0]).update(
        state="failed", reason="channel_error"
    )

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    assert f"Refused in 2 batches: {words}" in page
    assert "Failed: the channel refused it" in page
    assert "The worker stopped." not in page


def test_large_figures_are_grouped_everywhere(marketer: Client):
    campaign = make_campaign(state=CampaignState.WAITING, recipients=1050, skipped=1030)

    listed = marketer.get("/campaigns/").content.decode()
    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    assert "1,050 recipients" in listed
    assert "1,030 skipped" in listed
    assert "1050" not in listed
    assert "<strong>1,050</strong> recipients" in page
    assert "1,050 recipients would fit into 6 batches" in explain_batches(1050, 13, 11, 6)


def test_pause_resume_and_cancel(marketer: Client):
    campaign = planned()
    page = f"/campaigns/{campaign.pk}/"

    marketer.post(page + "pause/")
    assert state_of(campaign) == CampaignState.PAUSED
    assert "Resume" in marketer.get(page).content.decode()

    marketer.post(page + "resume/")
    assert state_of(campaign) == CampaignState.SENDING

    marketer.post(page + "cancel/")
    assert state_of(campaign) == CampaignState.CANCELLED
    assert not campaign.deliveries.filter(state=DeliveryState.QUEUED).exists()


def test_a_button_of_an_old_page_is_answered_with_the_fresh_one(marketer: Client):
    campaign = make_campaign(state=CampaignState.DONE)

    response = marketer.post(f"/campaigns/{campaign.pk}/pause/", follow=True)
    answer = marketer.post(f"/campaigns/{campaign.pk}/pause/", headers={"HX-Request": "true"})

    assert "cannot become paused" in response.content.decode()
    assert answer.status_code == 409
    assert state_of(campaign) == CampaignState.DONE


@pytest.mark.parametrize(
    ("state", "buttons"),
    [
        (CampaignState.DRAFT, {"cancel"}),
        (CampaignState.SCHEDULED, {"unschedule", "pause", "cancel"}),
        (CampaignState.PLANNED, {"pause", "cancel"}),
        (CampaignState.SENDING, {"refresh", "pause", "cancel"}),
        (CampaignState.WAITING, {"refresh", "remind", "pause", "cancel"}),
        (CampaignState.PAUSED, {"refresh", "resume", "cancel"}),
        (CampaignState.DONE, set()),
        (CampaignState.CANCELLED, set()),
    ],
)
def test_only_the_buttons_of_its_state_are_there(
    marketer: Client, state: CampaignState, buttons: set[str]
):
    campaign = make_campaign(state=state)

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    verbs = ("unschedule", "pause", "resume", "cancel", "remind", "refresh")
    assert {
        verb for verb in verbs if f'action="/campaigns/{campaign.pk}/{verb}/"' in page
    } == buttons


def test_reminding_nobody_says_so(marketer: Client, settings: Any):
    settings.WECOM_CORP_ID = "corp"
    campaign = make_campaign(state=CampaignState.WAITING)

    response = marketer.post(f"/campaigns/{campaign.pk}/remind/", follow=True)

    assert "Everybody has confirmed" in response.content.decode()


def test_an_unclear_batch_is_explained(marketer: Client):
    campaign = planned()
    Batch.objects.filter(campaign=campaign, seq=1).update(state=BatchState.UNCLEAR)

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()

    assert "1 batch is unclear" in page
    assert "sent again only if WeCom does not have it" in page


@pytest.mark.parametrize(
    ("language", "words", "untrue"),
    [
        ("en", "to know who has got it; it is not sent again", "sent again only if"),
        ("zh-hans", "以确认谁已收到；不会重发", "才会重发"),
    ],
)
def test_what_is_unclear_of_a_cancelled_campaign_is_not_said_to_go_again(
    marketer: Client, language: str, words: str, untrue: str
):
    campaign = planned()
    Batch.objects.filter(campaign=campaign, seq=1).update(state=BatchState.UNCLEAR)
    cancel_campaign(campaign, actor=None, now=timezone.now())

    page = marketer.get(f"/campaigns/{campaign.pk}/", headers={"accept-language": language}).text

    assert words in page
    assert untrue not in page


PARTS = pytest.mark.parametrize("part", ["", "recipients/"])


@PARTS
def test_recipients_are_filtered_by_state_and_reason(marketer: Client, part: str):
    campaign = planned()

    def shown(query: str) -> int:
        return len(marketer.get(f"/campaigns/{campaign.pk}/{part}?{query}").context["recipients"])

    assert shown("") == 8
    assert shown("state=skipped&reason=no_address") == 2
    assert shown("state=queued") == 6
    assert shown("reason=opted_out") == 0


def test_recipients_are_paged_without_losing_or_repeating_anybody(marketer: Client):
    campaign = planned(118)
    seen, address = [], f"/campaigns/{campaign.pk}/"
    while address:
        context = marketer.get(address).context
        seen += [delivery.customer_id for delivery in context["recipients"]]
        last = context["last"]
        address = f"/campaigns/{campaign.pk}/?after={last.customer_id}" if last else ""

    assert sorted(seen) == sorted(Customer.objects.values_list("pk", flat=True))


@PARTS
def test_a_marketer_of_one_store_sees_no_recipient_of_another(client: Client, part: str):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=make_store("Own"))
    make_customers(1, owner=make_staff("Mei", store=make_store("Other")), followed=True)
    campaign = make_campaign(created_by=yu, state=CampaignState.SENDING)
    make_batch(campaign, list(Customer.objects.all()))
    sign_in(client, yu)

    context = client.get(f"/campaigns/{campaign.pk}/{part}").context

    assert context["recipients"] == []


def test_the_recipients_alone_go_on_asking_while_the_campaign_is_live(marketer: Client):
    campaign = planned()
    address = f"/campaigns/{campaign.pk}/recipients/?state=queued&amp;reason=&amp;after="

    page = marketer.get(f"/campaigns/{campaign.pk}/?state=queued").content.decode()
    rows = marketer.get(f"/campaigns/{campaign.pk}/recipients/?state=queued").content.decode()
    Campaign.objects.update(state=CampaignState.PAUSED)
    paused = marketer.get(f"/campaigns/{campaign.pk}/recipients/?state=queued").content.decode()

    assert f'hx-get="{address}"' in page
    assert f'hx-get="{address}"' in rows
    assert rows.strip().startswith('<div id="recipient-rows"')
    assert "hx-get" not in paused


def test_the_page_takes_the_same_queries_for_3_and_300_recipients(marketer: Client):
    few, many = (
        make_campaign(state=CampaignState.SENDING),
        make_campaign(state=CampaignState.SENDING),
    )
    lin = make_staff("Lin")
    make_batch(few, make_customers(3), sender=lin)
    for _batch in range(3):
        make_batch(many, make_customers(100), sender=lin)

    cost = queries_for(marketer, f"/campaigns/{few.pk}/")

    assert queries_for(marketer, f"/campaigns/{many.pk}/") == cost <= 16


def test_what_was_refused_costs_the_same_query_for_1_and_30_batches(marketer: Client):
    few, many = (
        make_campaign(state=CampaignState.SENDING, channel="echo"),
        make_campaign(state=CampaignState.SENDING, channel="echo"),
    )
    make_batch(few, make_customers(2), state=BatchState.REFUSED, error="no")
    for number in range(30):
        make_batch(many, make_customers(2), state=BatchState.REFUSED, error=f"no ({number})")
    Delivery.objects.update(state="failed", reason="channel_error")

    cost = queries_for(marketer, f"/campaigns/{few.pk}/")

    assert queries_for(marketer, f"/campaigns/{many.pk}/") == cost <= 17


def test_the_live_part_asks_for_the_whole_page_when_the_state_has_changed(marketer: Client):
    campaign = planned()
    part = f"/campaigns/{campaign.pk}/progress/?was=planned"
    same = marketer.get(part)
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.SENDING)

    changed = marketer.get(part)

    assert "HX-Refresh" not in same
    assert "HX-Trigger" not in same
    assert changed["HX-Refresh"] == "true"
    assert marketer.get(part + "&stand=1-2")["HX-Trigger"] == "campaign-moved"
    assert 'hx-trigger="every 2s"' in same.content.decode()


def test_batches_are_gathered_into_200_cells_at_most(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING)
    Batch.objects.bulk_create(
        Batch(campaign=campaign, seq=seq, size=200, state=BatchState.DONE) for seq in range(1, 1002)
    )
    Batch.objects.filter(campaign=campaign, seq=8).update(state=BatchState.UNCLEAR)

    response = marketer.get(f"/campaigns/{campaign.pk}/progress/")

    batches = response.context["batches"]
    assert (len(batches.cells), batches.per_cell, batches.total) == (167, 6, 1001)
    assert batches.cells[1].state == BatchState.UNCLEAR
    assert batches.cells[1].size == 1200
    assert "Batch 7-12, 1200 recipients" in response.content.decode()
    assert sum(sum(cell.states.values()) for cell in batches.cells) == 1001


def test_the_live_part_takes_few_queries_however_many_batches(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING)
    part = f"/campaigns/{campaign.pk}/progress/"
    cost = queries_for(marketer, part)
    Batch.objects.bulk_create(
        Batch(campaign=campaign, seq=seq, size=1, state=BatchState.DONE) for seq in range(1, 500)
    )

    assert queries_for(marketer, part) == cost <= 9


def test_batches_are_listed_page_by_page_and_by_state(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING)
    Batch.objects.bulk_create(
        Batch(campaign=campaign, seq=seq, size=1, state=BatchState.DONE) for seq in range(1, 121)
    )
    Batch.objects.filter(campaign=campaign, seq=7).update(
        state=BatchState.REFUSED, error="no such sender"
    )
    page = f"/campaigns/{campaign.pk}/batches/"
    seen, address = [], page
    while address:
        context = marketer.get(address).context
        seen += [batch.seq for batch in context["rows"]]
        address = f"{page}?after={context['last'].seq}" if context["last"] else ""

    assert seen == list(range(1, 121))
    refused = marketer.get(page + "?state=refused")
    assert [batch.seq for batch in refused.context["rows"]] == [7]
    assert "no such sender" in refused.content.decode()


def test_what_is_unclear_is_decided_by_a_person(marketer: Client):
    campaign = planned()
    Batch.objects.filter(campaign=campaign, seq=1).update(state=BatchState.UNCLEAR)
    Delivery.objects.filter(campaign=campaign, batch__seq=1).update(state=DeliveryState.UNCLEAR)
    page = f"/campaigns/{campaign.pk}/"

    assert marketer.post(page + "unclear/nonsense/").status_code == 404
    marketer.post(page + "unclear/write-off/")

    failed = Delivery.objects.filter(campaign=campaign, state=DeliveryState.FAILED)
    assert {row.reason for row in failed} == {DeliveryReason.WRITTEN_OFF}
    again = marketer.post(page + "unclear/write-off/", follow=True)
    assert "Nothing is unclear" in again.content.decode()


def test_a_page_of_letters_speaks_of_its_own_channel(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo")
    make_batch(campaign, make_customers(3), state=BatchState.UNCLEAR, sender=None)

    page = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()
    main = page[page.index("<main") :]

    assert "WeCom" not in main
    assert "staff have not confirmed" not in main


def test_who_is_waited_for_is_said_by_name(marketer: Client):
    campaign = make_campaign(state=CampaignState.WAITING)
    lin = make_staff("Lin")
    make_batch(campaign, make_customers(2), state=BatchState.HANDED, sender=lin, handed_at=NOON)
    make_batch(
        campaign,
        make_customers(3),
        state=BatchState.HANDED,
        sender=lin,
        handed_at=NOON,
        reminders=2,
    )
    make_batch(campaign, make_customers(1), state=BatchState.DONE, sender=make_staff("Mei"))

    waited = marketer.get(f"/campaigns/{campaign.pk}/").context["waited"]

    assert [(row.name, row.batches, row.recipients, row.reminders) for row in waited] == [
        ("Lin", 2, 5, 2)
    ]


def test_a_channel_that_rests_says_so(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo")
    ChannelPace.objects.create(
        channel="echo", rest_until=timezone.now() + timedelta(minutes=5), why="gateway is down"
    )

    assert "gateway is down" in marketer.get(f"/campaigns/{campaign.pk}/").content.decode()


def test_who_did_not_get_it_is_a_file(marketer: Client, yan: Staff):
    campaign = planned()
    Customer.objects.filter(deliveries__state="skipped").update(name="=1+1")

    answer = marketer.post(f"/campaigns/{campaign.pk}/recipients.csv?state=not_got")

    lines = answer.getvalue().decode().splitlines()
    assert len(lines) == 3
    assert all(line.startswith("'=1+1,") for line in lines[1:])
    entry = HistoryEntry.objects.get(action="recipients.exported")
    assert (entry.actor, entry.data) == (yan, {"rows": 2, "campaign": campaign.pk})
    assert marketer.get(f"/campaigns/{campaign.pk}/recipients.csv").status_code == 405


def test_beyond_the_rows_of_the_day_no_recipient_is_exported(marketer: Client, settings: Any):
    settings.EXPORT_ROWS = 7
    campaign = planned()

    answer = marketer.post(f"/campaigns/{campaign.pk}/recipients.csv", follow=True)

    assert "you may export 7 more today" in answer.content.decode()
    assert not HistoryEntry.objects.filter(action="recipients.exported").exists()


def test_it_is_said_why_nobody_would_get_it(marketer: Client):
    lin = make_staff("Lin")
    campaign = make_campaign()

    nobody = marketer.get(f"/campaigns/{campaign.pk}/audience/").text
    make_customers(2, owner=lin)
    without_address = marketer.get(f"/campaigns/{campaign.pk}/audience/").text

    assert "no customer that you see is described by it" in nobody
    assert "for the reasons above" in without_address


def test_what_a_poll_brings_anew_has_a_name_for_the_focus(marketer: Client):
    campaign = planned()
    Batch.objects.filter(campaign=campaign).update(state=BatchState.UNCLEAR)

    part = marketer.get(f"/campaigns/{campaign.pk}/progress/").text

    pressed = re.findall(r"<(?:a|button)\b[^>]*>", part)
    assert len(pressed) > 3
    assert [tag for tag in pressed if " id=" not in tag] == []


def waiting_for_approval(maker: Staff) -> Campaign:
    return make_campaign(
        state=CampaignState.REVIEW,
        created_by=maker,
        send_at=timezone.now() + timedelta(days=1),
        asked_recipients=1200,
        planned_at=None,
        recipients=None,
        skipped=None,
    )


def test_somebody_else_approves(marketer: Client, yan: Staff):
    own, hers = waiting_for_approval(yan), waiting_for_approval(make_staff("Hua"))
    assert "It goes to 1,200 recipients" in marketer.get(f"/campaigns/{hers.pk}/").content.decode()

    refused = marketer.post(f"/campaigns/{own.pk}/approve/", follow=True)
    marketer.post(f"/campaigns/{hers.pk}/approve/")

    assert "Somebody else has to decide" in refused.content.decode()
    assert state_of(own) == CampaignState.REVIEW
    assert state_of(hers) == CampaignState.SCHEDULED
    assert hers.approved_by == yan


def test_nobody_is_offered_to_decide_about_their_own(marketer: Client, yan: Staff):
    own, hers = waiting_for_approval(yan), waiting_for_approval(make_staff("Hua"))

    said, asked = (marketer.get(f"/campaigns/{one.pk}/").text for one in (own, hers))

    assert "has to approve it" in said
    assert f"/campaigns/{own.pk}/approve/" not in said
    assert f"/campaigns/{own.pk}/send-back/" not in said
    assert f"/campaigns/{hers.pk}/approve/" in asked
    assert f"/campaigns/{hers.pk}/send-back/" in asked


def test_sending_back_needs_a_reason(marketer: Client):
    campaign = waiting_for_approval(make_staff("Hua"))
    page = f"/campaigns/{campaign.pk}/"

    assert "Say why" in marketer.post(page + "send-back/", follow=True).content.decode()
    assert state_of(campaign) == CampaignState.REVIEW
    marketer.post(page + "send-back/", {"reason": "The price is wrong"})
    assert state_of(campaign) == CampaignState.DRAFT


def test_another_like_it_opens_in_the_editor(marketer: Client):
    campaign = make_campaign("Spring", state=CampaignState.DONE)

    answer = marketer.post(f"/campaigns/{campaign.pk}/clone/")

    copy = Campaign.objects.exclude(pk=campaign.pk).get()
    assert answer["Location"] == f"/campaigns/{copy.pk}/edit/"
    assert (copy.name, copy.state) == ("Spring (copy)", CampaignState.DRAFT)


def test_a_campaign_of_letters_waits_for_no_staff(marketer: Client):
    campaign = make_campaign(state=CampaignState.SENDING, channel="echo", planned_at=NOON)

    sending = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()
    Campaign.objects.update(state=CampaignState.WAITING)
    waiting = marketer.get(f"/campaigns/{campaign.pk}/").content.decode()
    listed = marketer.get("/campaigns/").content.decode()

    for page in (sending, waiting, listed):
        assert "waiting for staff</span>" not in page.replace("\n", "")
    assert "waiting for what is unclear" not in sending
    assert "waiting for what is unclear" in waiting
    assert "waiting for what is unclear" in listed
