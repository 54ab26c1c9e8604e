"""A marketer reaches, and counts, no further than their own scope: on the sheet and in the API."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Campaign, CampaignDraft, Segment
from campaigns.segments import customers_in
from contacts.enums import Role, Scope
from contacts.errors import RuleBroken
from contacts.models import Customer, Staff, Store
from crm.access import viewer_for
from crm.audiences import check_reach, narrowed
from crm.forms.campaigns import CampaignForm
from tests.builders import (
    make_campaign,
    make_customers,
    make_segment,
    make_staff,
    make_store,
    sign_in,
)

pytestmark = pytest.mark.django_db

EVERYBODY: dict[str, Any] = {"all": []}
WORDS = {"name": "Coats", "text": "New coats", "channel": "wecom"}


@pytest.fixture
def home() -> Store:
    """Lin's store with 3 customers, beside Mei's with 5."""
    store = make_store("Nanjing Road")
    make_customers(3, owner=make_staff("Lin", store=store), followed=True)
    make_customers(5, owner=make_staff("Mei", store=make_store("Xidan")), followed=True)
    return store


def marketer(home: Store, scope: Scope, *, storeless: bool = False) -> Staff:
    """A marketer of this store, with 2 customers of their own."""
    person = make_staff("Mona", role=Role.MARKETER, scope=scope, store=home)
    make_customers(2, owner=person, store=home, followed=True)
    if storeless:
        Staff.objects.filter(pk=person.pk).update(store=None)
        person.refresh_from_db()
    return person


def in_(field: str, *ids: int) -> dict[str, Any]:
    return {"all": [{"field": field, "op": "in", "value": list(ids)}]}


def post(person: Staff, address: str, body: dict[str, Any]) -> Any:
    client = sign_in(Client(), person)
    return client.post(f"/api/v1/{address}", body, content_type="application/json")


REACHES = [(Scope.OWN, 2), (Scope.STORE, 5), (Scope.DEPARTMENT, 10), (Scope.COMPANY, 10)]


@pytest.mark.parametrize(("scope", "reach"), REACHES)
def test_a_preview_counts_those_in_scope(home: Store, scope: Scope, reach: int) -> None:
    answer = post(marketer(home, scope), "segments/preview", {"rule": EVERYBODY})

    assert answer.json()["reachable"] == reach


@pytest.mark.parametrize(("scope", "reach"), REACHES)
@pytest.mark.parametrize("by", ["rule", "segment"])
def test_a_campaign_of_the_api_reaches_those_in_scope(
    home: Store, scope: Scope, reach: int, by: str
) -> None:
    kept = make_segment(EVERYBODY, name="All")
    person = marketer(home, scope)
    whom = {"rule": EVERYBODY} if by == "rule" else {"segment": kept.pk}

    for name in ("Spring", "Spring"):  # the copy of a segment finds itself a free name
        answer = post(person, "campaigns", {"name": name, "text": "Hi"} | whom)
        if by == "rule":
            break

    assert answer.status_code == 201
    for campaign in Campaign.objects.all():
        assert campaign.segment
        assert customers_in(campaign.segment.rule).count() == reach
    assert Segment.objects.get(pk=kept.pk).rule == EVERYBODY


@pytest.mark.parametrize(("scope", "reach"), REACHES)
def test_the_sheet_reaches_those_in_scope(home: Store, scope: Scope, reach: int) -> None:
    form = CampaignForm(viewer_for(marketer(home, scope)), WORDS)

    assert form.is_valid()
    assert customers_in(form.rule()).count() == reach


@pytest.mark.parametrize("body", [{"rule": EVERYBODY}, {"rule": {}}])
def test_a_marketer_of_a_store_who_stands_in_none_reaches_nobody(
    home: Store, body: dict[str, Any]
) -> None:
    person = marketer(home, Scope.STORE, storeless=True)
    kept = make_segment(EVERYBODY)

    answers = [
        post(person, "segments/preview", body),
        post(person, "campaigns", {"name": "A", "text": "Hi"} | body),
        post(person, "campaigns", {"name": "A", "text": "Hi", "segment": kept.pk}),
    ]
    screen = sign_in(Client(), person)
    screen.post("/campaigns/new/", WORDS | {"go": "next"})
    version = CampaignDraft.objects.get().version
    answers.append(screen.post("/campaigns/new/check/", {"go": "save", "version": version}))

    assert [answer.status_code for answer in answers] == [400] * 4
    assert not Campaign.objects.exists()


def test_what_lies_wholly_outside_is_refused(home: Store) -> None:
    other = Store.objects.get(name="Xidan")
    mei = Staff.objects.get(name="Mei")

    for scope, rule in ((Scope.STORE, in_("store", other.pk)), (Scope.OWN, in_("owner", mei.pk))):
        viewer = viewer_for(marketer(home, scope))
        with pytest.raises(RuleBroken, match="outside your scope"):
            narrowed(rule, viewer)
    assert narrowed(in_("store", other.pk), viewer_for(marketer(home, Scope.COMPANY)))


def test_chosen_stores_are_cut_down_to_ones_own(home: Store) -> None:
    other = Store.objects.get(name="Xidan")
    viewer = viewer_for(marketer(home, Scope.STORE))

    rule = narrowed(in_("store", other.pk, home.pk), viewer)

    assert set(customers_in(rule)) == set(Customer.objects.filter(store=home))
    assert narrowed(rule, viewer) == rule  # and a second time changes nothing


def test_an_own_campaign_from_wider_days_shows_and_schedules_no_more_than_today(
    home: Store,
) -> None:
    person = marketer(home, Scope.OWN)
    wide = make_campaign(segment=make_segment(EVERYBODY), created_by=person)
    client = sign_in(Client(), person)

    shown = client.get(f"/campaigns/{wide.pk}/audience/")
    pressed = client.post(f"/campaigns/{wide.pk}/schedule/", {"when": "now"})
    called = post(person, f"campaigns/{wide.pk}/schedule", {})

    assert shown.context["audience"].reachable == 2
    assert (pressed.status_code, called.status_code) == (400, 400)
    wide.refresh_from_db()
    assert wide.state == "draft"
    with pytest.raises(RuleBroken):
        check_reach(wide, viewer_for(person))


def test_a_narrow_campaign_can_be_scheduled(home: Store) -> None:
    person = marketer(home, Scope.STORE)
    sign_in(client := Client(), person).post("/campaigns/new/", WORDS | {"go": "next"})
    version = CampaignDraft.objects.get().version
    client.post("/campaigns/new/check/", {"go": "save", "version": version})
    campaign = Campaign.objects.get()

    answer = client.post(f"/campaigns/{campaign.pk}/schedule/", {"when": "now"})

    assert answer.status_code == 302
    campaign.refresh_from_db()
    assert campaign.state == "scheduled"
    assert campaign.send_at
    assert campaign.send_at <= timezone.now()
