"""Four eyes: who has to approve a campaign, who may, and what an approval is worth."""

from datetime import UTC, time, timedelta
from typing import Any

import pytest
from django.utils import timezone

from campaigns.actions import campaigns as act
from campaigns.actions.approvals import approve_campaign, send_back_campaign
from campaigns.actions.changes import change_campaign
from campaigns.actions.leavers import hand_on_campaigns
from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.enums import CampaignState
from campaigns.models import Campaign, Content, Delivery
from contacts.enums import NoticeKind, Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, HistoryEntry, Notice, Staff
from tests.builders import (
    make_content,
    make_customers,
    make_segment,
    make_staff,
)

pytestmark = pytest.mark.django_db

NOW = timezone.now()
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def tao() -> Staff:
    return make_staff("Tao", role=Role.MARKETER)


@pytest.fixture
def jin() -> Staff:
    return make_staff("Jin", role=Role.MARKETER)


@pytest.fixture
def lin() -> Staff:
    lin = make_staff("Lin")
    make_customers(20, owner=lin, followed=True)
    return lin


def limit(above: int | None) -> None:
    change_messaging_rules({"approval_above": above}, actor=None, now=NOW)


def draft(tao: Staff, **more: Any) -> Campaign:
    return act.create_campaign(
        name="Spring", content=make_content(), segment=make_segment(), actor=tao, now=NOW, **more
    )


def asked(tao: Staff) -> Campaign:
    campaign = draft(tao)
    act.schedule_campaign(campaign, send_at=TOMORROW, actor=tao, now=NOW)
    return campaign


def approved(tao: Staff, jin: Staff) -> Campaign:
    campaign = asked(tao)
    approve_campaign(campaign, actor=jin, now=NOW)
    return campaign


@pytest.mark.parametrize(
    ("above", "state"), [(None, "scheduled"), (20, "scheduled"), (19, "review"), (0, "review")]
)
def test_the_limit_decides_whether_somebody_else_is_asked(tao, lin, above, state):
    limit(above)

    campaign = asked(tao)

    assert campaign.state == state
    assert campaign.asked_recipients == (20 if state == "review" else None)


def test_approvers_are_told_but_not_whoever_asks(tao, jin, lin):
    make_staff("Hua", role=Role.MANAGER)
    limit(0)

    asked(tao)

    assert [notice.staff for notice in Notice.objects.filter(kind=NoticeKind.CAMPAIGN)] == [jin]


def test_somebody_else_approves_and_it_goes_out_at_its_time(tao, jin, lin):
    limit(0)
    campaign = approved(tao, jin)

    assert (campaign.state, campaign.send_at, campaign.approved_by) == ("scheduled", TOMORROW, jin)
    assert act.plan_campaign(campaign.pk, now=TOMORROW)
    campaign.refresh_from_db()
    assert campaign.planned_at
    assert Delivery.objects.filter(campaign=campaign).count() == 20


def test_nobody_approves_what_they_made_or_scheduled(tao, jin, lin):
    limit(0)
    campaign = draft(tao)
    act.schedule_campaign(campaign, send_at=TOMORROW, actor=jin, now=NOW)

    for person in (tao, jin):
        with pytest.raises(RuleBroken):
            approve_campaign(campaign, actor=person, now=NOW)

    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by) == ("review", None)


@pytest.mark.parametrize("own", ["created_by", "scheduled_by"])
def test_the_database_refuses_ones_own_approval(tao, jin, lin, refused_by, own):
    limit(0)
    campaign = approved(tao, jin)

    with refused_by("campaign_approved_by_another"):
        Campaign.objects.filter(pk=campaign.pk).update(**{own: jin})


@pytest.mark.parametrize(("role", "more"), [
    (Role.GUIDE, {}), (Role.MANAGER, {}), (Role.MARKETER, {"scope": "store"}),
    (Role.MARKETER, {"state": "suspended"}),
])  # fmt: skip
def test_only_those_who_answer_for_the_whole_company_approve(tao, lin, role, more):
    limit(0)
    campaign = asked(tao)

    with pytest.raises(RuleBroken):
        approve_campaign(campaign, actor=make_staff("Sun", role=role, **more), now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.REVIEW


def test_a_campaign_is_sent_back_with_a_reason_that_its_maker_hears_of(tao, jin, lin):
    limit(0)
    campaign = asked(tao)

    with pytest.raises(RuleBroken):
        send_back_campaign(campaign, reason=" ", actor=jin, now=NOW)
    send_back_campaign(campaign, reason="Wrong year", actor=jin, now=NOW)

    assert (campaign.state, campaign.send_at) == ("draft", None)
    entry = HistoryEntry.objects.get(action="campaign.sent_back")
    assert (entry.actor, entry.data) == (jin, {"why": "Wrong year"})
    assert Notice.objects.get(staff=tao).data["what"] == "sent_back"


def test_of_two_who_decide_at_once_one_wins(tao, jin, lin):
    limit(0)
    campaign = asked(tao)
    late = Campaign.objects.get(pk=campaign.pk)
    approve_campaign(campaign, actor=jin, now=NOW)

    with pytest.raises(MovedOn):
        send_back_campaign(late, reason="No", actor=make_staff("Su", role=Role.MARKETER), now=NOW)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SCHEDULED


@pytest.mark.parametrize(("more", "state"), [(2, "planned"), (3, "review")])
def test_an_approval_holds_for_a_tenth_more(tao, jin, lin, more, state):
    limit(0)
    campaign = approved(tao, jin)
    make_customers(more, owner=lin, followed=True)

    act.plan_campaign(campaign.pk, now=TOMORROW)

    campaign.refresh_from_db()
    assert campaign.state == state
    if state == "review":
        assert (campaign.asked_recipients, campaign.approved_by) == (23, None)
        assert not Delivery.objects.exists()
        entry = HistoryEntry.objects.filter(action="campaign.review").latest("pk")
        assert entry.data == {"recipients": 23, "why": "grown"}


def test_an_audience_that_grew_beyond_the_limit_is_asked_about(tao, jin, lin):
    limit(21)
    campaign = asked(tao)
    make_customers(2, owner=lin, followed=True)

    act.plan_campaign(campaign.pk, now=TOMORROW)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.REVIEW
    approve_campaign(campaign, actor=jin, now=TOMORROW)
    assert act.plan_campaign(campaign.pk, now=TOMORROW)
    campaign.refresh_from_db()
    assert campaign.recipients == 22


def test_words_that_changed_since_are_approved_anew(tao, jin, lin):
    limit(0)
    campaign = approved(tao, jin)
    Content.objects.filter(campaigns=campaign).update(text="Something else")

    act.plan_campaign(campaign.pk, now=TOMORROW)

    campaign.refresh_from_db()
    assert campaign.state == CampaignState.REVIEW
    assert HistoryEntry.objects.latest("pk").data["why"] == "changed"


def test_a_change_after_approval_makes_it_a_draft(tao, jin, lin):
    limit(0)
    campaign = approved(tao, jin)

    change_campaign(campaign, {"name": "Summer"}, actor=tao, now=NOW)

    assert (campaign.state, campaign.name) == ("draft", "Summer")
    assert (campaign.approved_by, campaign.send_at) == (None, None)


def test_a_leaver_takes_no_approval_along_and_hands_on_to_the_approver(tao, jin, lin):
    limit(0)
    waiting, running = approved(tao, jin), approved(tao, jin)
    act.plan_campaign(running.pk, now=TOMORROW)

    hand_on_campaigns(tao, jin, now=TOMORROW)

    waiting.refresh_from_db()
    running.refresh_from_db()
    assert (waiting.state, waiting.created_by, waiting.approved_by) == ("draft", jin, None)
    assert (running.created_by, running.approved_by) == (None, jin)


def test_whom_quiet_hours_outlast_is_not_counted(tao, lin):
    """Noon in Shanghai of the day after tomorrow is early morning in Paris."""
    change_messaging_rules(
        {"approval_above": 10, "quiet_from": time(21), "quiet_to": time(9)}, actor=None, now=NOW
    )
    sleepers = Customer.objects.order_by("pk").values("pk")[:15]
    Customer.objects.filter(pk__in=list(sleepers.values_list("pk", flat=True))).update(
        time_zone="Europe/Paris"
    )
    noon = (NOW + timedelta(days=2)).astimezone(UTC).replace(hour=4, minute=0)
    states = []
    for hours in (2, 8):
        campaign = draft(tao, send_until=noon + timedelta(hours=hours))
        act.schedule_campaign(campaign, send_at=noon, actor=tao, now=NOW)
        states.append((campaign.state, campaign.asked_recipients))

    assert states == [("scheduled", None), ("review", 20)]
