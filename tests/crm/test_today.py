"""Today: whom to contact, what to decide, and nothing of other people's."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from campaigns.enums import BatchState, CampaignState
from campaigns.models import Campaign, Variant
from contacts.actions.ownership import move_ownership
from contacts.enums import HandoverState, ItemState, OwnershipReason, Role, StaffState
from contacts.models import Customer, Handover, Staff, Task
from crm.queries import ROWS, birthday_days
from tests.builders import (
    NOON,
    make_batch,
    make_campaign,
    make_company,
    make_customer,
    make_customers,
    make_departed,
    make_handover,
    make_interaction,
    make_staff,
    make_store,
    make_task,
    sign_in,
)

pytestmark = pytest.mark.django_db

LONG_AGO = NOON - timedelta(days=31)
LATELY = NOON - timedelta(days=29)


@pytest.fixture(autouse=True)
def _noon() -> Iterator[None]:
    with time_machine.travel(NOON, tick=False):
        yield


def page_of(client: Client, staff: Staff) -> str:
    return sign_in(client, staff).get(reverse("today")).text


def hand_to(staff: Staff, customer: Customer, *, days_ago: int = 1) -> None:
    handover = make_handover(
        make_departed("Wei"), customers=[customer], item_state=ItemState.ACCEPTED
    )
    move_ownership(
        [(customer.pk, staff.pk)],
        reason=OwnershipReason.HANDOVER,
        now=NOON - timedelta(days=days_ago),
        handover=handover,
    )


def test_it_greets_by_name_and_time_of_day(client: Client) -> None:
    assert "Good afternoon, Lin" in page_of(client, make_staff("Lin"))


def test_a_new_guide_is_told_where_customers_come_from(client: Client) -> None:
    page = page_of(client, make_staff("Lin"))

    assert "No customers yet" in page
    assert reverse("customer_list") in page


def test_somebody_handed_over_waits_for_a_first_word(client: Client) -> None:
    lin = make_staff("Lin")
    hand_to(lin, make_customer("Chen", since=LONG_AGO, last_interaction_at=LONG_AGO))

    page = page_of(client, lin)

    assert "New to you: say hello" in page
    assert page.count("Chen</span>") == 1, "listed once, not among the quiet ones as well"


@pytest.mark.parametrize(("days_ago", "spoken"), [(1, True), (31, False)])
def test_once_greeted_or_long_ago_nobody_waits_for_a_first_word(
    client: Client, *, days_ago: int, spoken: bool
) -> None:
    lin = make_staff("Lin")
    last = NOON if spoken else LONG_AGO
    customer = make_customer("Chen", since=NOON - timedelta(days=90), last_interaction_at=last)
    hand_to(lin, customer, days_ago=days_ago)

    assert "New to you" not in page_of(client, lin)


def test_the_longest_silence_comes_first(client: Client) -> None:
    lin = make_staff("Lin")
    make_customer("Chen", owner=lin, since=LONG_AGO, last_interaction_at=LONG_AGO)
    make_customer("Zhao", owner=lin, since=NOON - timedelta(days=99))
    make_customer("Qian", owner=lin, since=LONG_AGO, last_interaction_at=LATELY)
    make_customer("Sun", owner=lin, since=LATELY)

    page = page_of(client, lin)

    assert page.index("Zhao") < page.index("Chen")
    assert "Qian" not in page
    assert "Sun" not in page


def test_birthdays_of_the_coming_week_in_their_order(client: Client) -> None:
    lin = make_staff("Lin")
    make_customer("Zhao", owner=lin, birthday=date(1990, 3, 9))
    make_customer("Chen", owner=lin, birthday=date(1984, 3, 2))
    make_customer("Qian", owner=lin, birthday=date(1990, 3, 10))

    page = page_of(client, lin)

    assert page.index("Chen") < page.index("Zhao")
    assert "birthday today" in page
    assert "birthday on 9 Mar" in page
    assert "Qian" not in page


def test_the_week_crosses_the_year_and_leap_days_are_kept_in_other_years() -> None:
    assert (1, 2) in birthday_days(date(2026, 12, 28))
    assert (2, 29) in birthday_days(date(2026, 2, 25))
    assert birthday_days(date(2028, 2, 25)).count((2, 29)) == 1


@pytest.mark.parametrize(
    ("state", "confirmed", "waits"),
    [
        (BatchState.HANDED, False, True),
        (BatchState.HANDED, True, False),
        (BatchState.WAITING, False, False),
    ],
)
def test_messages_wait_until_they_are_confirmed(
    client: Client, state: BatchState, *, confirmed: bool, waits: bool
) -> None:
    lin = make_staff("Lin")
    campaign = make_campaign("Spring coats", state=CampaignState.WAITING, recipients=1)
    customer = make_customer("Chen", owner=lin)
    at = NOON if confirmed else None
    make_batch(campaign, [customer], sender=lin, state=state, handed_at=NOON, confirmed_at=at)

    assert ("Spring coats" in page_of(client, lin)) is waits


def test_what_waits_for_a_confirmation_comes_first(client: Client) -> None:
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin, since=LONG_AGO)
    make_task(staff=lin, customer=chen, due_on=NOON.date())
    campaign = make_campaign(state=CampaignState.WAITING, recipients=1)
    make_batch(campaign, [chen], sender=lin, state=BatchState.HANDED, handed_at=NOON)

    page = page_of(client, lin)

    titles = ["Messages waiting for you", "Due today", "Not heard from for 30 days"]
    assert sorted(titles, key=page.index) == titles


def test_what_waits_says_that_something_is_attached_even_without_words(client: Client) -> None:
    lin = make_staff("Lin")
    campaign = make_campaign(state=CampaignState.WAITING, recipients=1)
    Campaign.objects.update(text="", attachments=[{"kind": "link"}, {"kind": "link"}])
    make_batch(
        campaign, [make_customer("Chen")], sender=lin, state=BatchState.HANDED, handed_at=NOON
    )

    page = page_of(client, lin)

    assert "for 1 customer · 2 attachments" in page
    assert '<span class="awaits-text"></span>' not in page


def test_a_message_that_waits_reads_as_the_customers_will_read_it(client: Client) -> None:
    lin = make_staff("Lin", store=make_store("Xujiahui"))
    make_company()
    campaign = make_campaign(
        state=CampaignState.WAITING, text="Dress {guide} of {store}, {company}", recipients=2
    )
    Variant.objects.create(campaign=campaign, number=2, share=50, text="Coats by {guide}")
    chen, zhao = make_customers(2, owner=lin)
    waits: dict[str, Any] = {"sender": lin, "state": BatchState.HANDED, "handed_at": NOON}
    make_batch(campaign, [chen], **waits)
    make_batch(campaign, [zhao], variant=2, **waits)

    page = page_of(client, lin)

    assert "Dress Lin of Xujiahui, Qingyu Fashion" in page
    assert "Coats by Lin" in page
    assert "{guide}" not in page


def test_a_colleagues_customers_and_messages_are_not_mine(client: Client) -> None:
    mei = make_staff("Mei")
    theirs = make_customer("Chen", owner=mei, since=LONG_AGO, birthday=date(1984, 3, 2))
    campaign = make_campaign("Spring coats", state=CampaignState.WAITING, recipients=1)
    make_batch(campaign, [theirs], sender=mei, state=BatchState.HANDED, handed_at=NOON)
    lin = make_staff("Lin")
    make_customer("Zhao", owner=lin)

    page = page_of(client, lin)

    assert "Chen" not in page
    assert "Spring coats" not in page


def test_a_manager_sees_who_leaves_and_what_to_decide_in_their_store(client: Client) -> None:
    here, there = make_store("Here"), make_store("There")
    make_staff("Mei", store=here, leaves_on=date(2026, 3, 6))
    make_staff("Yan", store=here, state=StaffState.LEAVING)
    make_staff("Far away", store=there, state=StaffState.LEAVING)
    make_handover(make_departed("Wei", store=here), customers=make_customers(2, store=here))
    make_handover(make_departed("Xu Qing", store=there), customers=make_customers(2, store=there))

    page = page_of(client, make_staff("Hua", role=Role.MANAGER, store=here))

    assert "leaves 6 Mar" in page
    assert page.index("Mei") < page.index("Yan")
    assert "2 customers: choose who takes over" in page
    assert "Far away" not in page
    assert "Xu Qing" not in page


@pytest.mark.parametrize(
    ("state", "asked"), [(ItemState.REFUSED, True), (ItemState.WAITING, False)]
)
def test_a_running_handover_asks_only_when_somebody_refused(
    client: Client, state: ItemState, *, asked: bool
) -> None:
    hua = make_staff("Hua", role=Role.MANAGER)
    make_handover(make_departed("Wei"), state=HandoverState.RUNNING, item_state=state)

    page = page_of(client, hua)

    assert ("1 customer needs a decision" in page) is asked
    assert ("Nothing waits for a decision" in page) is not asked
    assert Handover.objects.count() == 1


def test_a_marketer_sees_the_campaigns_under_way(client: Client) -> None:
    make_campaign("Spring coats", state=CampaignState.WAITING, recipients=1050)
    make_campaign("Last year", state=CampaignState.DONE)

    page = page_of(client, make_staff("Zhou", role=Role.MARKETER))

    assert "Spring coats" in page
    assert "1,050 recipients" in page
    assert "Last year" not in page
    assert "Handovers" not in page


def test_a_marketer_without_campaigns_is_offered_the_first(client: Client) -> None:
    page = page_of(client, make_staff("Zhou", role=Role.MARKETER))

    assert reverse("campaign_new") in page


@pytest.mark.parametrize("number", [3, 300])
def test_the_number_of_queries_does_not_grow(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, number: int
) -> None:
    lin = make_staff("Lin")
    customers = make_customers(number, owner=lin)
    Customer.objects.update(created_at=LONG_AGO, birthday=date(1990, 3, 4))
    campaign = make_campaign(state=CampaignState.WAITING, recipients=number)
    for customer in customers[:20]:
        make_interaction(customer, staff=lin)
        make_batch(campaign, [customer], sender=lin, state=BatchState.HANDED, handed_at=NOON)
    sign_in(client, lin)

    with django_assert_num_queries(15):
        client.get(reverse("today"))


# --- figures and first things ---------------------------------------------------------------------


def day_of(client: Client, staff: Staff):
    return sign_in(client, staff).get(reverse("today")).context["day"]


def test_a_figure_says_when_there_are_more_than_are_shown(client: Client) -> None:
    lin, hua = make_staff("Lin"), make_staff("Hua", role=Role.MANAGER)
    for _ in range(ROWS):
        make_task(staff=lin, due_on=NOON.date())
        make_task(staff=None)
    make_task(staff=None)

    assert day_of(client, lin).guide.tasks.figure == "8"
    assert day_of(client, hua).manager.tasks.figure == "8+"
    assert len(day_of(client, hua).manager.tasks) == ROWS
    assert '<span class="count">8+</span>' in client.get("/").text


def test_todays_birthday_is_never_crowded_out(client: Client) -> None:
    lin = make_staff("Lin")
    make_customers(40, owner=lin)
    Customer.objects.update(birthday=date(1990, 3, 8))
    make_customer("Zhao", owner=lin, birthday=date(1988, 3, 2))

    assert day_of(client, lin).guide.birthdays[0].name == "Zhao"


def test_who_has_no_customers_yet_sees_their_tasks(client: Client) -> None:
    lin = make_staff("Lin")
    make_task(staff=lin, text="Fetch the keys", due_on=NOON.date())

    page = page_of(client, lin)

    assert "No customers yet" in page
    assert "Fetch the keys" in page
    assert "Everybody has heard from you" not in page


def test_the_figure_of_the_pool_is_that_of_its_page(client: Client) -> None:
    hua = make_staff("Hua", role=Role.MANAGER)
    make_customers(2)
    make_handover(make_departed("Wei"), customers=[make_customer("Chen")])

    assert day_of(client, hua).manager.pool == 2
    assert client.get("/pool/").context["matching"] == 2


def test_birthdays_pass_and_come_before_a_long_silence(client: Client) -> None:
    lin = make_staff("Lin")
    chen = make_customer("Chen", owner=lin, since=LONG_AGO)
    make_task(staff=lin, customer=chen, due_on=NOON.date())

    with_a_task = page_of(client, lin)
    Task.objects.update(due_on=NOON.date() + timedelta(days=9))
    without = page_of(client, lin)

    titles = ["Due today", "Birthdays this week", "Not heard from for 30 days"]
    assert sorted(titles, key=with_a_task.index) == titles
    assert sorted(titles[1:], key=without.index) == titles[1:]
    assert with_a_task.count(titles[1]) == without.count(titles[1]) == 1


def test_figures_of_a_long_list_are_grouped(client: Client) -> None:
    here = make_store("Here")
    mei = make_staff("Mei", store=here, state=StaffState.LEAVING)
    make_customers(1001, owner=mei)

    assert "1,001 customers" in page_of(client, make_staff("Hua", role=Role.MANAGER, store=here))
