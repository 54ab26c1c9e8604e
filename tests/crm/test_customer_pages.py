"""The customer list and the page of one customer."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from contacts.actions.ownership import move_ownership
from contacts.enums import FollowEnd, InteractionKind, OwnershipReason, Role
from contacts.models import Customer, CustomerTag, Interaction, Staff
from crm.views.customers import PAGE_SIZE
from tests.builders import (
    NOON,
    make_coupon,
    make_customer,
    make_customers,
    make_follow,
    make_handover,
    make_interaction,
    make_staff,
    make_store,
    make_tag,
    sign_in,
)

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
LIST = "/customers/"


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def hers(client: Client, lin: Staff) -> Client:
    return sign_in(client, lin)


def names(page: str) -> list[str]:
    """The names in the list, in their order."""
    return [part.split("</a>")[0].split(">")[-1] for part in page.split("row-cover")[1:]]


# --- the list ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", ["陈静", "chenjing", "CJ", "陈", "13812345678", "138 1234", "+86138"]
)
def test_a_customer_is_found_by_name_pinyin_initials_and_phone(
    hers: Client, lin: Staff, words: str
) -> None:
    found = make_customer("陈静", owner=lin)
    Customer.objects.filter(pk=found.pk).update(search_key="陈静 chenjing cj +8613812345678")
    make_customer("赵敏", owner=lin)

    assert names(hers.get(LIST, {"q": words}).text) == ["陈静"]


@pytest.mark.parametrize("words", ["%", "_", "100%", "a_b", "\\"])
def test_signs_of_the_search_language_are_plain_letters(
    hers: Client, lin: Staff, words: str
) -> None:
    make_customer("Chen", owner=lin)

    page = hers.get(LIST, {"q": words}).text

    assert names(page) == []
    assert "Nobody matches" in page


@pytest.mark.parametrize("words", ["\0", "x" * 5000, "'; DROP TABLE x; --", "<script>"])
def test_strange_words_are_only_words(hers: Client, lin: Staff, words: str) -> None:
    make_customer("Chen", owner=lin)

    assert hers.get(LIST, {"q": words}).status_code == 200
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    "query", ["owner=x", "store=-1", "tag=9999999999999999999999", "after=0", "after=x"]
)
def test_filters_that_make_no_sense_count_as_not_given(
    hers: Client, lin: Staff, query: str
) -> None:
    make_customer("Chen", owner=lin)

    assert names(hers.get(f"{LIST}?{query}").text) == ["Chen"]


def test_the_list_is_narrowed_by_store_owner_tag_and_pool(client: Client) -> None:
    here, there = make_store("Here"), make_store("There")
    mei = make_staff("Mei", store=here)
    chen = make_customer("Chen", owner=mei)
    make_customer("Zhao", store=here)
    make_customer("Qian", store=there)
    vip = make_tag("VIP")
    CustomerTag.objects.create(customer=chen, tag=vip)
    sign_in(client, make_staff("Wu", role=Role.ADMINISTRATOR, store=here))

    def found(query: str) -> list[str]:
        return names(client.get(f"{LIST}?{query}").text)

    assert found("") == ["Qian", "Zhao", "Chen"]
    assert found(f"store={here.pk}") == ["Zhao", "Chen"]
    assert found(f"owner={mei.pk}") == ["Chen"]
    assert found("owner=pool") == ["Qian", "Zhao"]
    assert found(f"tag={vip.pk}") == ["Chen"]
    assert found(f"owner=pool&store={here.pk}") == ["Zhao"]


def test_the_quiet_ones_are_found(hers: Client, lin: Staff) -> None:
    make_customer("Chen", owner=lin, last_interaction_at=timezone.now())
    make_customer("Zhao", owner=lin, last_interaction_at=timezone.now() - timedelta(days=31))

    assert names(hers.get(f"{LIST}?quiet=1").text) == ["Zhao"]


def test_a_filter_never_widens_what_a_guide_sees(hers: Client, lin: Staff) -> None:
    mei = make_staff("Mei")
    make_customer("Chen", owner=mei)
    make_customer("Zhao", store=mei.store)

    assert names(hers.get(f"{LIST}?owner={mei.pk}").text) == []
    assert names(hers.get(f"{LIST}?owner=pool").text) == []
    assert names(hers.get(f"{LIST}?q=chen").text) == []


def test_a_guide_without_customers_is_told_where_they_come_from(hers: Client) -> None:
    assert "No customers yet" in hers.get(LIST).text


def test_every_customer_is_on_exactly_one_page(hers: Client, lin: Staff) -> None:
    make_customers(2 * PAGE_SIZE + 7, owner=lin)

    seen: list[str] = []
    address = LIST
    while address:
        page = hers.get(address).text
        seen += names(page)
        more = page.split('hx-get="/customers/?')[1:]
        address = f"{LIST}?{more[0].split(chr(34))[0]}" if more else ""

    assert len(seen) == len(set(seen)) == 2 * PAGE_SIZE + 7


def test_the_next_page_keeps_the_filter_and_comes_as_rows_only(hers: Client, lin: Staff) -> None:
    make_customers(PAGE_SIZE + 1, owner=lin)
    last = Customer.objects.order_by("-pk")[PAGE_SIZE - 1]
    address = f"{LIST}?q=chen&amp;after={last.pk}"
    Customer.objects.update(search_key="chen")
    assert address in hers.get(f"{LIST}?q=chen").text

    rows = hers.get(f"{LIST}?q=chen&after={last.pk}", headers=HTMX | {"HX-Target": "more"})

    assert rows.text.lstrip().startswith("<tr>")
    assert len(names(rows.text)) == 1


def test_typing_in_the_search_box_brings_the_results_only(hers: Client, lin: Staff) -> None:
    make_customer("Chen", owner=lin)

    part = hers.get(f"{LIST}?q=chen", headers=HTMX | {"HX-Target": "results"})

    assert "<html" not in part.text
    assert 'name="q"' not in part.text
    assert names(part.text) == ["Chen"]


def test_counting_stops_at_a_thousand(hers: Client, lin: Staff) -> None:
    make_customers(1001, owner=lin)

    assert "1,000+ customers" in hers.get(LIST).text


@pytest.mark.parametrize("number", [3, 300])
def test_the_list_takes_the_same_queries_for_any_length(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, number: int
) -> None:
    vip = make_tag("VIP")
    customers = make_customers(number, owner=make_staff("Mei"))
    CustomerTag.objects.bulk_create(CustomerTag(customer=row, tag=vip) for row in customers)
    sign_in(client, make_staff("Wu", role=Role.ADMINISTRATOR))

    with django_assert_num_queries(12):
        client.get(LIST)


# --- the page of one customer -------------------------------------------------------------------


def page_address(customer: Customer) -> str:
    return reverse("customer_page", args=[customer.pk])


def test_the_page_tells_the_whole_story(hers: Client, lin: Staff) -> None:
    wei = make_staff("Wei")
    customer = make_customer("陈静", owner=wei, city="苏州", note="Likes green tea")
    move_ownership([(customer.pk, lin.pk)], reason=OwnershipReason.TRANSFER, now=timezone.now())
    make_follow(wei, customer, ended=FollowEnd.TRANSFERRED)
    make_interaction(customer, staff=wei, text="Tried the blue coat")
    CustomerTag.objects.create(customer=customer, tag=make_tag("Cashmere"))

    page = hers.get(page_address(customer)).text

    for words in (
        "陈静",
        "苏州",
        "Likes green tea",
        "Wei",
        "Tried the blue coat",
        "Cashmere",
        "may be sent",
    ):
        assert words in page


def test_somebody_who_opted_out_is_marked(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin, opted_out_at=NOON)

    page = hers.get(page_address(customer)).text

    assert "no campaigns" in page
    assert "opted out on 2 Mar 2026" in page


def test_a_handover_on_its_way_is_told(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)
    make_handover(customers=[customer], to_staff=lin)

    assert "Being handed over from Wei to Lin: planned." in hers.get(page_address(customer)).text


def test_earlier_entries_follow_without_gap_or_repeat(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin, since=NOON - timedelta(days=99))
    for day in range(45):
        make_interaction(customer, text=f"entry-{day}-", happened_at=NOON - timedelta(days=day))

    seen = []
    address = page_address(customer)
    while address:
        page = hers.get(address).text
        seen += [f"entry-{day}-" for day in range(45) if f"entry-{day}-" in page]
        more = page.split(f'hx-get="{reverse("customer_timeline", args=[customer.pk])}')[1:]
        address = (
            reverse("customer_timeline", args=[customer.pk]) + more[0].split('"')[0] if more else ""
        )

    assert seen == [f"entry-{day}-" for day in range(45)]


@pytest.mark.parametrize("before", ["x", "2026-13-99T00:00", "2026-03-02T12:00", ""])
def test_a_moment_that_is_none_shows_the_newest(hers: Client, lin: Staff, before: str) -> None:
    customer = make_customer("Chen", owner=lin)
    make_interaction(customer, text="the newest")

    assert "the newest" in hers.get(page_address(customer), {"before": before}).text


@pytest.mark.parametrize("number", [1, 15])
def test_the_page_takes_the_same_queries_for_any_history(
    hers: Client, lin: Staff, django_assert_num_queries: DjangoAssertNumQueries, number: int
) -> None:
    customer = make_customer("Chen", owner=lin)
    for index in range(number):
        make_interaction(customer, staff=lin)
        CustomerTag.objects.create(customer=customer, tag=make_tag(f"Tag {index}"))
        make_follow(make_staff(f"Guide {index}"), customer)
        make_coupon(customer, given_by=lin)

    with django_assert_num_queries(27):
        hers.get(page_address(customer))


# --- logging an interaction ------------------------------------------------------------------------


def log_address(customer: Customer) -> str:
    return reverse("customer_interactions", args=[customer.pk])


def test_an_interaction_is_logged_without_scripts(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)

    answer = hers.post(log_address(customer), {"kind": "visit", "text": " Tried the coat "})

    assert (answer.status_code, answer["Location"]) == (302, page_address(customer))
    saved = Interaction.objects.get()
    assert (saved.kind, saved.text, saved.staff) == (InteractionKind.VISIT, "Tried the coat", lin)
    customer.refresh_from_db()
    assert customer.last_interaction_at == saved.happened_at


def test_an_interaction_is_logged_in_place(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)

    answer = hers.post(log_address(customer), {"kind": "call", "text": "Will come"}, headers=HTMX)

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "Will come" in answer.text.split("timeline-entry")[1]
    assert 'hx-swap-oob="beforeend"' in answer.text
    assert "Saved on the timeline of Chen." in answer.text


def test_a_call_needs_no_words(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)

    hers.post(log_address(customer), {"kind": "call"})

    assert Interaction.objects.get().text == ""


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "part"])
@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"kind": "complaint", "text": "  "}, "Write what it was about."),
        ({"kind": "dance", "text": "kept words"}, "Select a valid choice"),
        ({"text": "kept words"}, "This field is required"),
        ({"kind": "note", "text": "kept words" * 500}, "at most 4000 characters"),
    ],
)
def test_a_mistake_is_named_and_nothing_typed_is_lost(
    hers: Client, lin: Staff, headers: dict[str, str], said: dict[str, str], complaint: str
) -> None:
    customer = make_customer("Chen", owner=lin)

    answer = hers.post(log_address(customer), said, headers=headers)

    assert answer.status_code == 422
    assert complaint in answer.text
    assert said["text"].strip() in answer.text
    assert not Interaction.objects.exists()


# --- tags ------------------------------------------------------------------------------------------


def tag_address(customer: Customer) -> str:
    return reverse("customer_tags", args=[customer.pk])


def carried(customer: Customer) -> set[str]:
    return set(customer.carried_tags.values_list("tag__name", flat=True))


def test_a_tag_is_added_and_taken_away(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)
    vip = make_tag("VIP")

    answer = hers.post(tag_address(customer), {"add": vip.pk})
    assert answer["Location"] == page_address(customer) + "#tags"
    assert carried(customer) == {"VIP"}

    part = hers.post(tag_address(customer), {"remove": vip.pk}, headers=HTMX)
    assert "No tags yet" in part.text
    assert carried(customer) == set()


def test_of_an_exclusive_group_the_new_tag_replaces_the_old(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)
    gold = make_tag("Gold", exclusive=True)
    silver = make_tag("Silver", group=gold.group)

    hers.post(tag_address(customer), {"add": gold.pk})
    hers.post(tag_address(customer), {"add": silver.pk})

    assert carried(customer) == {"Silver"}


@pytest.mark.parametrize("said", [{"add": "999999"}, {"add": "x"}, {"remove": "999999"}, {}])
def test_a_tag_that_is_gone_changes_nothing(hers: Client, lin: Staff, said: dict[str, str]) -> None:
    customer = make_customer("Chen", owner=lin)
    CustomerTag.objects.create(customer=customer, tag=make_tag("VIP"))

    hers.post(tag_address(customer), said)

    assert carried(customer) == {"VIP"}


def test_actions_are_no_pages(hers: Client, lin: Staff) -> None:
    customer = make_customer("Chen", owner=lin)

    assert hers.get(log_address(customer)).status_code == 405
    assert hers.get(tag_address(customer)).status_code == 405
