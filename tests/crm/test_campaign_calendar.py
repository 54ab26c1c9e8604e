"""The calendar of campaigns: which day, whose, and what of odd addresses."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from campaigns.enums import CampaignState
from contacts.enums import Role, Scope
from tests.builders import make_campaign, make_staff, queries_for, sign_in

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")


def scheduled(name: str, *moment: int, **fields: Any) -> None:
    at = datetime(*moment, tzinfo=SHANGHAI)  # type: ignore[misc, arg-type]
    make_campaign(name, state=CampaignState.SCHEDULED, send_at=at, **fields)


def shown(client: Client, query: str) -> dict[str, list[str]]:
    weeks = client.get(f"/campaigns/calendar/?{query}").context["weeks"]
    return {
        day.date.isoformat(): [campaign.name for campaign in day.campaigns]
        for week in weeks
        for day in week
        if day.campaigns
    }


def test_a_campaign_stands_on_its_local_day(marketer: Client):
    scheduled("Just after midnight", 2026, 3, 9, 0, 30)
    scheduled("Just before midnight", 2026, 3, 8, 23, 30)
    make_campaign("No time set")

    assert shown(marketer, "day=2026-03-15") == {
        "2026-03-08": ["Just before midnight"],
        "2026-03-09": ["Just after midnight"],
    }


def test_a_month_is_shown_in_whole_weeks(marketer: Client):
    scheduled("Before", 2026, 2, 22, 10)
    scheduled("Edge", 2026, 2, 23, 10)
    scheduled("After", 2026, 4, 5, 10)
    scheduled("Too late", 2026, 4, 6, 10)

    assert shown(marketer, "day=2026-03-15") == {"2026-02-23": ["Edge"], "2026-04-05": ["After"]}


def test_a_week_is_seven_days(marketer: Client):
    scheduled("Monday", 2026, 3, 9, 10)
    scheduled("Next Monday", 2026, 3, 16, 10)

    assert shown(marketer, "by=week&day=2026-03-15") == {"2026-03-09": ["Monday"]}


@pytest.mark.parametrize("day", ["", "soon", "2026-13-01", "0001-01-01", "9999-12-31"])
def test_an_odd_day_shows_today(marketer: Client, day: str):
    response = marketer.get(f"/campaigns/calendar/?day={day}")

    assert response.context["middle"] == response.context["today"]
    assert "Asia/Shanghai" in response.content.decode()


def test_a_marketer_of_one_store_sees_their_own_only(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE)
    scheduled("Mine", 2026, 3, 9, 10, created_by=yu)
    scheduled("Hers", 2026, 3, 10, 10)

    assert shown(sign_in(client, yu), "day=2026-03-15") == {"2026-03-09": ["Mine"]}


def test_many_campaigns_cost_no_more_queries(marketer: Client):
    address = "/campaigns/calendar/?day=2026-03-15"
    scheduled("One", 2026, 3, 9, 10)
    cost = queries_for(marketer, address)
    for hour in range(20):
        scheduled("More", 2026, 3, 10, hour)

    assert queries_for(marketer, address) == cost <= 8
