"""The page of a campaign's result, and its file."""

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.enums import CampaignState, DeliveryState, EngagementKind
from campaigns.models import Campaign, Engagement
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


@pytest.fixture
def in_wecom() -> Campaign:
    """A campaign of which nothing but *sent* is told; Chen has bought."""
    made = make_campaign(channel="wecom", state=CampaignState.DONE, recipients=2)
    lin = make_staff("Lin")
    chen, zhao = make_customer("Chen", owner=lin), make_customer("Zhao", owner=lin)
    make_batch(made, [chen, zhao], sender=lin, delivery_state=DeliveryState.SENT)
    Engagement.objects.create(
        campaign=made,
        customer_id=chen.pk,
        kind=EngagementKind.CONVERTED,
        count=1,
        first_at=NOON,
        last_at=NOON,
    )
    return made


@pytest.mark.parametrize("name", ["campaign_figures", "campaign_page"])
def test_what_the_channel_does_not_tell_is_a_dash(
    client: Client, tao: Staff, campaign: Campaign, in_wecom: Campaign, name: str
) -> None:
    sign_in(client, tao)
    told, untold = [client.get(reverse(name, args=[made.pk])).text for made in (campaign, in_wecom)]

    assert "not told by this channel" not in told
    assert untold.count("not told by this channel</span>") == 5
    assert ">0.0 %<" not in untold
    assert "<svg viewBox" not in untold  # nobody opened or clicked in any hour
    assert "50.0 %" in untold  # who bought is known all the same


def test_the_file_leaves_empty_what_is_not_told(
    client: Client, tao: Staff, in_wecom: Campaign
) -> None:
    url = reverse("campaign_figures_file", args=[in_wecom.pk])

    lines = sign_in(client, tao).get(url, {"by": "guide"}).getvalue().decode().splitlines()

    assert lines[1].startswith("Lin,2,2,,,,,,1,")


def test_a_comparison_shows_a_dash_too(
    client: Client, tao: Staff, campaign: Campaign, in_wecom: Campaign
) -> None:
    answer = sign_in(client, tao).get(
        reverse("campaign_compare"), {"pk": [campaign.pk, in_wecom.pk]}
    )

    assert answer.text.count("not told by this channel") == 4  # read, clicked, replied, opted out


@pytest.mark.parametrize("name", ["campaign_figures", "campaign_figures_file"])
def test_others_find_nothing(client: Client, campaign: Campaign, name: str) -> None:
    url = reverse(name, args=[campaign.pk])

    assert client.get(url).status_code == 302
    assert sign_in(client, make_staff("Sun")).get(url).status_code == 403
    elsewhere = make_staff("Wu", role=Role.MARKETER, scope=Scope.STORE)
    assert sign_in(Client(), elsewhere).get(url).status_code == 404
