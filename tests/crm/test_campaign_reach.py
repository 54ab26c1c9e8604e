"""A campaign goes out only while whoever scheduled it may reach its customers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from redis import Redis

from campaigns.enums import CampaignState
from campaigns.models import Batch, Campaign, Delivery
from contacts.enums import NoticeKind, Role, Scope, StaffState
from contacts.models import HistoryEntry, Notice, Staff
from crm.actions.departures import let_go
from crm.actions.sweeping import do_what_is_due
from tests.builders import (
    make_campaign,
    make_customers,
    make_segment,
    make_staff,
    queries_for,
    sign_in,
)
from tests.losing_reach import (
    be_suspended,
    lose_all_roles,
    lose_the_role,
    move_to_another_store,
)

pytestmark = pytest.mark.django_db

SCHEDULED = CampaignState.SCHEDULED
SOON = timezone.now() + timedelta(hours=1)


@pytest.fixture
def wu() -> Staff:
    """A marketer of a store with three customers of its own."""
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    make_customers(3, owner=make_staff("Lin", store=wu.store), followed=True)
    return wu


def of_a_store(staff: Staff, **fields: Any) -> Campaign:
    rule = {"all": [{"field": "store", "op": "in", "value": [staff.store_id]}]}
    values: dict[str, Any] = {
        "created_by": staff,
        "scheduled_by": staff,
        "state": SCHEDULED,
        "send_at": SOON,
    }
    return make_campaign(segment=make_segment(rule), **values | fields)


def plan_what_is_due(at: datetime = SOON) -> None:
    with time_machine.travel(at, tick=False):
        do_what_is_due(now=at)


def state_of(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.state


def schedule(client: Client, campaign: Campaign) -> Any:
    return client.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"}, follow=True)


def test_a_campaign_within_reach_of_its_scheduler_is_planned(yan: Staff, wu: Staff):
    theirs = of_a_store(wu)
    whole = make_campaign(state=SCHEDULED, send_at=SOON, created_by=wu, scheduled_by=yan)

    plan_what_is_due()

    for campaign in (theirs, whole):
        campaign.refresh_from_db()
        assert campaign.planned_at is not None
        assert campaign.recipients == 3
    assert not Notice.objects.filter(kind=NoticeKind.CAMPAIGN).exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lose_the_role, "is no marketer any more"),
        (lose_all_roles, "is no marketer any more"),
        (move_to_another_store, "may no longer reach everybody in its segment"),
        (be_suspended, "is not at work any more"),
    ],
)
def test_a_campaign_is_held_back_when_its_scheduler_may_no_longer_reach_its_customers(
    client: Client, yan: Staff, wu: Staff, change: Callable[[Staff], None], why: str
):
    campaign = of_a_store(wu)
    change(wu)

    plan_what_is_due()
    plan_what_is_due()

    assert state_of(campaign) == CampaignState.DRAFT
    assert (campaign.send_at, campaign.planned_at) == (None, None)
    assert not Batch.objects.exists()
    assert not Delivery.objects.exists()
    sign_in(client, yan)
    assert f"It is a draft again: Wu, who answers for it, {why}" in page(client, campaign)
    assert f"It is a draft again: Wu, who answers for it, {why}" in client.get("/campaigns/").text
    told = Notice.objects.filter(kind=NoticeKind.CAMPAIGN)
    assert set(told.values_list("staff_id", flat=True)) == {yan.pk, wu.pk}
    assert "could not go out and is a draft again" in client.get("/notices/").text
    done = HistoryEntry.objects.filter(subject_kind="campaign").values_list("action", flat=True)
    assert sorted(done) == ["campaign.draft", "campaign.not_planned"]


def test_why_it_is_held_back_is_said_in_the_language_of_the_reader(
    client: Client, yan: Staff, wu: Staff
):
    campaign = of_a_store(wu)
    lose_the_role(wu)
    plan_what_is_due()
    sign_in(client, yan)

    for place in (f"/campaigns/{campaign.pk}/", "/campaigns/"):
        said = client.get(place, headers={"Accept-Language": "zh-hans"}).text
        assert "负责人Wu已不再是营销人员。需由有权触达其中全部客户的同事重新安排。" in said
        assert "no marketer any more" not in said


def page(client: Client, campaign: Campaign) -> str:
    return client.get(f"/campaigns/{campaign.pk}/").text


def test_the_notice_leads_to_the_campaign(client: Client, yan: Staff, wu: Staff):
    campaign = of_a_store(wu)
    lose_the_role(wu)
    plan_what_is_due()
    notice = Notice.objects.get(staff=yan)

    answer = sign_in(client, yan).post(f"/notices/{notice.pk}/")

    assert answer["Location"] == f"/campaigns/{campaign.pk}/"


def test_one_to_the_whole_company_is_held_back_when_its_scheduler_reaches_a_store_only(yan: Staff):
    campaign = make_campaign(state=SCHEDULED, send_at=SOON, created_by=yan, scheduled_by=yan)
    yan.roles.update(scope=Scope.STORE)

    plan_what_is_due()

    assert state_of(campaign) == CampaignState.DRAFT


@pytest.mark.parametrize("state", [StaffState.SUSPENDED, StaffState.LEAVING])
def test_whoever_scheduled_it_answers_for_it_and_not_its_maker(
    yan: Staff, wu: Staff, state: StaffState
):
    scheduled_by_yan = of_a_store(wu, scheduled_by=yan)
    Staff.objects.filter(pk=wu.pk).update(state=StaffState.SUSPENDED)
    Staff.objects.filter(pk=yan.pk).update(state=state)

    plan_what_is_due()

    held_back = state_of(scheduled_by_yan) == CampaignState.DRAFT
    assert held_back == (state == StaffState.SUSPENDED)


def test_one_whose_scheduler_has_departed_is_held_back(yan: Staff, wu: Staff):
    campaign = of_a_store(wu, created_by=yan)
    let_go(wu.pk, actor=None, now=timezone.now())
    assert state_of(campaign) == SCHEDULED

    plan_what_is_due()

    assert state_of(campaign) == CampaignState.DRAFT
    told = Notice.objects.filter(kind=NoticeKind.CAMPAIGN)
    assert set(told.values_list("staff_id", flat=True)) == {yan.pk}


@pytest.mark.parametrize("verb", ["resume", "approve"])
def test_neither_resuming_nor_approving_gets_it_past(
    client: Client, yan: Staff, wu: Staff, verb: str
):
    state = {"resume": CampaignState.PAUSED, "approve": CampaignState.REVIEW}[verb]
    campaign = of_a_store(wu, asked_recipients=3)
    figures = {"planned_at": None, "recipients": None, "skipped": None}
    Campaign.objects.filter(pk=campaign.pk).update(state=state, **figures)
    lose_the_role(wu)

    sign_in(client, yan).post(f"/campaigns/{campaign.pk}/{verb}/")
    assert state_of(campaign) == SCHEDULED
    plan_what_is_due()

    assert state_of(campaign) == CampaignState.DRAFT
    assert campaign.approved_by is None
    assert not Batch.objects.exists()


def test_somebody_who_may_schedules_it_again_and_it_goes_out(client: Client, yan: Staff, wu: Staff):
    campaign = of_a_store(wu)
    lose_the_role(wu)
    plan_what_is_due()

    schedule(sign_in(client, yan), campaign)
    assert state_of(campaign) == SCHEDULED
    assert "It is a draft again" not in page(client, campaign)
    plan_what_is_due(SOON + timedelta(minutes=1))

    campaign.refresh_from_db()
    assert campaign.planned_at is not None
    assert campaign.scheduled_by == yan
    assert Delivery.objects.count() == 3


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("schedule", CampaignState.DRAFT),
        ("resume", CampaignState.PAUSED),
        ("approve", CampaignState.REVIEW),
    ],
)
def test_what_is_to_go_out_at_once_wakes_a_worker_of_the_bulk_queue(
    client: Client,
    yan: Staff,
    wu: Staff,
    verb: str,
    state: CampaignState,
    redis: Redis,
    rung: Callable[[], list[tuple[str, list[int]]]],
    django_capture_on_commit_callbacks: Any,
):
    campaign = of_a_store(wu, asked_recipients=3, send_at=timezone.now() - timedelta(hours=1))
    figures = {"planned_at": None, "recipients": None, "skipped": None}
    Campaign.objects.filter(pk=campaign.pk).update(state=state, **figures)
    sign_in(client, yan)

    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"/campaigns/{campaign.pk}/{verb}/", {"when": "now"})

    assert rung() == [("crm.tasks.plan_campaign", [campaign.pk])]
    assert redis.llen("bulk") == 1


def test_somebody_who_may_not_does_not_release_it(client: Client, wu: Staff):
    campaign = of_a_store(wu)
    move_to_another_store(wu)
    plan_what_is_due()

    answer = schedule(sign_in(client, wu), campaign)

    assert answer.status_code == 400
    assert state_of(campaign) == CampaignState.DRAFT
    assert not Batch.objects.exists()


def test_one_that_a_person_took_back_says_nothing_of_it(client: Client, yan: Staff, wu: Staff):
    campaign = of_a_store(wu)

    sign_in(client, yan).post(f"/campaigns/{campaign.pk}/unschedule/")

    assert state_of(campaign) == CampaignState.DRAFT
    assert "It is a draft again" not in page(client, campaign)


def test_the_page_says_why_it_was_sent_back(client: Client, yan: Staff, wu: Staff):
    campaign = of_a_store(wu, state=CampaignState.REVIEW)
    address = f"/campaigns/{campaign.pk}/send-back/"

    sign_in(client, yan).post(address, {"reason": "The link is last year's."})

    assert "It is a draft again: The link is last year&#x27;s." in page(client, campaign)


def test_the_list_asks_as_often_for_many_held_back_as_for_few(
    client: Client, yan: Staff, wu: Staff
):
    lose_the_role(wu)
    sign_in(client, yan)
    counts = []
    for rows in (1, 5):
        for _row in range(rows):
            of_a_store(wu)
        plan_what_is_due()
        counts.append(queries_for(client, "/campaigns/"))

    assert Campaign.objects.filter(state=CampaignState.DRAFT).count() == 6
    assert counts[0] == counts[1]
