"""Campaign screens: the sheet, the audience before anything goes out, and the page that steers."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.campaigns import plan_campaign
from campaigns.enums import BatchState, CampaignState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Campaign, Content, Delivery, Segment
from contacts.enums import Role, Scope
from contacts.models import Customer, Staff
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_content,
    make_customers,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

WORDS = {"name": "Spring coats", "text": "{guide} has the new coats.", "channel": "wecom"}


@pytest.fixture
def yan() -> Staff:
    return make_staff("Yan", role=Role.MARKETER)


@pytest.fixture
def marketer(client: Client, yan: Staff) -> Client:
    return sign_in(client, yan)


def sheet(client: Client, **more: Any) -> Any:
    return client.post("/campaigns/new/", WORDS | more)


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
    for role in (Role.GUIDE, Role.MANAGER):
        sign_in(client, make_staff("Lin", role=role))
        for address in ("/campaigns/", "/campaigns/new/", f"/campaigns/{campaign.pk}/"):
            assert client.get(address).status_code == 403


def test_a_colleagues_campaign_does_not_exist_for_a_marketer_of_one_store(client: Client):
    campaign = make_campaign()
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE))

    for part in ("", "progress/", "audience/"):
        assert client.get(f"/campaigns/{campaign.pk}/{part}").status_code == 404
    for verb in ("schedule", "unschedule", "pause", "resume", "cancel", "remind", "refresh"):
        assert client.post(f"/campaigns/{campaign.pk}/{verb}/").status_code == 404
        assert client.get(f"/campaigns/{campaign.pk}/{verb}/").status_code == 405
    assert state_of(campaign) == CampaignState.DRAFT


def test_forms_need_the_token(yan: Staff):
    client = sign_in(Client(enforce_csrf_checks=True), yan)

    assert sheet(client).status_code == 403
    assert not Campaign.objects.exists()


def test_the_list_filters_by_state(marketer: Client):
    make_campaign("Spring")
    make_campaign("Winter", state=CampaignState.DONE)

    drafts = marketer.get("/campaigns/?state=draft").content.decode()

    assert "Spring" in drafts
    assert "Winter" not in drafts


def test_the_list_takes_the_same_queries_for_3_and_33_campaigns(marketer: Client):
    for _number in range(3):
        make_campaign()
    few = queries_for(marketer, "/campaigns/")

    for _number in range(30):
        make_campaign()

    assert queries_for(marketer, "/campaigns/") == few <= 10


def test_the_sheet_drafts_a_campaign_with_its_words_and_segment(marketer: Client, yan: Staff):
    tag, store = make_tag("VIP"), make_store("Xujiahui")

    response = sheet(marketer, tags=[tag.pk], stores=[store.pk], gender="female", not_met_days="30")

    campaign = Campaign.objects.get()
    assert response["Location"] == f"/campaigns/{campaign.pk}/"
    assert (campaign.state, campaign.created_by) == (CampaignState.DRAFT, yan)
    assert campaign.content
    assert campaign.segment
    assert campaign.content.text == WORDS["text"]
    assert campaign.segment.rule == {
        "all": [
            {"field": "tag", "op": "any", "value": [tag.pk]},
            {"field": "store", "op": "in", "value": [store.pk]},
            {"field": "gender", "op": "is", "value": "female"},
            {"field": "last_interaction", "op": "before_days", "value": 30},
        ]
    }


def test_two_campaigns_may_have_the_same_name(marketer: Client):
    sheet(marketer)
    sheet(marketer, name="SPRING COATS")

    assert Campaign.objects.count() == Segment.objects.count() == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"text": "汉" * 1334}, "Shorten it by 2."),
        ({"text": "Dear {customer}"}, "{customer} cannot be filled"),
        ({"not_met_days": "0"}, "greater than or equal to 1"),
        ({"tags": ["999"]}, "999 is not one of the available choices"),
    ],
)
def test_a_refused_sheet_keeps_everything_that_was_typed(
    marketer: Client, wrong: dict[str, Any], words: str
):
    tag = make_tag("VIP")
    typed = {"name": "Kept name", "tags": [tag.pk], "gender": "male"} | wrong

    response = sheet(marketer, **typed)

    page = response.content.decode()
    assert response.status_code == 400
    assert words in page
    assert "Kept name" in page or wrong.get("name") == ""
    assert '<option value="male" selected>' in page
    for model in (Campaign, Content, Segment):
        assert not model.objects.exists()


def test_the_longest_text_fits_exactly(marketer: Client):
    sheet(marketer, text="汉" * 1333 + "a")

    content = Campaign.objects.get().content
    assert content
    assert len(content.text.encode()) == 4000


def test_the_preview_counts_whom_it_reaches_before_anything_is_written(marketer: Client):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    make_customers(2, owner=lin, followed=True)
    make_customers(1, owner=mei, followed=True)
    make_customers(4, owner=mei)

    response = sheet(marketer, name="", preview="yes")

    audience = response.context["audience"]
    assert (audience.reachable, audience.batches, audience.senders) == (3, 2, 2)
    assert audience.skipped == {DeliveryReason.NO_ADDRESS: 4}
    assert "one sender per call" in response.content.decode()
    assert not Campaign.objects.exists()
    assert not Delivery.objects.exists()


def test_a_preview_that_cannot_be_counted_says_why(marketer: Client):
    response = sheet(marketer, preview="yes", not_met_days="0")

    assert response.status_code == 400
    assert "The audience could not be counted" in response.content.decode()
    assert "could not be counted" not in sheet(marketer, name="").content.decode()


def test_htmx_gets_the_preview_alone(marketer: Client):
    response = marketer.post(
        "/campaigns/new/", WORDS | {"preview": "yes"}, headers={"HX-Request": "true"}
    )

    assert "<html" not in response.content.decode()
    assert "would get it" in response.content.decode()


def test_a_marketer_of_one_store_reaches_that_store_only(client: Client):
    own, other = make_store("Own"), make_store("Other")
    make_customers(2, owner=make_staff("Lin", store=own), followed=True)
    make_customers(5, owner=make_staff("Mei", store=other), followed=True)
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=own))

    seen = sheet(client, preview="yes").context["audience"]
    forced = sheet(client, preview="yes", stores=[other.pk])

    assert seen.reachable == 2
    assert "audience" not in forced.context
    assert forced.status_code == 400


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
    assert "Batch 1, Lin, 3 recipients: waiting" in page
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
        claimed_at=NOON,
        handed_at=NOON + timedelta(seconds=seconds),
    )

    assert words in marketer.get(f"/campaigns/{campaign.pk}/").content.decode()


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
        (CampaignState.SCHEDULED, {"unschedule", "cancel"}),
        (CampaignState.PLANNED, {"pause", "cancel"}),
        (CampaignState.SENDING, {"refresh", "pause", "cancel"}),
        (CampaignState.WAITING, {"refresh", "remind", "cancel"}),
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


def test_recipients_are_filtered_by_state_and_reason(marketer: Client):
    campaign = planned()

    def shown(query: str) -> int:
        return len(marketer.get(f"/campaigns/{campaign.pk}/?{query}").context["recipients"])

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


def test_a_marketer_of_one_store_sees_no_recipient_of_another(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=make_store("Own"))
    make_customers(1, owner=make_staff("Mei", store=make_store("Other")), followed=True)
    campaign = make_campaign(created_by=yu, state=CampaignState.SENDING)
    make_batch(campaign, list(Customer.objects.all()))
    sign_in(client, yu)

    context = client.get(f"/campaigns/{campaign.pk}/").context

    assert context["recipients"] == []


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

    assert queries_for(marketer, f"/campaigns/{many.pk}/") == cost <= 12


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
