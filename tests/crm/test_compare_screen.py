"""Campaigns side by side."""

import pytest
from django.test import Client

from campaigns.comparison import MOST_COMPARED
from campaigns.enums import CampaignState, DeliveryState
from campaigns.models import Campaign
from contacts.enums import Role, Scope
from contacts.models import Staff
from tests.builders import (
    make_batch,
    make_campaign,
    make_customers,
    make_staff,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

COMPARE = "/campaigns/compare/"


def sent(name: str, *, read: int, people: int = 4) -> Campaign:
    campaign = make_campaign(name, channel="email", state=CampaignState.DONE, recipients=people)
    customers = make_customers(people, owner=make_staff(f"Guide of {name}"))
    make_batch(campaign, customers[:read], delivery_state=DeliveryState.READ)
    make_batch(campaign, customers[read:], delivery_state=DeliveryState.SENT)
    return campaign


def cells(answer: object, label: str) -> list[tuple[int | None, str, bool]]:
    rows = [row for _heading, rows in answer.context["parts"] for row in rows]  # type: ignore[attr-defined]  # the test client adds it
    found = next(row for row in rows if str(row.label) == label)
    return [(cell.n, cell.percent, cell.is_best) for cell in found.cells]


def test_rates_stand_side_by_side_in_the_order_chosen(marketer: Client):
    weak, strong = sent("Weak", read=1), sent("Strong", read=3)

    answer = marketer.get(COMPARE, {"pk": [strong.pk, weak.pk]})

    assert answer.status_code == 200
    assert [column["campaign"].name for column in answer.context["columns"]] == ["Strong", "Weak"]
    assert cells(answer, "Read") == [(3, "75.0 %", True), (1, "25.0 %", False)]
    assert cells(answer, "Reached") == [(4, "100.0 %", False)] * 2
    assert f'href="?pk={weak.pk}"' in answer.text
    assert "style=" not in answer.text


def test_one_campaign_and_a_draft_can_be_looked_at(marketer: Client):
    answer = marketer.get(COMPARE, {"pk": [make_campaign().pk]})

    assert answer.status_code == 200
    assert cells(answer, "Read") == [(None, "", False)]


def test_nothing_chosen_says_what_to_do(marketer: Client):
    answer = marketer.get(COMPARE)

    assert answer.status_code == 200
    assert "Show the list" in answer.text


def test_more_than_the_most_are_refused(marketer: Client):
    ids = [make_campaign(f"Campaign {number}").pk for number in range(MOST_COMPARED + 1)]

    assert marketer.get(COMPARE, {"pk": ids}).status_code == 400
    assert marketer.get(COMPARE, {"pk": ids[1:]}).status_code == 200
    assert marketer.get(COMPARE, {"pk": [ids[0]] * 9}).status_code == 200


@pytest.mark.parametrize("text", ["0", "-1", "x", "٣", "9" * 30, "a\0b"])
def test_an_id_that_is_none_is_not_found(marketer: Client, text: str):
    assert marketer.get(COMPARE, {"pk": [str(make_campaign().pk), text]}).status_code == 404


def test_campaigns_out_of_sight_are_not_found(client: Client, yan: Staff):
    wu = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    own, other = make_campaign(created_by=wu), make_campaign("Hidden", created_by=yan)

    assert client.get(COMPARE).status_code == 302
    sign_in(client, wu)
    assert client.get(COMPARE, {"pk": [own.pk]}).status_code == 200
    answer = client.get(COMPARE, {"pk": [own.pk, other.pk]})
    assert answer.status_code == 404
    assert "Hidden" not in answer.text
    assert sign_in(Client(), make_staff("Sun")).get(COMPARE).status_code == 403


def test_the_list_offers_what_has_results(marketer: Client):
    assert "Compare what is ticked" not in marketer.get("/campaigns/").text
    draft, done = make_campaign("Draft"), sent("Done", read=1)

    page = marketer.get("/campaigns/").text

    assert "Compare what is ticked" in page
    assert f'name="pk" value="{done.pk}"' in page
    assert f'name="pk" value="{draft.pk}"' not in page


def test_more_campaigns_take_no_more_queries(marketer: Client):
    ids = [sent(name, read=1).pk for name in ("One", "Two", "Three")]

    one = queries_for(marketer, f"{COMPARE}?pk={ids[0]}")
    assert queries_for(marketer, COMPARE + "?" + "&".join(f"pk={pk}" for pk in ids)) == one
