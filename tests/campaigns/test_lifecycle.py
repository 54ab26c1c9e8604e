"""Times, pauses, changes and copies of campaigns, in every state and when two people press at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.changes import change_campaign, clone_campaign
from campaigns.actions.experiments import Trial, VariantWords, set_experiment
from campaigns.calendar import WallTime
from campaigns.comparison import compare_campaigns
from campaigns.enums import CAMPAIGN_MOVES, CampaignState, DeliveryState
from campaigns.models import Campaign, Experiment
from contacts.errors import MovedOn, RuleBroken
from contacts.models import HistoryEntry
from tests.builders import (
    make_batch,
    make_campaign,
    make_content,
    make_customers,
    make_segment,
    make_staff,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TOMORROW = NOW + timedelta(days=1)


def draft() -> Campaign:
    return act.create_campaign(
        name="Spring", content=make_content(), segment=make_segment(), actor=None, now=NOW
    )


# --- clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("local", "zone", "moment", "moved_to"), [
    ("2026-03-29T02:30", "Europe/Berlin", "2026-03-29T01:30", "2026-03-29T03:30"),
    ("2026-03-29T03:00", "Europe/Berlin", "2026-03-29T01:00", None),
    ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30", None),
    ("2026-07-01T10:00", "Europe/Berlin", "2026-07-01T08:00", None),
    ("2026-12-01T10:00", "Europe/Berlin", "2026-12-01T09:00", None),
    ("2026-12-01T10:00", "Asia/Shanghai", "2026-12-01T02:00", None),
    ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:45", "2026-10-04T02:45"),
])  # fmt: skip
def test_a_clock_is_read_with_its_summer_time(local, zone, moment, moved_to):
    wall = WallTime(datetime.fromisoformat(local), zone)

    assert wall.moment == datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert wall.moved_to == (datetime.fromisoformat(moved_to) if moved_to else None)


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc/passwd", "/etc/passwd", "x\0y"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(RuleBroken):
        _ = WallTime(datetime.fromisoformat("2026-03-01T10:00"), zone).moment


def test_a_campaign_remembers_the_clock_it_was_read_from():
    campaign = draft()
    wall = WallTime((NOW + timedelta(days=2)).replace(tzinfo=None, microsecond=0), "Asia/Tokyo")

    act.schedule_by_the_clock(campaign, wall, actor=None, now=NOW)

    assert (campaign.zone, campaign.send_at) == ("Asia/Tokyo", wall.moment)
    assert campaign.local_time == wall.local.isoformat()


def test_a_clock_that_has_passed_is_refused():
    campaign = draft()

    with pytest.raises(RuleBroken):
        act.schedule_by_the_clock(
            campaign,
            WallTime(datetime.fromisoformat("2020-01-01T10:00"), "Asia/Tokyo"),
            actor=None,
            now=NOW,
        )

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.DRAFT


def test_a_scheduled_campaign_is_moved_to_another_time():
    campaign = make_campaign(state=CampaignState.SCHEDULED, send_at=TOMORROW)
    late = Campaign.objects.get(pk=campaign.pk)
    later = TOMORROW + timedelta(hours=1)

    act.reschedule_campaign(campaign, send_at=later, actor=None, now=NOW)
    with pytest.raises(MovedOn):
        act.reschedule_campaign(late, send_at=TOMORROW, actor=None, now=NOW)

    campaign.refresh_from_db()
    assert campaign.send_at == later


# --- every button in every state -----------------------------------------------------------------

REVIEW: dict[str, Any] = {"asked_recipients": 1, "send_at": TOMORROW}
STATES: dict[str, dict[str, Any]] = {
    "draft": {},
    "review": REVIEW,
    "scheduled": {"send_at": TOMORROW},
    "paused before": {
        "state": "paused", "planned_at": None, "recipients": None, "skipped": None,
        "send_at": TOMORROW,
    },
    "planned": {},
    "sending": {},
    "waiting": {},
    "paused": {},
    "done": {},
    "cancelled": {},
}  # fmt: skip
UNPLANNED = ["draft", "review", "scheduled", "paused before"]
PRESSED = {
    "schedule": ("draft",),
    "reschedule": ("review", "scheduled"),
    "unschedule": ("review", "scheduled", "paused before"),
    "pause": ("scheduled", "planned", "sending", "waiting"),
    "resume": ("paused", "paused before"),
    "cancel": (*UNPLANNED, "planned", "sending", "waiting", "paused"),
    "change": tuple(UNPLANNED),
    "clone": tuple(STATES),
}


def press(button: str, campaign: Campaign) -> None:
    who: dict[str, Any] = {"actor": None, "now": NOW}
    {
        "schedule": lambda: act.schedule_campaign(campaign, send_at=TOMORROW, **who),
        "reschedule": lambda: act.reschedule_campaign(
            campaign, send_at=TOMORROW + timedelta(hours=1), **who
        ),
        "unschedule": lambda: act.unschedule_campaign(campaign, **who),
        "pause": lambda: act.pause_campaign(campaign, **who),
        "resume": lambda: act.resume_campaign(campaign, **who),
        "cancel": lambda: act.cancel_campaign(campaign, **who),
        "change": lambda: change_campaign(campaign, {"name": "Summer"}, **who),
        "clone": lambda: clone_campaign(campaign, **who),
    }[button]()


def stand(state: str) -> Campaign:
    fields = {"state": state} | STATES[state]
    campaign = make_campaign(**fields)
    if state in {"planned", "sending", "waiting", "paused"}:
        make_batch(campaign, make_customers(1))
    return campaign


@pytest.mark.parametrize("button", PRESSED)
@pytest.mark.parametrize("state", STATES)
def test_a_button_works_where_it_may_and_nowhere_else(button, state):
    campaign = stand(state)
    before = Campaign.objects.filter(pk=campaign.pk).values().get()

    if state in PRESSED[button]:
        press(button, campaign)
    else:
        with pytest.raises(MovedOn):
            press(button, campaign)
        assert Campaign.objects.filter(pk=campaign.pk).values().get() == before


@pytest.mark.parametrize("button", ["pause", "cancel", "unschedule", "resume", "change"])
def test_of_two_people_who_press_at_once_one_wins(button):
    state = {"resume": "paused", "pause": "sending"}.get(button, "scheduled")
    campaign = stand(state)
    late = Campaign.objects.get(pk=campaign.pk)
    press(button, campaign)
    entries = HistoryEntry.objects.count()

    if button == "change":
        press(button, late)  # both change a draft; the second is as good as the first
        return
    with pytest.raises(MovedOn):
        press(button, late)

    assert HistoryEntry.objects.count() == entries


@pytest.mark.parametrize("to", ["planned", "sending", "waiting"])
@pytest.mark.parametrize("button", ["pause", "cancel"])
def test_a_worker_that_moves_it_on_meanwhile_does_not_hinder(button, to):
    campaign = stand("scheduled")
    Campaign.objects.filter(pk=campaign.pk).update(
        state=to, planned_at=NOW, recipients=1, skipped=0
    )
    make_batch(campaign, make_customers(1))

    press(button, campaign)

    campaign.refresh_from_db()
    assert campaign.state == {"pause": "paused", "cancel": "cancelled"}[button]


def test_a_campaign_paused_before_its_time_does_not_begin_and_goes_on_afterwards():
    lin = make_staff()
    make_customers(2, owner=lin, followed=True)
    campaign = draft()
    act.schedule_campaign(campaign, send_at=TOMORROW, actor=None, now=NOW)
    act.pause_campaign(campaign, actor=None, now=NOW)

    assert not act.plan_campaign(campaign.pk, now=TOMORROW)
    act.resume_campaign(campaign, actor=None, now=TOMORROW)
    assert act.plan_campaign(campaign.pk, now=TOMORROW)

    campaign.refresh_from_db()
    assert campaign.recipients == 2


def test_a_campaign_that_staff_confirm_can_be_paused_and_goes_on_waiting():
    campaign = make_campaign(state=CampaignState.WAITING)
    make_batch(campaign, make_customers(1), state="handed")

    act.pause_campaign(campaign, actor=None, now=NOW)
    assert campaign.state == CampaignState.PAUSED
    act.resume_campaign(campaign, actor=None, now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.WAITING


def test_every_arrow_leads_somewhere_known():
    assert set(CAMPAIGN_MOVES) == set(CampaignState)
    for state, to in CAMPAIGN_MOVES.items():
        assert state not in to


# --- copies and comparisons -----------------------------------------------------------------------


def test_a_copy_has_the_words_the_segment_and_the_split():
    campaign = make_campaign(channel="echo", subject="", conversion_days=3)
    trial = Trial(
        variants=[VariantWords(share=50, text="One"), VariantWords(share=50, text="Two")],
        control_share=10,
    )
    set_experiment(campaign, trial, actor=None, now=NOW)

    copy = clone_campaign(campaign, actor=None, now=NOW)

    assert (copy.state, copy.content, copy.segment) == ("draft", campaign.content, campaign.segment)
    assert (copy.channel, copy.conversion_days) == ("echo", 3)
    assert [variant.text for variant in copy.variants.order_by("number")] == ["One", "Two"]
    assert Experiment.objects.get(campaign=copy).control_share == 10


def test_campaigns_are_compared_in_two_queries(django_assert_num_queries):
    spring, autumn = make_campaign("Spring"), make_campaign("Autumn")
    make_batch(spring, make_customers(3), delivery_state=DeliveryState.SENT)
    make_batch(autumn, make_customers(2), delivery_state=DeliveryState.REPLIED)

    with django_assert_num_queries(2):
        first, second = compare_campaigns([autumn, spring])

    assert (first.campaign, first.reached, first.replied) == (autumn, 2, 2)
    assert (second.campaign, second.reached, second.replied) == (spring, 3, None)
