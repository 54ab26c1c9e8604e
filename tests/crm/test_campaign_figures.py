"""The page of a campaign's result, and its file."""

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.enums import CampaignState, DeliveryState
from campaigns.models import Campaign
from campaigns.tracking.clicks import note_click
from campaigns.tracking.links import register_links
from campaigns.tracking.tokens import Token
from contacts.enums import Role, Scope
from contacts.models import Staff
from tests.builders import NOON, make_batch, make_campaign, make_customer, make_staff, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def tao() -> Staff:
    return make_staff("Tao", role=Role.MARKETER, scope=Scope.COMPANY)


@pytest.fixture
def campaign() -> Campaign:
    made = make_campaign(channel="email", state=CampaignState.DONE, recipients=2)
    register_links(made, texts=["https://shop.example/new"])
    chen = make_customer("Chen", owner=make_staff("=Lin"))
    zhao = make_customer("Zhao", owner=make_staff("Mei"))
    make_batch(made, [chen, zhao], delivery_state=DeliveryState.SENT)
    note_click(Token(made.pk, chen.pk, 1), by_machine=False, now=NOON)
    return made


def test_marketer_sees_how_far_people_got(client: Client, tao: Staff, campaign: Campaign) -> None:
    answer = sign_in(client, tao).get(reverse("campaign_figures", args=[campaign.pk]))

    assert answer.status_code == 200
    assert "50.0 %" in answer.text
    assert "https://shop.example/new" in answer.text
    assert "Mei" in answer.text


@pytest.mark.parametrize("by", ["guide", "store", "batch", "nonsense", ""])
def test_page_compares_by_any_part(client: Client, tao: Staff, campaign: Campaign, by: str) -> None:
    url = reverse("campaign_figures", args=[campaign.pk])

    assert sign_in(client, tao).get(url, {"by": by}).status_code == 200


def test_page_of_a_draft_is_empty(client: Client, tao: Staff) -> None:
    draft = make_campaign()

    answer = sign_in(client, tao).get(reverse("campaign_figures", args=[draft.pk]))

    assert answer.status_code == 200
    assert "Nothing was sent yet." in answer.text


def test_file_has_all_guides_and_runs_no_formula(
    client: Client, tao: Staff, campaign: Campaign
) -> None:
    url = reverse("campaign_figures_file", args=[campaign.pk])

    lines = sign_in(client, tao).get(url, {"by": "guide"}).getvalue().decode().splitlines()

    assert lines[0].startswith("\ufeffGuide,Recipients,Sent")
    assert lines[1].startswith("'=Lin,1,1,1,1,1,")
    assert lines[2].startswith("Mei,1,1,0,0,0,")


@pytest.mark.parametrize("name", ["campaign_figures", "campaign_figures_file"])
def test_others_find_nothing(client: Client, campaign: Campaign, name: str) -> None:
    url = reverse(name, args=[campaign.pk])

    assert client.get(url).status_code == 302
    assert sign_in(client, make_staff("Sun")).get(url).status_code == 403
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    assert sign_in(Client(), elsewhere).get(url).status_code == 404
