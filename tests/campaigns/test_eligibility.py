"""Who may get a campaign: asked when it is planned, and again when a batch leaves."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns.actions.batches import claim_batch, send_batch
from campaigns.actions.messaging_rules import change_messaging_rules
from campaigns.audience import Period, freeze_audience, preview_audience
from campaigns.eligibility import skip_those_who_may_not
from campaigns.enums import BatchState, CampaignState, DeliveryState
from campaigns.models import Batch, Campaign, Delivery, MessagingRules
from campaigns.restraint import quiet_end, receive_quota, restraint_on
from contacts.actions.consent import mark_addresses_dead, opt_in, opt_out
from contacts.enums import FollowEnd, IdentityKind
from contacts.errors import RuleBroken
from contacts.models import Customer, Follow, HistoryEntry, Identity, Staff
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_customers,
    make_erased,
    make_identity,
    make_staff,
)
from tests.campaigns.planning import fates, frozen

pytestmark = pytest.mark.django_db

QUEUED = ("queued", "")
YESTERDAY = NOON - timedelta(days=1)


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def four(lin: Staff) -> list[Customer]:
    return make_customers(4, owner=lin, followed=True)


def rules(**values: object) -> None:
    change_messaging_rules(values, actor=None, now=NOON)


def plan(now: datetime = NOON, **fields: Any) -> Campaign:
    return frozen("wecom", now=now, **fields)


def skipped(reason: str) -> tuple[str, str]:
    return ("skipped", reason)


def at_sending(campaign: Campaign, now: datetime = NOON) -> int:
    campaign.refresh_from_db()
    batches = Batch.objects.filter(campaign=campaign).values_list("pk", flat=True)
    queued = Delivery.objects.filter(campaign=campaign, state=DeliveryState.QUEUED).count()
    left = skip_those_who_may_not(
        campaign, list(batches), restraint=restraint_on(campaign, now=now)
    )
    return queued - len(left)


def sent_before(customers: list[Customer], *, at: datetime = YESTERDAY, **fields: Any) -> None:
    """Another campaign that these customers have got."""
    earlier = make_campaign(
        "Earlier", state=CampaignState.DONE, planned_at=at, closed_at=at, **fields
    )
    make_batch(earlier, customers, delivery_state=DeliveryState.SENT, state=BatchState.DONE)
    Delivery.objects.filter(campaign=earlier).update(sent_at=at)


# --- consent ------------------------------------------------------------------------------------


def refuse(four: list[Customer]) -> None:
    opt_out(four[0], source="test", now=NOON)
    opt_out(four[1], channel="wecom", purpose="campaign", source="test", now=NOON)
    opt_out(four[2], channel="email", source="test", now=NOON)
    opt_out(four[3], purpose="care", source="test", now=NOON)


REFUSED = [skipped("opted_out"), skipped("opted_out"), QUEUED, QUEUED]


def test_refusals_of_this_channel_and_purpose_count_when_planned(four: list[Customer]) -> None:
    refuse(four)

    assert fates(plan()) == REFUSED


def test_refusals_count_at_the_moment_of_sending(four: list[Customer]) -> None:
    campaign = plan()
    refuse(four)

    assert at_sending(campaign) == 2
    assert fates(campaign) == REFUSED


def test_the_latest_word_decides(four: list[Customer]) -> None:
    opt_out(four[0], source="test", now=NOON)
    opt_in(four[0], channel="wecom", source="test", now=NOON + timedelta(minutes=1))
    opt_in(four[1], purpose="campaign", source="test", now=NOON)
    opt_out(four[1], channel="wecom", source="test", now=NOON + timedelta(minutes=1))

    campaign = plan()

    assert fates(campaign) == [QUEUED, skipped("opted_out"), QUEUED, QUEUED]
    assert at_sending(campaign) == 0


def test_where_consent_is_required_silence_is_no(four: list[Customer]) -> None:
    opt_in(four[0], source="till", now=NOON)
    opt_in(four[1], channel="wecom", purpose="care", source="till", now=NOON)
    opt_out(four[2], source="till", now=NOON)
    before = plan()
    rules(consent_required=["wecom:campaign"])

    assert fates(plan()) == [
        QUEUED,
        skipped("no_consent"),
        skipped("opted_out"),
        skipped("no_consent"),
    ]
    assert at_sending(before) == 2
    assert fates(before) == fates(plan())
    assert fates(plan(purpose="care"))[1] == QUEUED


# --- addresses and people -----------------------------------------------------------------------


def test_a_dead_address_gets_nothing(four: list[Customer]) -> None:
    before = plan()
    value = Identity.objects.get(customer=four[0]).value
    mark_addresses_dead(IdentityKind.WECOM, [value], now=NOON)

    assert fates(plan()) == [skipped("dead_address"), QUEUED, QUEUED, QUEUED]
    assert at_sending(before) == 1
    assert fates(before)[0] == skipped("dead_address")


def test_a_living_address_is_preferred_to_a_dead_one(four: list[Customer]) -> None:
    first = Identity.objects.get(customer=four[0])
    second = make_identity(four[0], "wm-other")
    mark_addresses_dead(IdentityKind.WECOM, [first.value], now=NOON)

    campaign = plan()

    assert Delivery.objects.get(campaign=campaign, customer=four[0]).address == second.value


def test_of_two_records_of_one_person_the_first_gets_it(four: list[Customer]) -> None:
    for customer, email in zip(four, ("a@x.cn", "A@x.cn", "b@x.cn", "B@X.cn"), strict=True):
        Identity.objects.create(customer=customer, kind=IdentityKind.EMAIL, value=email)
    opt_out(four[2], source="test", now=NOON)

    assert fates(plan()) == [QUEUED, skipped("duplicate"), skipped("opted_out"), QUEUED]


def test_who_is_gone_or_changed_hands_is_skipped_at_sending(four: list[Customer]) -> None:
    campaign = plan()
    make_erased(four[0])
    Follow.objects.filter(customer=four[1]).update(
        ended_at=NOON + timedelta(minutes=1), end_reason=FollowEnd.REMOVED_BY_CUSTOMER
    )

    assert at_sending(campaign) == 2
    assert fates(campaign) == [skipped("gone"), skipped("changed_hands"), QUEUED, QUEUED]


def test_whoever_is_in_another_campaign_is_left_out_if_asked(four: list[Customer]) -> None:
    other = make_campaign("Other", state=CampaignState.SENDING, planned_at=YESTERDAY)
    make_batch(other, four[:2])
    Delivery.objects.filter(campaign=other, customer=four[1]).update(state=DeliveryState.SENT)

    assert fates(plan()) == [QUEUED] * 4
    assert fates(plan(skip_if_in_another=True)) == [skipped("in_another")] * 4  # the one above
    Campaign.objects.exclude(pk=other.pk).update(state=CampaignState.DONE, closed_at=NOON)
    assert fates(plan(skip_if_in_another=True)) == [skipped("in_another"), QUEUED, QUEUED, QUEUED]


def test_of_two_campaigns_that_leave_out_each_others_the_earlier_sends(
    four: list[Customer],
) -> None:
    first = make_campaign("First", skip_if_in_another=True)
    second = make_campaign("Second", skip_if_in_another=True)
    for campaign in (first, second):  # planned at the same moment, so neither saw the other
        with transaction.atomic():
            freeze_audience(campaign, now=NOON)
    Campaign.objects.update(state=CampaignState.PLANNED, planned_at=NOON, recipients=4, skipped=0)

    assert (at_sending(first), at_sending(second)) == (0, 4)
    assert fates(second) == [skipped("in_another")] * 4


# --- how often ----------------------------------------------------------------------------------


def test_a_cap_over_all_channels(four: list[Customer]) -> None:
    before = plan()
    sent_before(four[:2])
    sent_before(four[:1], channel="email")
    rules(cap_messages=2, cap_days=7)

    assert fates(plan()) == [skipped("capped"), QUEUED, QUEUED, QUEUED]
    assert at_sending(before) == 1
    assert fates(before) == [skipped("capped"), QUEUED, QUEUED, QUEUED]


def test_a_cap_finds_who_is_only_in_small_campaigns(four: list[Customer]) -> None:
    sent_before(four, recipients=4)
    sent_before(four[:1], recipients=1)
    sent_before(four[2:3], recipients=1)
    rules(cap_messages=2, cap_days=7)

    assert fates(plan()) == [skipped("capped"), QUEUED, skipped("capped"), QUEUED]


def test_a_cap_counts_its_days_only(four: list[Customer]) -> None:
    sent_before(four[:2])
    sent_before(four[:2], at=NOON - timedelta(days=8))
    rules(cap_messages=2, cap_days=7)

    assert fates(plan()) == [QUEUED] * 4


def test_a_cap_of_one_channel(four: list[Customer]) -> None:
    sent_before(four[:2])
    sent_before(four[1:3], channel="email")
    rules(channel_caps={"wecom": {"messages": 1, "days": 7}})

    assert fates(plan()) == [skipped("capped"), skipped("capped"), QUEUED, QUEUED]


def test_service_heeds_no_cap_and_counts_for_none(four: list[Customer]) -> None:
    sent_before(four[:1])
    sent_before(four[1:2], purpose="service")
    opt_out(four[3], source="test", now=NOON)
    rules(cap_messages=1, cap_days=7)

    assert fates(plan()) == [skipped("capped"), QUEUED, QUEUED, skipped("opted_out")]
    assert fates(plan(purpose="service")) == [QUEUED, QUEUED, QUEUED, skipped("opted_out")]


def test_the_receive_quota_is_forecast_or_kept(four: list[Customer], settings: Any) -> None:
    settings.WECOM_RECEIVE_QUOTA = ("week", 1)
    before = plan()
    sent_before(four[:1], at=NOON - timedelta(hours=1))
    sent_before(four[1:2], at=NOON - timedelta(days=1))  # a Sunday: last week

    assert fates(plan()) == [QUEUED] * 4
    rules(skip_over_quota=True)

    assert fates(plan()) == [skipped("quota"), QUEUED, QUEUED, QUEUED]
    assert at_sending(before) == 1


def test_the_receive_quota_counts_service_messages_as_the_channel_does(
    four: list[Customer], settings: Any
) -> None:
    """No rule of ours keeps them back, but the customer gets no more than WeCom allows."""
    settings.WECOM_RECEIVE_QUOTA = ("month", 1)
    now = timezone.now()
    sent_before(four[:1], at=now, purpose="service")
    sent_before(four[1:2], at=now)
    rules(cap_messages=1, cap_days=7)

    found = preview_audience({})
    assert (found.skipped, found.over_quota) == ({"capped": 1}, 1)
    found = preview_audience({}, purpose="service")
    assert (found.reachable, found.over_quota) == (4, 2)
    rules(skip_over_quota=True)
    assert fates(plan(now, purpose="service")) == [QUEUED] * 4
    assert fates(plan(now)) == [skipped("quota"), skipped("capped"), QUEUED, QUEUED]


def test_the_periods_of_the_receive_quota(settings: Any) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    for quota, most, since in (
        (("month", 0), 31, datetime(2026, 3, 1, tzinfo=zone)),
        (("month", 4), 4, datetime(2026, 3, 1, tzinfo=zone)),
        (("week", 0), 7, datetime(2026, 3, 2, tzinfo=zone)),
        (("day", 1), 1, datetime(2026, 3, 2, tzinfo=zone)),
    ):
        settings.WECOM_RECEIVE_QUOTA = quota
        limit = receive_quota(NOON)
        assert limit is not None
        assert (limit.most, limit.since) == (most, since)


# --- when ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begin", "end", "zone", "now", "over"),
    [
        (21, 9, "", "2026-03-02T22:00+08:00", "2026-03-03T09:00+08:00"),
        (21, 9, "", "2026-03-02T08:59+08:00", "2026-03-02T09:00+08:00"),
        (21, 9, "", "2026-03-02T09:00+08:00", None),
        (21, 9, "", "2026-03-02T20:59+08:00", None),
        (12, 14, "", "2026-03-02T12:00+08:00", "2026-03-02T14:00+08:00"),
        (12, 14, "", "2026-03-02T14:00+08:00", None),
        (21, 9, "Europe/Paris", "2026-03-02T12:00+08:00", "2026-03-02T09:00+01:00"),
        # The clocks go forward that night.
        (21, 9, "Europe/Paris", "2026-03-28T23:00+01:00", "2026-03-29T09:00+02:00"),
        (21, 9, "No/Such", "2026-03-02T22:00+08:00", "2026-03-03T09:00+08:00"),
    ],
)
def test_quiet_hours_end_by_the_customers_clock(
    begin: int, end: int, zone: str, now: str, over: str | None
) -> None:
    ends = quiet_end((time(begin), time(end)), zone, datetime.fromisoformat(now))

    assert ends == (datetime.fromisoformat(over) if over else None)


def test_batches_wait_for_the_morning_of_their_time_zone(four: list[Customer]) -> None:
    Customer.objects.filter(pk__in=[four[0].pk, four[1].pk]).update(time_zone="Europe/Paris")
    rules(quiet_from=time(21), quiet_to=time(9))

    campaign = plan()  # noon in Shanghai, five in the morning in Paris

    batches = Batch.objects.filter(campaign=campaign).order_by("time_zone")
    morning = datetime.fromisoformat("2026-03-02T09:00+01:00")
    assert list(batches.values_list("time_zone", "size", "next_attempt_at")) == [
        ("", 2, None),
        ("Europe/Paris", 2, morning),
    ]
    assert preview_later() == 2


def preview_later() -> int:
    """How many would wait if planned now is up to the clock; here all is quiet all day."""
    rules(quiet_from=time(0), quiet_to=time(23, 59, 59, 999999))
    Customer.objects.exclude(time_zone="Europe/Paris").update(time_zone="Asia/Shanghai")
    found = preview_audience({})
    assert found.later == found.reachable == 4
    return Customer.objects.filter(time_zone="Europe/Paris").count()


@pytest.mark.parametrize(("hours", "too_late"), [(2, 2), (6, 0)])
def test_the_count_says_whose_quiet_hours_outlast_the_campaign(
    four: list[Customer], hours: int, too_late: int
) -> None:
    """Noon of a day to come in Shanghai is early morning in Paris."""
    rules(quiet_from=time(21), quiet_to=time(9))
    Customer.objects.filter(pk__in=[one.pk for one in four[:2]]).update(time_zone="Europe/Paris")
    begin = (timezone.now() + timedelta(days=2)).astimezone(UTC).replace(hour=4, minute=0)
    end = begin + timedelta(hours=hours)

    found = preview_audience({}, period=Period(begin, end))

    assert found.skipped == ({"quiet_hours": too_late} if too_late else {})
    assert (found.reachable, found.later) == (4 - too_late, 2 - too_late)
    assert fates(plan(now=begin, send_at=begin, send_until=end)).count(QUEUED) == found.reachable


def test_a_claimed_batch_goes_back_until_the_quiet_hours_end(four: list[Customer]) -> None:
    campaign = plan()
    night = datetime.fromisoformat("2026-03-02T22:00+08:00")
    rules(quiet_from=time(21), quiet_to=time(9))
    batch = claim_batch(campaign.pk, now=night)
    assert batch is not None

    send_batch(batch, now=night)

    batch.refresh_from_db()
    morning = datetime.fromisoformat("2026-03-03T09:00+08:00")
    assert (batch.state, batch.next_attempt_at, batch.attempts) == ("waiting", morning, 0)
    assert fates(campaign) == [QUEUED] * 4
    assert claim_batch(campaign.pk, now=morning - timedelta(seconds=1)) is None


def test_service_messages_heed_no_quiet_hours(four: list[Customer]) -> None:
    rules(quiet_from=time(11), quiet_to=time(13))
    campaign = plan(purpose="service")
    batch = Batch.objects.get(campaign=campaign)

    assert batch.next_attempt_at is None
    assert restraint_on(campaign, now=NOON).quiet_until(batch.time_zone, NOON) is None


# --- previews and rules -------------------------------------------------------------------------


def test_a_preview_counts_as_planning_does(four: list[Customer], settings: Any) -> None:
    settings.WECOM_RECEIVE_QUOTA = ("day", 1)
    opt_out(four[0], source="test", now=NOON)
    value = Identity.objects.get(customer=four[1]).value
    mark_addresses_dead(IdentityKind.WECOM, [value], now=NOON)

    found = preview_audience({})

    assert (found.reachable, found.batches, found.senders) == (2, 1, 1)
    assert found.skipped == {"dead_address": 1, "opted_out": 1}
    assert (found.over_quota, found.later) == (0, 0)


def test_a_preview_forecasts_whom_the_channel_would_refuse(
    four: list[Customer], settings: Any
) -> None:
    settings.WECOM_RECEIVE_QUOTA = ("month", 1)
    now = timezone.now()
    sent_before(four[:3], at=now)
    opt_out(four[0], source="test", now=now)

    assert preview_audience({}).over_quota == 2
    rules(skip_over_quota=True)
    assert preview_audience({}).skipped == {"opted_out": 1, "quota": 2}


def test_a_preview_looks_back_from_the_chosen_time(four: list[Customer], settings: Any) -> None:
    settings.WECOM_RECEIVE_QUOTA = ("day", 1)
    now = timezone.now()
    sent_before(four[:2], at=now)
    rules(cap_messages=1, cap_days=1)
    assert preview_audience({}).skipped == {"capped": 2}

    found = preview_audience({}, period=Period(now + timedelta(days=2)))

    assert (found.skipped, found.over_quota) == ({}, 0)


def test_rules_are_kept_with_their_history() -> None:
    rules(cap_messages=3, cap_days=7, quiet_from=time(21), quiet_to=time(9))
    rules(cap_messages=2)

    kept = MessagingRules.objects.get()
    assert (kept.cap_messages, kept.cap_days, kept.quiet_from) == (2, 7, time(21))
    entry = HistoryEntry.objects.filter(action="messaging_rules.changed").latest("pk")
    assert entry.data == {"cap_messages": [3, 2]}


@pytest.mark.parametrize(
    "broken",
    [
        {"quiet_from": time(21)},
        {"quiet_from": time(9), "quiet_to": time(9)},
        {"cap_messages": 0},
        {"cap_messages": 1, "cap_days": 0},
        {"cap_days": 1000},
        {"channel_caps": {"pigeon": {"messages": 1, "days": 1}}},
        {"channel_caps": {"wecom": {"messages": 1}}},
        {"channel_caps": {"wecom": {"messages": True, "days": 1}}},
        {"consent_required": ["wecom:fun"]},
        {"consent_required": ["pigeon:campaign"]},
        {"anything": 1},
    ],
)
def test_rules_that_do_not_go_together_are_refused(broken: dict[str, object]) -> None:
    with pytest.raises(RuleBroken):
        rules(**broken)

    assert not MessagingRules.objects.exists()
    assert not HistoryEntry.objects.exists()
