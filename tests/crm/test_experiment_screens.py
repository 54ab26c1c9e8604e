"""Wordings, control group and time zones: in the editor, and on the page of the campaign."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.campaigns import plan_campaign, schedule_campaign
from campaigns.actions.experiments import Trial, VariantWords, set_experiment
from campaigns.channels import abilities_of
from campaigns.enums import BatchState, CampaignState, DeliveryReason
from campaigns.models import (
    Batch,
    Campaign,
    CampaignDraft,
    Content,
    Delivery,
    Experiment,
    Variant,
)
from contacts.enums import Role, Scope
from contacts.models import HistoryEntry, Staff
from tests.builders import make_campaign, make_content, make_customers, make_staff, sign_in

pytestmark = pytest.mark.django_db

MESSAGE = {"name": "Spring coats", "text": "Coats are here.", "channel": "echo"}
NEW = "/campaigns/new/"
TRIED = {
    "text_b": "New: coats!",
    "share_a": "60",
    "share_b": "40",
    "test_share": "20",
    "winner_rule": "reply",
    "winner_after_hours": "24",
    "control_share": "5",
}
HAND = Trial(
    variants=(VariantWords(share=50, text="One"), VariantWords(share=50, text="Two")),
    test_share=20,
    winner_rule="hand",
)


def type_in(client: Client, step: str, go: str = "next", *, at: str = NEW, **fields: Any) -> Any:
    seen = client.get(at).context["version"]
    return client.post(f"{at}{step}/", {"version": seen, "go": go, "window": ""} | fields)


def finish(client: Client, go: str = "save", at: str = NEW) -> Any:
    return client.post(f"{at}check/", {"version": client.get(at).context["version"], "go": go})


def test_the_bytes_of_a_wording_are_counted_against_the_channel(marketer: Client) -> None:
    type_in(marketer, "message", **MESSAGE)

    page = marketer.get(f"{NEW}test/").text

    limit = abilities_of("echo").text_bytes
    for letter in "bcd":
        assert f'data-bytes-for="id_text_{letter}" data-bytes-limit="{limit}"' in page


def wordings(campaign: Campaign) -> list[tuple[int, str]]:
    return list(campaign.variants.order_by("number").values_list("share", "text"))


def planned(trial: Trial = HAND, *, people: int = 100) -> Campaign:
    now = timezone.now()
    make_customers(people, owner=make_staff("Lin"))
    campaign = make_campaign(channel="echo", content=make_content("One"))
    set_experiment(campaign, trial, actor=None, now=now)
    schedule_campaign(campaign, send_at=now, actor=None, now=now)
    plan_campaign(campaign.pk, now=now)
    campaign.refresh_from_db()
    return campaign


def test_the_message_is_wording_a_and_others_are_tried_against_it(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    assert type_in(marketer, "test", **TRIED)["Location"] == f"{NEW}when/"
    assert "New: coats!" in marketer.get(f"{NEW}check/").text

    assert finish(marketer).status_code == 302

    campaign = Campaign.objects.get()
    split = Experiment.objects.get()
    assert wordings(campaign) == [(60, "Coats are here."), (40, "New: coats!")]
    assert (split.control_share, split.test_share) == (5, 20)
    assert (split.winner_rule, split.winner_after_hours) == ("reply", 24)
    assert "New: coats!" in marketer.get(f"/campaigns/{campaign.pk}/").text


def test_without_shares_they_are_equal(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "test", text_b="Two", text_c="Three")
    finish(marketer)

    assert wordings(Campaign.objects.get()) == [
        (34, "Coats are here."),
        (33, "Two"),
        (33, "Three"),
    ]


def test_a_control_group_needs_no_other_wording(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "test", control_share="10")
    finish(marketer)

    assert Experiment.objects.get().control_share == 10
    assert not Variant.objects.exists()


def test_who_tries_nothing_has_no_test(marketer: Client):
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "test")
    finish(marketer)

    assert Campaign.objects.exists()
    assert not Experiment.objects.exists()
    assert not HistoryEntry.objects.filter(action="campaign.split").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"share_b": "50"}, "The shares add up to 110"),
        ({"share_b": ""}, "The shares add up to 60"),
        ({"share_a": "0"}, "a whole number from 1 to"),
        ({"text_b": ""}, "Write this wording, or empty its share."),
        ({"text_b": "", "share_b": "", "share_a": ""}, "Write another wording to compare"),
        ({"text_c": "", "text_d": "Four", "share_d": "1"}, "Write wording C before this one."),
        ({"winner_rule": ""}, "Say how the winner is found."),
        ({"winner_rule": "applause"}, "Select a valid choice"),
        ({"winner_after_hours": ""}, "Say after how many hours."),
        ({"winner_after_hours": "721"}, "whole number from 1 to 720."),
        ({"test_share": ""}, "Say on how many it is tried first."),
        ({"test_share": "100"}, "whole number from 1 to 99."),
        ({"control_share": "51"}, "whole number from 0 to 50."),
    ],
)
def test_a_refused_test_says_why_and_keeps_what_was_typed(
    marketer: Client, wrong: dict[str, str], words: str
):
    type_in(marketer, "message", **MESSAGE)

    answer = type_in(marketer, "test", **TRIED | wrong)

    assert answer.status_code == 400
    assert words in answer.text
    kept = CampaignDraft.objects.get().fields
    assert all(kept[name] == [value] for name, value in (TRIED | wrong).items())
    assert marketer.get(f"{NEW}check/").context["wrong"][0]["step"].name == "test"
    assert finish(marketer).status_code == 400
    assert not Campaign.objects.exists()


@pytest.mark.parametrize(
    ("rule", "label"),
    [("read", "most read"), ("click", "most clicked"), ("reply", "most answered")],
)
def test_what_the_channel_does_not_tell_wins_nothing(marketer: Client, rule: str, label: str):
    type_in(marketer, "message", **MESSAGE | {"channel": "wecom"})

    offered = marketer.get(f"{NEW}test/").text
    assert f'value="{rule}"' not in offered
    assert 'value="conversion"' in offered
    assert 'value="hand"' in offered
    answer = type_in(marketer, "test", **TRIED | {"winner_rule": rule})

    assert f"does not tell which wording is {label}" in answer.text


def test_a_wording_too_long_for_the_channel_is_refused(marketer: Client):
    type_in(marketer, "message", **MESSAGE | {"channel": "wecom"})

    assert "Shorten it by" in type_in(marketer, "test", text_b="汉" * 1334).text


def test_an_older_draft_that_asks_wecom_who_answered_says_what_to_choose(marketer: Client):
    campaign = make_campaign(content=make_content("One"))
    trial = Trial(
        variants=HAND.variants, test_share=20, winner_rule="conversion", winner_after_hours=2
    )
    set_experiment(campaign, trial, actor=None, now=timezone.now())
    Experiment.objects.update(winner_rule="reply")

    answer = marketer.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"}, follow=True)

    assert "which wording is most answered. Let the one that is most bought win" in answer.text
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DRAFT
    edit = f"/campaigns/{campaign.pk}/edit/"
    assert marketer.get(f"{edit}check/").context["wrong"][0]["step"].name == "test"
    assert (
        "Let the one that is most bought win"
        in type_in(marketer, "test", at=edit, **TRIED | {"text_b": "Two"}).text
    )


def test_words_that_the_channel_cannot_fill_write_nothing(marketer: Client):
    type_in(marketer, "message", **MESSAGE | {"channel": "wecom"})
    type_in(marketer, "test", text_b="Dear {customer}")

    answer = finish(marketer)

    assert answer.status_code == 400
    assert "{customer} cannot be filled" in answer.text
    assert not Campaign.objects.exists()
    assert not Content.objects.exists()


def test_a_split_is_changed_and_taken_away(marketer: Client):
    campaign = make_campaign(channel="echo", content=make_content("One"))
    set_experiment(campaign, HAND, actor=None, now=timezone.now())
    edit = f"/campaigns/{campaign.pk}/edit/"
    assert 'value="50"' in marketer.get(f"{edit}test/").text

    type_in(marketer, "message", "keep", at=edit, **MESSAGE | {"text": "First"})
    finish(marketer, at=edit)
    assert wordings(campaign) == [(50, "First"), (50, "Two")]

    type_in(marketer, "test", at=edit)
    finish(marketer, at=edit)
    assert not Experiment.objects.exists()
    assert not Variant.objects.exists()


def test_a_split_changed_by_somebody_else_is_not_overwritten(marketer: Client):
    campaign = make_campaign(channel="echo", content=make_content("One"))
    edit = f"/campaigns/{campaign.pk}/edit/"
    type_in(marketer, "test", "keep", at=edit, control_share="10")
    set_experiment(campaign, HAND, actor=None, now=timezone.now())

    assert finish(marketer, at=edit).status_code == 409
    assert Experiment.objects.get().control_share == 0


def test_a_campaign_goes_out_by_the_clock_of_a_zone(marketer: Client):
    day = (timezone.now() + timedelta(days=3)).date()
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "when", when="later", send_at=f"{day}T10:00", zone="America/New_York")
    page = marketer.get(f"{NEW}check/").text

    finish(marketer, "schedule")

    campaign = Campaign.objects.get()
    assert "America/New_York" in page
    assert (campaign.local_time, campaign.zone) == (f"{day}T10:00:00", "America/New_York")
    assert campaign.send_at is not None
    assert campaign.send_at.hour in {14, 15}
    assert "10:00 America/New_York" in marketer.get(f"/campaigns/{campaign.pk}/").text


def test_a_time_that_no_clock_shows_is_named(marketer: Client):
    year = timezone.now().year + 1
    march = date(year, 3, 31)
    sunday = march - timedelta(days=(march.weekday() + 1) % 7)  # clocks are put forward in Paris
    skipped = {"when": "later", "send_at": f"{sunday}T02:30", "zone": "Europe/Paris"}
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "when", **skipped)
    assert "It goes out at 03:30." in marketer.get(f"{NEW}check/").text

    draft = make_campaign()
    answer = marketer.post(f"/campaigns/{draft.pk}/schedule/", skipped, follow=True)

    draft.refresh_from_db()
    assert "It goes out at 03:30." in answer.text
    assert draft.send_at is not None
    assert f"{draft.send_at:%H:%M}" == "01:30"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"send_at": "0001-01-01T00:00"}, "out of range"),
        ({"send_at": "9999-12-31T23:59"}, "out of range"),
        ({"send_at": "soon"}, "Enter a valid date/time."),
    ],
)
def test_a_time_that_is_none_is_refused(marketer: Client, typed: dict[str, str], words: str):
    answer = type_in(
        marketer, "when", **{"when": "later", "send_at": "2100-01-01T10:00", "zone": "UTC"} | typed
    )

    assert answer.status_code == 400
    assert words in answer.text


def test_the_page_shows_each_wording_and_the_result(marketer: Client):
    campaign = planned()

    page = marketer.get(f"/campaigns/{campaign.pk}/")

    assert [row.variant.letter for row in page.context["wordings"]] == ["A", "B"]
    assert page.context["figures"]["funnel"].recipients == 100
    assert "The rest waits until you choose a wording." in page.text
    assert f'href="/campaigns/{campaign.pk}/figures/"' in page.text
    assert "style=" not in page.text


def test_a_person_chooses_the_winner_once(marketer: Client, yan: Staff):
    campaign = planned()
    assert Batch.objects.filter(state=BatchState.HELD).exists()
    address = f"/campaigns/{campaign.pk}/winner/"

    marketer.post(address, {"variant": "b"})
    marketer.post(address, {"variant": "a"})

    split = Experiment.objects.get()
    assert (split.winner, split.decided_by) == (1, yan)
    assert not Batch.objects.filter(state=BatchState.HELD).exists()
    page = marketer.get(f"/campaigns/{campaign.pk}/").text
    assert "Yan chose B" in page
    assert address not in page


@pytest.mark.parametrize("variant", ["", "ab", "e", "1", "ß", "c"])
def test_a_wording_that_there_is_not_cannot_win(marketer: Client, variant: str):
    campaign = planned(people=10)

    marketer.post(f"/campaigns/{campaign.pk}/winner/", {"variant": variant})

    assert Experiment.objects.get().winner is None


def test_nobody_chooses_before_it_is_planned_or_after_it_is_over(marketer: Client):
    campaign = planned(people=10)
    Campaign.objects.filter(pk=campaign.pk).update(
        state=CampaignState.CANCELLED, closed_at=timezone.now()
    )
    draft = make_campaign(channel="echo", content=make_content("One"))
    set_experiment(draft, HAND, actor=None, now=timezone.now())

    for one in (campaign, draft):
        assert "/winner/" not in marketer.get(f"/campaigns/{one.pk}/").text
        marketer.post(f"/campaigns/{one.pk}/winner/", {"variant": "a"})

    assert not Experiment.objects.exclude(winner=None).exists()


def test_others_choose_nothing(client: Client, yan: Staff):
    campaign = planned(people=10)
    Campaign.objects.filter(pk=campaign.pk).update(created_by=yan)
    address, typed = f"/campaigns/{campaign.pk}/winner/", {"variant": "a"}

    assert client.post(address, typed).status_code == 302
    assert sign_in(client, make_staff("Sun")).post(address, typed).status_code == 403
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    assert sign_in(Client(), elsewhere).post(address, typed).status_code == 404
    strict = sign_in(Client(enforce_csrf_checks=True), yan)
    assert strict.post(address, typed).status_code == 403
    assert Experiment.objects.get().winner is None


@pytest.mark.parametrize("channel", ["wecom", "echo"])
def test_the_control_group_is_counted_to_a_head_before_there_is_a_campaign(
    marketer: Client, channel: str
):
    make_customers(300, owner=make_staff("Lin"), followed=True)
    htmx = {"HX-Request": "true"}
    type_in(marketer, "message", **MESSAGE | {"channel": channel})
    type_in(marketer, "test", text_b="Two", control_share="20", share_a="70", share_b="30")

    kept = type_in(marketer, "test", "keep", text_b="Two", control_share="20")
    shown = [
        kept,
        marketer.get(f"{NEW}audience/"),
        marketer.get(f"{NEW}options/"),
        marketer.get(f"{NEW}test/"),
        marketer.get(f"{NEW}check/?count=now", headers=htmx),
    ]
    finish(marketer, "save")
    campaign = Campaign.objects.get()
    edit = f"/campaigns/{campaign.pk}/"
    shown += [marketer.get(f"{edit}edit/audience/"), marketer.get(f"{edit}audience/")]
    finish(marketer, "schedule", f"{edit}edit/")
    plan_campaign(campaign.pk, now=timezone.now())

    sent = Delivery.objects.exclude(state="skipped").count()
    spared = Delivery.objects.filter(reason=DeliveryReason.CONTROL).count()
    batches = Batch.objects.count()
    assert sent + spared == 300
    assert 30 <= spared <= 90
    for page in shown:
        audience = page.context["audience"]
        assert (audience.reachable, audience.batches) == (sent, batches)
        assert audience.skipped == {DeliveryReason.CONTROL: spared}
        assert f"<dd>{spared}</dd>" in page.text


def test_a_control_group_that_is_refused_is_not_counted(marketer: Client):
    make_customers(20, owner=make_staff("Lin"))
    type_in(marketer, "message", **MESSAGE)

    kept = type_in(marketer, "test", "keep", control_share="51")

    assert kept.context["audience"].reachable == 20
    assert kept.context["audience"].skipped == {}


def test_a_split_that_is_changed_keeps_who_is_in_the_control_group(marketer: Client):
    make_customers(200, owner=make_staff("Lin"))
    type_in(marketer, "message", **MESSAGE)
    type_in(marketer, "test", control_share="20")
    finish(marketer)
    campaign = Campaign.objects.get()
    edit = f"/campaigns/{campaign.pk}/edit/"
    counted = marketer.get(f"{edit}audience/").context["audience"]

    type_in(marketer, "test", at=edit, control_share="20", text_b="Two")
    finish(marketer, at=edit)

    assert (
        marketer.get(f"/campaigns/{campaign.pk}/audience/").context["audience"].skipped
        == counted.skipped
    )
