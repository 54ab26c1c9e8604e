"""Whatever stands in an address or a form, no screen answers with a 500."""

import pytest
from django.test import Client
from django.urls import get_resolver

from contacts.enums import ItemState, Role, Scope
from crm.paging import search_words, whole_number
from tests.builders import (
    make_campaign,
    make_customers,
    make_handover,
    make_post,
    make_staff,
    sign_in,
)

pytestmark = pytest.mark.django_db

TEXTS = [
    "%00", "a%00b", "%ED%A0%80", "%FF", "%C2%B2", "%D9%A1", "9" * 30, "-1", "0", "1e400", "x" * 5000,
    "%25%5C", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00%2B14:00", "2026-13-45T99:99",
]  # fmt: skip
PARAMETERS = [
    "q", "after", "store", "owner", "tag", "quiet", "state", "reason", "show", "before", "was",
    "stand", "audience", "receivers", "items", "all_of", "next",
    "days", "value", "former", "customers", "which", "capacity", "kind", "stores", "tags", "reach", "pk", "with",
]  # fmt: skip


def screens(resolver=None, start=""):
    """Return the template of every screen, read off the resolver."""
    for pattern in (resolver or get_resolver("crm.urls")).url_patterns:
        yield start + str(pattern.pattern)


@pytest.fixture
def client() -> Client:
    boss = make_staff("Boss", role=Role.ADMINISTRATOR, scope=Scope.COMPANY)
    return sign_in(Client(raise_request_exception=False), boss)


@pytest.fixture
def ids() -> dict[str, list[int]]:
    customers = make_customers(3, owner=make_staff("Lin"), followed=True)
    taker = make_staff("Zed")
    running = make_handover(
        state="running", customers=customers, to_staff=taker, item_state=ItemState.REFUSED
    )
    return {
        "customers": [customers[0].pk],
        "staff": [taker.pk],
        "handovers": [running.pk, make_handover().pk],
        "campaigns": [make_campaign().pk],
        "posts": [make_post().pk],
    }


def addresses(ids: dict[str, list[int]]) -> list[str]:
    found = []
    for template in screens():
        if template.startswith(("callbacks/", "demo/")):
            continue
        places = ids.get(template.split("/", maxsplit=1)[0], [0])
        found += sorted({"/" + template.replace("<int:pk>", str(pk)) for pk in places})
    return found


@pytest.mark.parametrize("text", TEXTS)
def test_no_parameter_breaks_a_screen(client: Client, ids: dict[str, list[int]], text: str) -> None:
    query = "&".join(f"{name}={text}" for name in PARAMETERS)
    for address in addresses(ids):
        assert client.get(f"{address}?{query}").status_code < 500, address


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_single_parameter_breaks_a_screen(
    client: Client, ids: dict[str, list[int]], name: str
) -> None:
    texts = ("%00", "9" * 30, "9999-12-31T23:59:59-12:00")
    for address in addresses(ids):
        for text in texts:
            answer = client.get(f"{address}?{name}={text}")
            assert answer.status_code < 500, (address, text)


@pytest.mark.parametrize("text", ["a\0b", "²", "١", "9" * 30, "-1", "x" * 5000, "\ufffd"])
@pytest.mark.parametrize("find", [True, False])
def test_no_word_breaks_a_form(
    client: Client, ids: dict[str, list[int]], text: str, find: bool
) -> None:
    fields = ("q", "receivers", "items", "all_of", "strategy", "add", "remove", "kind", "text",
              "name", "tags", "stores", "gender", "not_met_days", "when", "send_at", "channel",
              "customer_message", "variant", "zone", "share_a", "text_b", "control_share",
              "starts_on", "until", "at_time", "weekdays", "freq", "base")  # fmt: skip
    said = dict.fromkeys(fields, text) | ({"find": "1"} if find else {})
    for address in addresses(ids):
        assert client.post(address, said).status_code < 500, address


def test_ids_in_an_address_are_ids_or_nothing(client: Client) -> None:
    for template in screens():
        for text in ("0", "9" * 30, str(2**63), "%C2%B2", "%00"):
            if "<int:pk>" in template:
                address = "/" + template.replace("<int:pk>", text)
                assert client.get(address).status_code < 500, address


def test_words_are_cleaned_of_what_no_database_stores() -> None:
    assert search_words(" a\0b\ud800c ") == "abc"
    assert search_words("x" * 500) == "x" * 80
    assert search_words(None) == ""
    assert [whole_number(text) for text in ("²", "١", "0", "9" * 30, "12")] == [None] * 4 + [12]


@pytest.mark.parametrize("address", ["/admin/", "/admin/login/"])
def test_there_is_no_second_door(client: Client, address: str) -> None:
    assert client.get(address).status_code == 404
