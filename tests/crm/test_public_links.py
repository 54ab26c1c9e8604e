"""What customers reach from their letters, through real addresses, as people and as machines."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.eligibility import skip_those_who_may_not
from campaigns.enums import CampaignState, DeliveryState, EngagementKind
from campaigns.models import Batch, Campaign, Delivery, Engagement, Variant
from campaigns.restraint import restraint_on
from campaigns.tracking.links import Linker, register_links
from campaigns.tracking.tokens import TokenUse, maker
from contacts.actions.consent import opt_out
from contacts.enums import Purpose
from contacts.models import Consent, ConsentEntry, Customer, HistoryEntry
from crm.public_rates import A_MINUTE
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_company,
    make_customer,
    make_erased,
    merge_customer,
)

pytestmark = pytest.mark.django_db

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
SHOP = "https://shop.example/new?a=1&b=2"
MAP = "https://map.example/store"
CARE = "https://shop.example/care"


@pytest.fixture
def chen() -> Customer:
    return make_customer("Chen")


@pytest.fixture
def campaign(chen: Customer) -> Campaign:
    return sent_to(chen)


@pytest.fixture
def phone() -> Client:
    """A visitor with a browser, without a session."""
    cache.clear()
    return Client(enforce_csrf_checks=True, HTTP_USER_AGENT=PHONE)


def sent_to(*customers: Customer, state: DeliveryState = DeliveryState.SENT) -> Campaign:
    campaign = make_campaign(channel="email", state=CampaignState.DONE, planned_at=NOON)
    register_links(campaign, texts=[f"{SHOP} {MAP} {CARE}"])
    make_batch(campaign, customers, delivery_state=state)
    return campaign


def link(campaign: Campaign, customer: Customer, seq: int = 1) -> str:
    return f"/l/{maker(TokenUse.LINK, campaign.pk, seq)(customer.pk)}"


def opening(campaign: Campaign, customer: Customer) -> str:
    return f"/o/{maker(TokenUse.OPENING, campaign.pk)(customer.pk)}.gif"


def way_out(campaign: Campaign, customer: Customer) -> str:
    return f"/u/{maker(TokenUse.UNSUBSCRIBE, campaign.pk)(customer.pk)}"


def counts(kind: EngagementKind = EngagementKind.CLICKED) -> dict[int, tuple[int, int]]:
    rows = Engagement.objects.filter(kind=kind)
    return {row.link: (row.count, row.bots) for row in rows}


def state_of(customer: Customer) -> str:
    return Delivery.objects.get(customer=customer).state


def everything() -> list[tuple[object, ...]]:
    """All that a visitor could have changed."""
    tables: list[Any] = [Customer, Consent, ConsentEntry, Delivery, Engagement, HistoryEntry]
    return [(table.__name__, *row) for table in tables for row in table.objects.values_list()]


def looks_private(answer: Any) -> None:
    """Nothing is kept anywhere, and the address tells nobody where it came from."""
    assert answer["Cache-Control"] == "no-store"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not answer.cookies


# --- links --------------------------------------------------------------------------------------


def test_link_leads_to_what_stood_in_the_letter(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    answer = phone.get(link(campaign, chen))

    assert answer.status_code == 302
    assert answer["Location"] == SHOP
    looks_private(answer)
    assert counts() == {0: (1, 0), 1: (1, 0)}
    assert state_of(chen) == DeliveryState.READ


def test_links_that_letters_carry_work(phone: Client, campaign: Campaign, chen: Customer) -> None:
    written = Linker(campaign).text(f"Look: {MAP}", chen.pk)
    url = re.search(r"https?://[^/]+(/l/\S+)", written)

    assert url is not None
    assert phone.get(url[1])["Location"] == MAP


def test_one_link_again_is_one_recipient(phone: Client, campaign: Campaign, chen: Customer) -> None:
    for _again in range(3):
        phone.get(link(campaign, chen))

    assert counts() == {0: (3, 0), 1: (3, 0)}


def test_click_costs_two_statements_at_first_and_one_afterwards(
    phone: Client, campaign: Campaign, chen: Customer, django_assert_num_queries: Any
) -> None:
    phone.get(link(campaign, chen, 2))
    zhao = make_customer("Zhao")
    other = sent_to(zhao)
    phone.get(link(other, chen, 1))  # its address is known from now on

    with django_assert_num_queries(2):
        phone.get(link(other, zhao, 1))
    with django_assert_num_queries(1):
        phone.get(link(other, zhao, 1))


@pytest.mark.parametrize("address", ["/l/{}", "/u/{}", "/o/{}.gif"])
@pytest.mark.parametrize("token", ["x", "AAAA", "%00", "..%2f..", "9" * 300, "ü", "DAHAlrECO_3I"])
def test_made_up_tokens_find_nothing(
    phone: Client, campaign: Campaign, address: str, token: str
) -> None:
    before = everything()

    answer = phone.get(address.format(token))
    posted = phone.post(address.format(token), {"do": "everything"})

    assert answer.status_code == 404
    assert posted.status_code in {403, 404, 405}
    assert everything() == before


def test_token_of_a_link_is_none_of_the_way_out(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    token = maker(TokenUse.LINK, campaign.pk, 0)(chen.pk)

    assert phone.post(f"/u/{token}", {"do": "everything"}).status_code == 404
    assert not Consent.objects.exists()


@pytest.mark.parametrize("query", ["?url=https://evil.example", "?next=//evil.example", "#x"])
def test_nobody_is_led_elsewhere(
    phone: Client, campaign: Campaign, chen: Customer, query: str
) -> None:
    assert phone.get(link(campaign, chen) + query)["Location"] == SHOP


def test_link_that_no_campaign_has_leads_nowhere(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    assert phone.get(link(campaign, chen, seq=9)).status_code == 404


def test_click_of_somebody_who_got_nothing_is_not_counted(
    phone: Client, campaign: Campaign
) -> None:
    zhao = make_customer("Zhao")

    answer = phone.get(link(campaign, zhao))

    assert answer["Location"] == SHOP
    assert not Engagement.objects.exists()


def test_click_of_somebody_erased_is_not_counted(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    make_erased(chen)

    assert phone.get(link(campaign, chen)).status_code == 302
    assert not Engagement.objects.exists()
    assert phone.get(way_out(campaign, chen)).status_code == 404


def test_click_is_no_step_back(phone: Client) -> None:
    chen = make_customer("Chen")
    campaign = sent_to(chen, state=DeliveryState.REPLIED)

    phone.get(link(campaign, chen))

    assert state_of(chen) == DeliveryState.REPLIED


def test_address_is_reached_when_nothing_can_be_written(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    phone.get(link(campaign, chen))  # its address is known from now on
    with connection.cursor() as cursor:
        cursor.execute("SAVEPOINT broken")
        cursor.execute("ALTER TABLE campaigns_engagement RENAME TO away")

    try:
        cursor = connection.cursor()
        cursor.execute("SAVEPOINT before")
        answer = phone.get(link(campaign, chen))
        cursor.execute("ROLLBACK TO SAVEPOINT before")
    finally:
        connection.cursor().execute("ROLLBACK TO SAVEPOINT broken")

    assert answer["Location"] == SHOP


# --- machines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Barracuda Sentinel (EE)"},
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
        {"User-Agent": "python-requests/2.32"},
        {"User-Agent": ""},
        {"User-Agent": PHONE, "Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": PHONE, "X-Moz": "prefetch"},
    ],
)
def test_machine_is_counted_apart(
    phone: Client, campaign: Campaign, chen: Customer, headers: dict[str, str]
) -> None:
    answer = phone.get(link(campaign, chen), headers=headers)

    assert answer["Location"] == SHOP
    assert counts() == {0: (0, 1), 1: (0, 1)}
    assert state_of(chen) == DeliveryState.SENT


@pytest.mark.parametrize("reason", ["bounced", "undelivered", "unknown", "written_off"])
def test_letter_whose_link_is_followed_did_arrive(
    phone: Client, chen: Customer, reason: str
) -> None:
    campaign = sent_to(chen)
    Delivery.objects.update(state=DeliveryState.FAILED, reason=reason)

    phone.get(link(campaign, chen))

    assert state_of(chen) == DeliveryState.READ


def test_head_is_no_person(phone: Client, campaign: Campaign, chen: Customer) -> None:
    assert phone.head(link(campaign, chen))["Location"] == SHOP
    assert phone.head(opening(campaign, chen)).status_code == 200

    assert counts() == {0: (0, 1), 1: (0, 1)}
    assert counts(EngagementKind.OPENED) == {0: (0, 1)}


def test_person_after_a_machine_is_a_person(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    phone.head(link(campaign, chen))
    phone.get(link(campaign, chen))

    assert counts() == {0: (1, 1), 1: (1, 1)}
    assert state_of(chen) == DeliveryState.READ


def click_at(phone: Client, campaign: Campaign, chen: Customer, *seconds: float) -> None:
    for seq, second in enumerate(seconds, 1):
        with time_machine.travel(NOON + timedelta(seconds=second), tick=False):
            phone.get(link(campaign, chen, seq))


def test_all_links_at_once_are_a_machine(phone: Client, campaign: Campaign, chen: Customer) -> None:
    click_at(phone, campaign, chen, 3600, 3600.5, 3601)

    assert counts() == {0: (0, 3), 1: (0, 1), 2: (0, 1), 3: (0, 1)}
    assert state_of(chen) == DeliveryState.DELIVERED


def test_all_links_of_the_wording_that_came_at_once_are_a_machine(
    phone: Client, chen: Customer
) -> None:
    words = [f"{SHOP} {MAP}", CARE]
    campaign = make_campaign(channel="email", state=CampaignState.DONE, planned_at=NOON)
    for number, text in enumerate(words):
        Variant.objects.create(campaign=campaign, number=number, share=50, text=text)
    register_links(campaign, texts=words)
    make_batch(campaign, [chen], delivery_state=DeliveryState.SENT)
    Batch.objects.update(variant=0)

    click_at(phone, campaign, chen, 3600, 3600.5)

    assert counts() == {0: (0, 2), 1: (0, 1), 2: (0, 1)}


def test_links_one_after_the_other_are_a_person(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    click_at(phone, campaign, chen, 3600, 3604, 3609)

    assert counts() == {0: (3, 0), 1: (1, 0), 2: (1, 0), 3: (1, 0)}


def test_right_after_the_letter_a_machine_may_take_its_time(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    Delivery.objects.update(sent_at=NOON)

    click_at(phone, campaign, chen, 2, 5, 9)

    assert counts()[0] == (0, 3)


def test_opened_letter_stays_read_when_a_machine_follows_its_links(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    phone.get(opening(campaign, chen))

    click_at(phone, campaign, chen, 3600, 3600.5, 3601)

    assert state_of(chen) == DeliveryState.READ


# --- the image ----------------------------------------------------------------------------------


def test_image_tells_of_opening(phone: Client, campaign: Campaign, chen: Customer) -> None:
    answer = phone.get(opening(campaign, chen))

    assert answer["Content-Type"] == "image/gif"
    assert answer.content.startswith(b"GIF89a")
    looks_private(answer)
    assert counts(EngagementKind.OPENED) == {0: (1, 0)}
    assert state_of(chen) == DeliveryState.READ


# --- the way out --------------------------------------------------------------------------------


def test_page_asks_and_changes_nothing(phone: Client, campaign: Campaign, chen: Customer) -> None:
    make_company()
    before = everything()

    for _scanner in range(3):
        answer = phone.get(way_out(campaign, chen))
        phone.head(way_out(campaign, chen))

    assert answer.status_code == 200
    assert "Stop messages from Qingyu Fashion?" in answer.text
    assert "Chen" not in answer.text
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    looks_private(answer)
    assert everything() == before


def test_page_speaks_chinese(phone: Client, campaign: Campaign, chen: Customer) -> None:
    answer = phone.get(way_out(campaign, chen), headers={"Accept-Language": "zh-CN"})

    assert '<html lang="zh-hans"' in answer.text


def test_one_press_is_enough(phone: Client, campaign: Campaign, chen: Customer) -> None:
    answer = phone.post(way_out(campaign, chen), {"do": "kind"})

    assert answer.status_code == 200
    assert "<title>Done" in answer.text
    looks_private(answer)
    entries = ConsentEntry.objects.order_by("pk")
    assert [(entry.purpose, entry.channel) for entry in entries] == [("campaign", ""), ("care", "")]
    for entry in entries:
        assert (entry.customer, entry.granted, entry.source) == (chen, False, "link")
    assert counts(EngagementKind.OPTED_OUT) == {0: (1, 0)}


def test_everything_means_everything(phone: Client, campaign: Campaign, chen: Customer) -> None:
    phone.post(way_out(campaign, chen), {"do": "everything"})

    chen.refresh_from_db()
    assert chen.opted_out_at is not None


def test_mail_programme_needs_no_page(phone: Client, campaign: Campaign, chen: Customer) -> None:
    """RFC 8058: one POST, without cookies, without a form from us."""
    answer = phone.post(way_out(campaign, chen), {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    refused = ConsentEntry.objects.values_list("purpose", flat=True)
    assert set(refused) == {Purpose.CAMPAIGN, Purpose.CARE}


def test_post_that_asks_for_nothing_does_nothing(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    assert phone.post(way_out(campaign, chen)).status_code == 400
    assert not ConsentEntry.objects.exists()


def test_pressing_twice_says_it_once(phone: Client, campaign: Campaign, chen: Customer) -> None:
    for _again in range(2):
        assert phone.post(way_out(campaign, chen), {"do": "kind"}).status_code == 200

    assert ConsentEntry.objects.count() == 2
    assert counts(EngagementKind.OPTED_OUT) == {0: (1, 0)}


def test_out_of_a_kind_and_then_of_everything(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    phone.post(way_out(campaign, chen), {"do": "kind"})
    phone.post(way_out(campaign, chen), {"do": "everything"})

    chen.refresh_from_db()
    assert chen.opted_out_at is not None


def test_sending_obeys_at_once(phone: Client, campaign: Campaign, chen: Customer) -> None:
    next_one = make_campaign("Summer", channel="echo", state=CampaignState.SENDING)
    batch: Batch = make_batch(next_one, [chen])

    phone.post(way_out(campaign, chen), {"do": "everything"})
    restraint = restraint_on(next_one, now=timezone.now())
    skip_those_who_may_not(next_one, [batch.pk], restraint=restraint)

    waiting = Delivery.objects.get(campaign=next_one)
    assert (waiting.state, waiting.reason) == ("skipped", "opted_out")


def test_mistake_is_undone(phone: Client, campaign: Campaign, chen: Customer) -> None:
    phone.post(way_out(campaign, chen), {"do": "everything"})

    answer = phone.post(way_out(campaign, chen), {"do": "back"})

    assert "Undone" in answer.text
    chen.refresh_from_db()
    assert chen.opted_out_at is None
    assert [entry.granted for entry in ConsentEntry.objects.order_by("pk")] == [False, True]
    assert not counts(EngagementKind.OPTED_OUT)


def test_undo_takes_back_all_that_one_press_has_refused(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    phone.post(way_out(campaign, chen), {"do": "kind"})
    phone.post(way_out(campaign, chen), {"do": "back"})

    assert set(Consent.objects.values_list("purpose", "granted")) == {
        ("campaign", True),
        ("care", True),
    }


def test_press_in_a_service_message_can_only_mean_everything(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    Campaign.objects.update(purpose=Purpose.SERVICE)

    asked = phone.get(way_out(campaign, chen)).text
    phone.post(way_out(campaign, chen), {"List-Unsubscribe": "One-Click"})

    assert "No more advertising" not in asked
    chen.refresh_from_db()
    assert chen.opted_out_at is not None


def test_nobody_undoes_what_was_said_elsewhere(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    opt_out(chen, source="screen", now=NOON)
    before = everything()

    answer = phone.post(way_out(campaign, chen), {"do": "back"})

    assert answer.status_code == 409
    assert everything() == before


def test_way_out_outlives_its_campaign(phone: Client, chen: Customer) -> None:
    campaign = sent_to(chen)
    Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.CANCELLED)

    with time_machine.travel(NOON + timedelta(days=900)):
        answer = phone.post(way_out(campaign, chen), {"do": "kind"})

    assert answer.status_code == 200
    assert ConsentEntry.objects.exists()


def test_somebody_merged_speaks_for_the_one_who_stays(
    phone: Client, campaign: Campaign, chen: Customer
) -> None:
    kept = make_customer("Chen Wei")
    merge_customer(chen, kept)

    phone.post(way_out(campaign, chen), {"do": "everything"})

    kept.refresh_from_db()
    assert kept.opted_out_at is not None


def test_made_up_tokens_are_slowed_down(phone: Client) -> None:
    answers = [phone.get("/u/made-up").status_code for _try in range(A_MINUTE["guesses"] + 2)]

    assert answers[0] == 404
    assert answers[-1] == 429
