"""Refusals and failures: a page or a toast that says what to do, in the person's language."""

import pytest
from django.test import Client
from django.utils import translation

from contacts.models import Staff
from tests.builders import make_staff, sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.crm.refusing_urls")]

HTMX = {"HX-Request": "true"}
REFUSALS = [
    ("moved-on", 409, "Someone else has just changed this campaign."),
    ("rule-broken", 400, "Choose a colleague first."),
    ("forbidden", 403, "Your role does not allow this."),
    ("suspicious", 400, "That request made no sense to us."),
]


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def hers(client: Client, lin: Staff) -> Client:
    client.raise_request_exception = False
    return sign_in(client, lin)


@pytest.mark.parametrize(("how", "status", "words"), REFUSALS)
def test_a_refusal_is_a_page_that_says_why(hers: Client, how: str, status: int, words: str) -> None:
    answer = hers.get(f"/refuse/{how}/")

    assert answer.status_code == status
    assert words in answer.text
    assert "not for people to read" not in answer.text
    assert 'href="/customers/"' in answer.text, "the way on stays in reach"


@pytest.mark.parametrize(("how", "status", "words"), REFUSALS)
def test_a_refusal_of_a_part_is_a_toast(hers: Client, how: str, status: int, words: str) -> None:
    answer = hers.get(f"/refuse/{how}/", headers=HTMX)

    assert answer.status_code == status
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#toasts", "beforeend")
    assert words in answer.text
    assert "<html" not in answer.text


def test_whoever_was_slower_gets_back_to_the_fresh_page(hers: Client) -> None:
    came_from = "http://testserver/customers/"

    answer = hers.post("/refuse/moved-on/", headers={"Referer": came_from})

    assert f'href="{came_from}"' in answer.text


def test_a_page_of_another_site_is_no_way_back(hers: Client) -> None:
    answer = hers.post("/refuse/moved-on/", headers={"Referer": "http://evil.example/x"})

    assert "evil.example" not in answer.text


def test_our_own_failure_is_admitted(hers: Client) -> None:
    answer = hers.get("/refuse/broken/")

    assert answer.status_code == 500
    assert "That was our mistake, not yours." in answer.text
    assert "not for people to read" not in answer.text


def test_a_database_that_is_away_is_worth_another_try(hers: Client) -> None:
    """Whoever tells us something, or opts out by a mail program's button, comes again."""
    answer = hers.get("/refuse/away/")

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "Try again in a moment." in answer.text
    assert "our mistake" not in answer.text
    assert "not for people to read" not in answer.text


def test_nothing_is_shown_where_nothing_is(client: Client) -> None:
    answer = client.get("/no/such/page/")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "/customers/" not in answer.text, "visitors see no navigation"


def test_error_pages_speak_the_persons_language(hers: Client) -> None:
    with translation.override("en"):  # the request switches this thread to Chinese
        answer = hers.get("/no/such/page/", headers={"Accept-Language": "zh-hans"})

    assert '<html lang="zh-hans"' in answer.text


def test_a_page_has_words_for_a_part_that_fails_and_for_one_that_is_lost(hers: Client) -> None:
    page = hers.get("/customers/").text

    failed = page.split('<template id="our-mistake">')[1].split("</template>")[0]
    lost = page.split('<template id="lost-connection">')[1].split("</template>")[0]
    assert "That was our mistake, not yours." in failed
    assert "Check the connection" in lost
