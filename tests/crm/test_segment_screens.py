"""Segments on screen: the list, and the page of one."""

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.actions.segments import archive_segment, create_list
from campaigns.models import CampaignDraft, Segment, SegmentMember
from contacts.enums import Role, Scope
from contacts.models import HistoryEntry, Staff
from crm.access import viewer_for
from crm.segment_counts import count_now
from tests.builders import (
    first_store,
    make_campaign,
    make_customer,
    make_customers,
    make_segment,
    make_staff,
    make_store,
    make_tag,
    queries_for,
    sign_in,
)
from tests.segment_inputs import rule_inputs

pytestmark = pytest.mark.django_db

NEW = "/segments/new/"
LONDON = {"field": "city", "op": "is", "value": "London"}


# --- the list ------------------------------------------------------------------------------------


def test_the_list_says_what_kind_whose_and_how_many(marketer: Client, yan: Staff):
    make_customers(2)
    rule = make_segment(name="Everybody", created_by=yan)
    assert "not counted yet" in marketer.get("/segments/").text

    marketer.get(f"/segments/{rule.pk}/")

    text = marketer.get("/segments/").text
    assert "2 customers" in text
    assert "Yan" in text
    assert "shared" in text


def test_a_changed_rule_is_not_counted_yet(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, created_by=yan)
    marketer.get(f"/segments/{segment.pk}/")
    form = rule_inputs(marketer, segment)

    marketer.post(f"/segments/{segment.pk}/edit/", form | {"name": "Other", "go": "save"})

    assert "not counted yet" in marketer.get("/segments/").text


def test_the_list_is_searched_and_filtered(marketer: Client, yan: Staff):
    make_segment(name="Regulars", created_by=yan)
    make_segment(name="Of Mei", created_by=make_staff("Mei", role=Role.MARKETER))
    make_segment(name="Spring")
    create_list(name="Guests", customers=[], actor=yan, now=timezone.now())

    def shown(query: str) -> list[str]:
        rows = marketer.get(f"/segments/?{query}").context["rows"]
        return [row.segment.name for row in rows]

    assert shown("") == ["Guests", "Spring", "Of Mei", "Regulars"]
    assert shown("kind=lists") == ["Guests"]
    assert shown("kind=campaigns") == ["Spring"]
    assert shown("kind=rules&mine=1") == ["Regulars"]
    assert shown("q=reg") == ["Regulars"]
    assert "No segments like this" in marketer.get("/segments/?q=none").text


def test_an_empty_list_says_what_to_do(marketer: Client):
    text = marketer.get("/segments/").text

    assert "No segments yet" in text
    assert f'href="{NEW}"' in text


def test_the_list_asks_as_often_for_many_rows_as_for_few(marketer: Client, yan: Staff):
    queries_for(marketer, "/segments/")
    counts = []
    for rows in (3, 40):
        for _row in range(rows):
            count_now(viewer_for(yan), make_segment(created_by=yan), now=timezone.now())
        counts.append(queries_for(marketer, "/segments/"))

    assert Segment.objects.count() == 43
    assert counts[0] == counts[1]


def test_a_segment_that_is_not_shared_is_not_there_for_others(marketer: Client):
    secret = make_segment(
        name="Hers", shared=False, created_by=make_staff("Mei", role=Role.MARKETER)
    )

    assert "Hers" not in marketer.get("/segments/").text
    for page in ("", "edit/"):
        assert marketer.get(f"/segments/{secret.pk}/{page}").status_code == 404
    for verb in ("freeze/", "archive/", "campaign/", "members/", "members/remove/"):
        assert marketer.post(f"/segments/{secret.pk}/{verb}", {"name": "x"}).status_code == 404
    assert marketer.get(f"/customers/?segment={secret.pk}").status_code == 404
    assert marketer.post(f"/customers/customers.csv?segment={secret.pk}").status_code == 404
    secret.refresh_from_db()
    assert secret.archived_at is None


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER])
def test_segments_are_for_marketers(client: Client, role: Role):
    segment = make_segment()
    sign_in(client, make_staff("Lin", role=role))

    for page in ("", "new/", "lists/new/", f"{segment.pk}/", f"{segment.pk}/edit/"):
        assert client.get(f"/segments/{page}").status_code == 403, page
    for verb in ("freeze/", "archive/", "campaign/", "members/", "members/remove/"):
        assert client.post(f"/segments/{segment.pk}/{verb}").status_code == 403, verb
    assert client.post("/segments/preview/").status_code == 403
    assert client.get(f"/customers/?segment={segment.pk}").status_code == 403
    assert client.post(f"/customers/customers.csv?segment={segment.pk}").status_code == 403
    assert 'href="/segments/"' not in client.get("/").text


def test_a_company_without_customers_is_not_told_to_loosen_anything(marketer: Client):
    page = marketer.get("/segments/new/").text

    assert "There are no customers yet that you see." in page
    assert "Loosen" not in page


def test_the_navigation_leads_marketers_there(marketer: Client):
    assert (
        'class="nav-item" href="/segments/" aria-current="page"' in marketer.get("/segments/").text
    )
    assert 'href="/campaigns/" aria-current' not in marketer.get("/segments/").text


def test_administrators_come_by_way_of_the_campaigns(client: Client):
    sign_in(client, make_staff("Boss", role=Role.ADMINISTRATOR, scope=Scope.COMPANY))

    assert 'href="/segments/"' in client.get("/campaigns/").text
    assert 'href="/campaigns/" aria-current="page"' in client.get("/segments/").text


# --- the page of one -----------------------------------------------------------------------------


def test_the_page_says_the_rule_in_words(marketer: Client, yan: Staff):
    vip = make_tag("VIP")
    rule = {
        "all": [
            {"field": "tag", "op": "any", "value": [vip.pk, 999]},
            {"not": {"field": "last_order", "op": "within_days", "value": 30}},
            {
                "any": [
                    {"field": "spent", "op": "within_days", "value": {"amount": 500, "days": 90}}
                ]
            },
            {"field": "attribute", "op": "is", "value": {"key": "size", "value": "L"}},
            {"field": "birthday", "op": "in_months", "value": [5]},
        ]
    }
    segment = make_segment(rule, created_by=yan)

    said = marketer.get(f"/segments/{segment.pk}/").context["said"]

    assert said.text == "All of these hold"
    assert [line.text for line in said.members] == [
        "Tag: any of VIP, one that you do not see",
        "not: Last order: in the last 30 days",
        "At least one of these holds",
        "Attribute “size”: is L",
        "Birthday: in May",
    ]
    assert said.members[2].members[0].text == "Spent in all: at least 500 in 90 days"


def test_the_customers_are_paged(marketer: Client, yan: Staff):
    make_customers(26)
    segment = make_segment(created_by=yan)

    first = marketer.get(f"/segments/{segment.pk}/").context["page"]
    second = marketer.get(f"/segments/{segment.pk}/?after={first.last.pk}").context["page"]

    assert (len(first.rows), len(second.rows), second.last) == (25, 1, None)


def test_the_page_asks_as_often_for_one_as_for_many(marketer: Client, yan: Staff):
    make_customers(1)
    segment = make_segment(created_by=yan)
    address = f"/segments/{segment.pk}/"
    one = queries_for(marketer, address)
    make_customers(5)

    assert queries_for(marketer, address) == one


def test_a_campaign_begins_with_the_segment(marketer: Client, yan: Staff):
    segment = make_segment({"all": [LONDON]}, name="Regulars", created_by=yan)
    for _n in range(201):
        make_segment()

    response = marketer.post(f"/segments/{segment.pk}/campaign/")

    assert response["Location"] == "/campaigns/new/"
    assert CampaignDraft.objects.get(staff=yan).fields["saved"] == [str(segment.pk)]
    step = marketer.get("/campaigns/new/audience/")
    assert f'<option value="{segment.pk}" selected>Regulars</option>' in step.text
    assert not step.context.get("cannot_count")


def test_an_unfinished_campaign_keeps_its_words(marketer: Client, yan: Staff):
    CampaignDraft.objects.create(staff=yan, fields={"text": ["Hello"]}, saved_at=timezone.now())
    segment = make_segment(created_by=yan)
    assert "You have an unfinished campaign." in marketer.get(f"/segments/{segment.pk}/").text

    marketer.post(f"/segments/{segment.pk}/campaign/")

    fields = CampaignDraft.objects.get(staff=yan).fields
    assert fields == {"text": ["Hello"], "saved": [str(segment.pk)]}


def test_the_campaign_editor_offers_no_segment_that_is_not_at_hand(marketer: Client, yan: Staff):
    mei = make_staff("Mei", role=Role.MARKETER)
    hers = make_segment(name="Hers", shared=False, created_by=mei)
    old = make_segment(name="Old", created_by=yan)
    archive_segment(old, actor=yan, now=timezone.now())
    CampaignDraft.objects.create(
        staff=yan, fields={"saved": [str(hers.pk)]}, saved_at=timezone.now()
    )

    text = marketer.get("/campaigns/new/audience/").text

    assert "Hers" not in text
    assert "Old" not in text


def test_a_drafted_campaign_keeps_its_archived_segment(marketer: Client, yan: Staff):
    rule = {"all": [{"field": "orders", "op": "at_least", "value": 2}]}
    segment = make_segment(rule, name="Gone", created_by=yan)
    campaign = make_campaign(segment=segment, created_by=yan)
    archive_segment(segment, actor=yan, now=timezone.now())

    text = marketer.get(f"/campaigns/{campaign.pk}/edit/audience/").text

    assert f'<option value="{segment.pk}" selected>Gone</option>' in text


def test_out_of_scope_no_campaign_begins(client: Client):
    yu = make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=first_store())
    there = make_store("Xujiahui")
    segment = make_segment({"all": [{"field": "store", "op": "in", "value": [there.pk]}]})
    sign_in(client, yu)

    response = client.post(f"/segments/{segment.pk}/campaign/", follow=True)

    assert "lies outside your scope" in response.text
    assert not CampaignDraft.objects.exists()


def test_the_customer_list_is_narrowed_to_the_segment(marketer: Client, yan: Staff):
    make_customer("Chen", city="London")
    make_customer("Zhao", city="Paris")
    segment = make_segment({"all": [LONDON]}, name="Londoners", created_by=yan)

    response = marketer.get(f"/customers/?segment={segment.pk}")

    assert [str(row) for row in response.context["page"].rows] == ["Chen"]
    assert "Londoners" in response.text
    assert f"segment={segment.pk}" in response.context["chosen"].address(after=1)


def test_an_export_of_the_segment_is_written_down(marketer: Client, yan: Staff):
    make_customer("Chen", city="London")
    make_customer("Zhao", city="Paris")
    segment = make_segment({"all": [LONDON]}, created_by=yan)

    response = marketer.post(f"/customers/customers.csv?segment={segment.pk}")

    lines = response.getvalue().decode().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("Chen")
    entry = HistoryEntry.objects.get(action="customers.exported")
    assert entry.data == {"rows": 1, "segment": segment.pk}


def test_a_segment_is_frozen_as_far_as_one_sees_it(client: Client):
    here, there = first_store(), make_store("Xujiahui")
    chen = make_customer("Chen", city="London", store=here)
    make_customer("Zhao", city="London", store=there)
    segment = make_segment({"all": [LONDON]}, name="Londoners")
    sign_in(client, make_staff("Yu", role=Role.MARKETER, scope=Scope.STORE, store=here))

    response = client.post(f"/segments/{segment.pk}/freeze/", {"name": "Londoners of now"})

    frozen = Segment.objects.get(name="Londoners of now")
    assert response["Location"] == f"/segments/{frozen.pk}/"
    assert frozen.is_static
    assert [row.customer_id for row in SegmentMember.objects.filter(segment=frozen)] == [chen.pk]


@pytest.mark.parametrize("name", ["", "LONDONERS"])
def test_a_frozen_list_needs_a_name_of_its_own(marketer: Client, yan: Staff, name: str):
    segment = make_segment({"all": [LONDON]}, name="Londoners", created_by=yan)

    response = marketer.post(f"/segments/{segment.pk}/freeze/", {"name": name})

    assert response.status_code == 400
    assert response.context["freeze"].errors["name"]
    assert Segment.objects.count() == 1


def test_an_archived_segment_leaves_the_lists(marketer: Client, yan: Staff):
    segment = make_segment(name="Old", created_by=yan)

    response = marketer.post(f"/segments/{segment.pk}/archive/", follow=True)

    assert "Archived." in response.text
    assert not response.context["rows"]
    assert marketer.get(f"/segments/{segment.pk}/").status_code == 404
