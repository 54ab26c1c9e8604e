"""Erasing on the screen: who finds the way, what is asked, and what is left to see."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from contacts.enums import CustomerState, Role, Scope
from contacts.models import Customer, Staff
from tests.builders import make_customer, make_follow, make_staff, make_store, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def wu() -> Staff:
    return make_staff("Wu", role=Role.ADMINISTRATOR)


@pytest.fixture
def browser(client: Client, wu: Staff) -> Client:
    return sign_in(client, wu)


@pytest.fixture
def chen() -> Customer:
    return make_customer("Chen Jing", owner=make_staff("Lin"))


def page(customer: Customer) -> str:
    return reverse("customer_page", args=[customer.pk])


def erasing(customer: Customer) -> str:
    return reverse("customer_erase", args=[customer.pk])


def test_the_page_says_what_goes_and_what_stays(browser: Client, chen: Customer) -> None:
    make_follow(chen.owner, chen)
    make_customer("Chen J", state=CustomerState.MERGED, merged_into=chen)
    assert erasing(chen) in browser.get(page(chen)).text

    text = browser.get(erasing(chen)).text

    assert re.search(r'class="back"[^>]*>.*?Chen Jing</span></a>', text, re.DOTALL)
    assert "Who it was goes" in text
    assert "What happened stays, without a name" in text
    assert "1 record that was merged into this one" in text
    assert "address book of Lin" in text


def test_those_who_must_remove_them_are_listed_as_the_language_does(
    browser: Client, chen: Customer
) -> None:
    for guide in (chen.owner, make_staff("Mei")):
        make_follow(guide, chen)

    text = browser.get(erasing(chen), headers={"Accept-Language": "zh-hans"}).text

    assert "Lin、Mei" in text


@pytest.mark.parametrize("typed", ["chen jing", "  Chen  Jing "])
def test_the_name_has_to_be_typed(browser: Client, chen: Customer, typed: str) -> None:
    wrong = browser.post(erasing(chen), {"name": "Chen"})
    empty = browser.post(erasing(chen), {})
    assert (wrong.status_code, empty.status_code) == (422, 422)
    assert "That is not the name of this customer." in wrong.text
    chen.refresh_from_db()
    assert chen.state == CustomerState.ACTIVE

    done = browser.post(erasing(chen), {"name": typed}, follow=True)

    assert "The customer has been erased." in done.text
    assert "by Wu" in done.text
    assert "Chen" not in done.text


def test_the_nameless_are_named_by_their_number(browser: Client) -> None:
    nobody = make_customer("")

    assert browser.post(erasing(nobody), {"name": str(nobody.pk)}).status_code == 302
    nobody.refresh_from_db()
    assert nobody.state == CustomerState.ERASED


def test_a_second_press_leads_to_what_is_left(browser: Client, chen: Customer) -> None:
    browser.post(erasing(chen), {"name": "Chen Jing"})

    again = browser.post(erasing(chen), {"name": "Chen Jing"}, follow=True)

    assert again.redirect_chain == [(page(chen), 302)]
    assert "was erased at their request" in again.text


def test_a_merged_record_leads_to_the_one_to_erase(browser: Client, chen: Customer) -> None:
    twin = make_customer("Chen J", state=CustomerState.MERGED, merged_into=chen)

    answer = browser.get(erasing(twin), follow=True)

    assert answer.redirect_chain == [(erasing(chen), 302)]
    assert "merged into another" in answer.text


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER, Role.MARKETER])
def test_others_find_no_way_and_see_nothing_left(
    client: Client, chen: Customer, role: Role, wu: Staff
) -> None:
    sign_in(client, make_staff("Hua", role=role))
    if role != Role.GUIDE:
        assert erasing(chen) not in client.get(page(chen)).text
    assert client.get(erasing(chen)).status_code == 403
    assert client.post(erasing(chen), {"name": "Chen Jing"}).status_code == 403
    chen.refresh_from_db()
    assert chen.state == CustomerState.ACTIVE

    sign_in(client, wu).post(erasing(chen), {"name": "Chen Jing"})
    sign_in(client, make_staff("Mei", role=role))

    assert client.get(page(chen)).status_code == 404


def test_a_manager_of_the_whole_company_erases(client: Client, chen: Customer) -> None:
    sign_in(client, make_staff("Hua", role=Role.MANAGER, scope=Scope.COMPANY))

    assert client.post(erasing(chen), {"name": "Chen Jing"}).status_code == 302
    assert "by Hua" in client.get(page(chen)).text


def test_out_of_reach_is_a_404(client: Client, chen: Customer) -> None:
    elsewhere = make_store("Xidan")
    sign_in(client, make_staff("Wu", role=Role.ADMINISTRATOR, scope=Scope.STORE, store=elsewhere))

    assert client.get(erasing(chen)).status_code == 404
    assert client.post(erasing(chen), {"name": "Chen Jing"}).status_code == 404


def local_administrator(name: str) -> Staff:
    """An administrator of one store only."""
    return make_staff("Wu", role=Role.ADMINISTRATOR, scope=Scope.STORE, store=make_store(name))


def test_records_merged_in_from_other_stores_are_erased_along(client: Client) -> None:
    wu = local_administrator("Xidan")
    chen = make_customer("Chen Jing", store=wu.store)
    twin = make_customer(
        "Chen J", store=make_store("Xujiahui"), state=CustomerState.MERGED, merged_into=chen
    )
    sign_in(client, wu)

    assert "1 record that was merged into this one" in client.get(erasing(chen)).text
    client.post(erasing(chen), {"name": "Chen Jing"})

    twin.refresh_from_db()
    assert (twin.name, twin.state) == ("", CustomerState.ERASED)


def test_who_does_not_reach_the_other_record_is_told_who_does(client: Client) -> None:
    wu = local_administrator("Xidan")
    chen = make_customer("Chen Jing", store=make_store("Xujiahui"))
    twin = make_customer("Chen J", store=wu.store, state=CustomerState.MERGED, merged_into=chen)
    sign_in(client, wu)

    answers = [client.get(erasing(twin)), client.post(erasing(twin), {"name": "Chen J"})]

    for answer in answers:
        assert answer.status_code == 403
        assert "merged into a customer of Xujiahui" in answer.text
        assert "Chen Jing" not in answer.text
    assert not Customer.objects.filter(state=CustomerState.ERASED).exists()


def test_lists_and_searches_do_not_show_them(browser: Client, chen: Customer) -> None:
    browser.post(erasing(chen), {"name": "Chen Jing"})

    for query in ("", "?q=chen"):
        text = browser.get(reverse("customer_list") + query).text
        assert "Chen Jing" not in text
        assert "Erased customer" not in text
