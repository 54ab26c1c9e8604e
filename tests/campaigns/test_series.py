"""Series: on which days they run, for whom, and never twice."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaigns.actions.campaigns import plan_campaign
from campaigns.actions.due import series_to_run
from campaigns.actions.leavers import hand_on_campaigns
from campaigns.actions.missed import end_missed
from campaigns.actions.series import (
    change_series,
    create_series,
    end_series,
    pause_series,
    resume_series,
    run_series,
)
from campaigns.audience import preview_campaign
from campaigns.calendar import next_run
from campaigns.enums import SeriesKind
from campaigns.models import Campaign, Delivery, Segment, Series, SeriesRun
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Customer, Notice
from tests.builders import (
    NOON,
    make_content,
    make_customer,
    make_order,
    make_segment,
    make_series,
    make_staff,
)

pytestmark = pytest.mark.django_db


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def days(count: int, **fields: Any) -> list[str]:
    series = Series(**{"zone": "Asia/Shanghai", "at_time": time(10), "kind": "repeat"} | fields)
    found: list[str] = []
    moment: datetime | None = at("2026-01-01T00:00")
    while len(found) < count and moment and (moment := next_run(series, after=moment)):
        found.append(f"{moment.astimezone(ZoneInfo(series.zone)):%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(("rule", "expected"), [
    ({"freq": "daily"}, ["01-01", "01-02", "01-03"]),
    ({"freq": "daily", "every": 3}, ["01-01", "01-04", "01-07"]),
    ({"freq": "weekly", "weekdays": [0, 3]}, ["01-01", "01-05", "01-08"]),
    ({"freq": "weekly", "weekdays": [3], "every": 2}, ["01-01", "01-15", "01-29"]),
    ({"freq": "monthly", "day": 15}, ["01-15", "02-15", "03-15"]),
    ({"freq": "monthly", "day": 31}, ["01-31", "02-28", "03-31"]),
    ({"freq": "monthly", "day": 30}, ["01-30", "02-28", "03-30"]),
    ({"freq": "monthly", "day": -1}, ["01-31", "02-28", "03-31"]),
])  # fmt: skip
def test_a_series_runs_on_the_days_of_its_rule(rule, expected):
    assert days(3, rule=rule, starts_on=date(2026, 1, 1)) == [f"{day} 10:00" for day in expected]


def test_a_series_keeps_its_hour_through_summer_time():
    found = days(
        3, rule={"freq": "daily"}, starts_on=date(2026, 3, 28), zone="Europe/Berlin",
        at_time=time(2, 30),
    )  # fmt: skip

    assert found == ["03-28 02:30", "03-29 03:30", "03-30 02:30"]


def test_a_series_ends_after_its_last_day():
    found = days(9, rule={"freq": "daily"}, starts_on=date(2026, 1, 1), until=date(2026, 1, 2))

    assert len(found) == 2


def values(**more: Any) -> dict[str, Any]:
    return {
        "name": "Mondays", "content": make_content(), "segment": make_segment(),
        "channel": "wecom", "kind": "repeat", "rule": {"freq": "daily"}, "zone": "Asia/Shanghai",
        "at_time": time(10), "starts_on": NOON.date(),
    } | more  # fmt: skip


@pytest.mark.parametrize("wrong", [
    {"name": " "},
    {"kind": "never"},
    {"zone": "Mars/Base"},
    {"channel": "pigeon"},
    {"rule": {"freq": "hourly"}},
    {"rule": {"freq": "weekly"}},
    {"rule": {"freq": "weekly", "weekdays": [7]}},
    {"rule": {"freq": "daily", "weekdays": [1]}},
    {"rule": {"freq": "monthly", "day": 0}},
    {"rule": {"freq": "monthly", "day": 32}},
    {"rule": {"freq": "daily", "every": 0}},
    {"rule": {"freq": ["daily"]}},
    {"rule": {"freq": "daily", "count": 3}},
    {"kind": "birthday", "rule": {"days_before": -1}},
    {"kind": "after_purchase", "rule": {}},
    {"kind": "after_purchase", "rule": {"days": True}},
    {"until": date(2020, 1, 1)},
    {"starts_on": date(2020, 1, 1), "until": date(2020, 1, 2)},
    {"conversion_days": 91},
    {"send_for_hours": 0},
    {"send_for_hours": 721},
    {"control_share": 51},
])  # fmt: skip
def test_a_series_that_cannot_run_is_refused(wrong):
    with pytest.raises(RuleBroken):
        create_series(values(**wrong), actor=None, now=NOON)

    assert not Series.objects.exists()


def test_a_run_makes_an_ordinary_campaign_once():
    tao = make_staff("Tao")
    series = create_series(values(), actor=tao, now=NOON)
    due = at("2026-03-03T10:00")
    assert series.next_run_at == due
    assert series_to_run(due) == [series.pk]

    run_series(series.pk, now=due)
    assert run_series(series.pk, now=due) is None

    campaign = Campaign.objects.get()
    assert (campaign.name, campaign.state) == ("Mondays 2026-03-03", "scheduled")
    assert campaign.created_by == tao
    assert campaign.run.series == series
    series.refresh_from_db()
    assert series.next_run_at == at("2026-03-04T10:00")


def test_the_database_refuses_the_same_run_twice(refused_by):
    series = make_series()
    SeriesRun.objects.create(series=series, run_at=NOON, state="missed")

    with refused_by("series_run_once"):
        SeriesRun.objects.create(series=series, run_at=NOON, state="missed")


@pytest.mark.parametrize(("now", "states"), [
    ("2026-03-05T11:00", ["missed", "missed", "started"]),
    ("2026-03-05T17:00", ["missed", "missed", "missed"]),
])  # fmt: skip
def test_after_an_outage_only_the_newest_run_starts_and_none_that_is_too_late(now, states):
    series = create_series(values(), actor=None, now=NOON)

    run_series(series.pk, now=at(now))

    assert list(series.runs.order_by("run_at").values_list("state", flat=True)) == states
    series.refresh_from_db()
    assert series.next_run_at == at("2026-03-06T10:00")


def test_a_series_ends_by_itself_after_its_last_run():
    series = create_series(values(until=date(2026, 3, 3)), actor=None, now=NOON)

    run_series(series.pk, now=at("2026-03-03T10:00"))

    series.refresh_from_db()
    assert (series.state, series.next_run_at) == ("ended", None)


def test_a_run_that_cannot_start_says_why_to_its_maker():
    series = create_series(values(), actor=make_staff("Tao"), now=NOON)
    Segment.objects.filter(pk=series.segment_id).update(rule={"all": "nonsense"})

    run = run_series(series.pk, now=at("2026-03-03T10:00"))

    assert run
    assert run.state == "refused"
    assert run.why
    assert not Campaign.objects.exists()
    assert Notice.objects.get().data["series"] == series.pk


def test_a_series_is_paused_resumed_and_ended_and_the_late_are_told():
    series = make_series()
    late = Series.objects.get(pk=series.pk)
    pause_series(series, actor=None, now=NOON)
    with pytest.raises(MovedOn):
        pause_series(late, actor=None, now=NOON)
    assert run_series(series.pk, now=NOON + timedelta(days=30)) is None

    resume_series(series, actor=None, now=NOON)
    assert series.next_run_at == at("2026-03-09T10:00")
    change_series(series, {"at_time": time(11)}, actor=None, now=NOON)
    assert series.next_run_at == at("2026-03-09T11:00")
    end_series(series, actor=None, now=NOON)
    with pytest.raises(MovedOn):
        change_series(series, {"at_time": time(12)}, actor=None, now=NOON)
    with pytest.raises(MovedOn):
        resume_series(series, actor=None, now=NOON)


def test_a_series_of_a_leaver_waits_for_a_colleague():
    tao, jin = make_staff("Tao"), make_staff("Jin")
    series = make_series(created_by=tao)

    hand_on_campaigns(tao, jin, now=NOON)

    series.refresh_from_db()
    assert (series.state, series.created_by) == ("paused", jin)


# --- triggers --------------------------------------------------------------------------------------


def campaign_on(series: Series, day: str) -> Campaign:
    run = SeriesRun.objects.create(
        series=series, run_at=at(f"{day}T10:00"), state="started",
        campaign=Campaign.objects.create(
            name=day, content=series.content, segment=series.segment, channel="echo",
            state_at=NOON,
        ),
    )  # fmt: skip
    assert run.campaign
    return run.campaign


def told(campaign: Campaign, customer: Customer, state: str = "sent") -> None:
    batch = campaign.batches.create(seq=1, size=1)
    Delivery.objects.create(campaign=campaign, customer=customer, batch=batch, slot=0, state=state)


def test_a_run_passes_its_options_on_to_its_campaign():
    customers = [make_customer(f"Customer {number}") for number in range(10)]
    options = {"skip_if_in_another": True, "track_clicks": False, "conversion_days": 30}
    series = create_series(
        values(channel="echo", send_for_hours=3, control_share=50, **options), actor=None, now=NOON
    )
    due = at("2026-03-03T10:00")

    run_series(series.pk, now=due)

    campaign = Campaign.objects.get()
    assert {name: getattr(campaign, name) for name in options} == options
    assert (campaign.track_opens, campaign.send_until) == (True, due + timedelta(hours=3))
    plan_campaign(campaign.pk, now=due)
    campaign.refresh_from_db()
    control = Delivery.objects.filter(campaign=campaign, state="skipped", reason="control").count()
    assert 0 < control < len(customers)
    assert campaign.recipients == len(customers) - control


def test_what_a_run_has_not_sent_after_its_hours_is_missed():
    make_customer("Anna")
    series = create_series(values(channel="echo", send_for_hours=1), actor=None, now=NOON)
    due = at("2026-03-03T10:00")
    run_series(series.pk, now=due)
    campaign = Campaign.objects.get()
    plan_campaign(campaign.pk, now=due)

    end_missed(campaign.pk, now=due + timedelta(minutes=59))
    before = Delivery.objects.get().state
    end_missed(campaign.pk, now=due + timedelta(minutes=61))

    assert (before, Delivery.objects.get().state) == ("queued", "cancelled")
    assert Delivery.objects.get().reason == "missed"


@pytest.mark.parametrize(("born", "day", "before", "reached"), [
    (date(1990, 3, 2), "2026-03-02", 0, 1),
    (date(1990, 3, 2), "2026-03-01", 0, 0),
    (date(1990, 3, 2), "2026-02-27", 3, 1),
    (date(1992, 2, 29), "2026-02-28", 0, 1),
    (date(1992, 2, 29), "2028-02-28", 0, 0),
    (date(1992, 2, 29), "2028-02-29", 0, 1),
    (date(1992, 2, 29), "2026-03-01", 0, 0),
])  # fmt: skip
def test_a_birthday_series_finds_those_whose_day_it_is(born, day, before, reached):
    make_customer(birthday=born)
    make_customer("Zhao")
    series = make_series(kind=SeriesKind.BIRTHDAY, rule={"days_before": before})

    assert preview_campaign(campaign_on(series, day)).reachable == reached


def test_a_birthday_comes_once_a_year_also_after_a_correction():
    chen = make_customer(birthday=date(1990, 3, 2))
    series = make_series(kind=SeriesKind.BIRTHDAY, rule={})
    told(campaign_on(series, "2026-03-02"), chen)
    Customer.objects.filter(pk=chen.pk).update(birthday=date(1990, 3, 20))

    assert preview_campaign(campaign_on(series, "2026-03-20")).reachable == 0
    assert preview_campaign(campaign_on(series, "2027-03-20")).reachable == 1


@pytest.mark.parametrize(("ordered", "state", "reached"), [
    ("2026-03-02T00:00", "paid", 1),
    ("2026-03-02T23:59", "done", 1),
    ("2026-03-01T23:59", "paid", 0),
    ("2026-03-03T00:00", "paid", 0),
    ("2026-03-02T12:00", "open", 0),
    ("2026-03-02T12:00", "refunded", 0),
])  # fmt: skip
def test_a_purchase_series_finds_who_bought_on_that_day(ordered, state, reached):
    chen = make_customer()
    make_order(chen, ordered_at=at(ordered), state=state)
    make_order(chen, ordered_at=at(ordered), state=state)
    series = make_series(kind=SeriesKind.AFTER_PURCHASE, rule={"days": 7})

    assert preview_campaign(campaign_on(series, "2026-03-09")).reachable == reached


def test_a_day_that_was_missed_is_caught_up_with_and_no_order_counts_twice():
    for day in ("01", "02", "03"):
        make_order(make_customer(), ordered_at=at(f"2026-03-{day}T12:00"))
    series = make_series(kind=SeriesKind.AFTER_PURCHASE, rule={"days": 7})
    first = preview_campaign(campaign_on(series, "2026-03-08"))

    then = preview_campaign(campaign_on(series, "2026-03-10"))

    assert (first.reachable, then.reachable) == (1, 2)


def test_nobody_hears_again_within_the_pause():
    chen = make_customer()
    for day in ("02", "12"):
        make_order(chen, ordered_at=at(f"2026-03-{day}T12:00"))
    series = make_series(kind=SeriesKind.AFTER_PURCHASE, rule={"days": 7, "pause_days": 30})
    told(campaign_on(series, "2026-03-09"), chen)

    assert preview_campaign(campaign_on(series, "2026-03-19")).reachable == 0


def test_a_series_reaches_only_its_segment():
    make_customer(birthday=date(1990, 3, 2), gender="male")
    series = make_series(
        kind=SeriesKind.BIRTHDAY, rule={},
        segment=make_segment(rule={"all": [{"field": "gender", "op": "is", "value": "female"}]}),
    )  # fmt: skip

    assert preview_campaign(campaign_on(series, "2026-03-02")).reachable == 0
