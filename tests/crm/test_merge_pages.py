"""Merging with another record, and taking a merge apart, on the customer's page."""

import pytest
from django.test import Client

from contacts.enums import CustomerState, IdentityKind, InteractionKind, Role, TaskKind
from contacts.models import Customer, Interaction, Merge, Staff, Tag
from crm.access import viewer_for
from crm.actions.merges import merge_customers, undo_merge
from crm.merge_preview import face_of, joined
from tests.builders import (
    NOON,
    make_coupon,
    make_customer,
    make_customers,
    make_follow,
    make_handover,
    make_identity,
    make_interaction,
    make_loss,
    make_order,
    make_staff,
    make_store,
    make_tag,
    make_task,
    queries_for,
    sign_in,
)

pytestmark = pytest.mark.django_db

PHONE = "+8613812345678"


@pytest.fixture
def lin() -> Staff:
    return make_staff("Lin")


@pytest.fixture
def kept(lin: Staff) -> Customer:
    return make_customer("Chen Jing", owner=lin)


@pytest.fixture
def gone(lin: Staff) -> Customer:
    gone = make_customer("Chen Jing", city="Suzhou", note="Likes blue")
    make_identity(gone, PHONE, kind=IdentityKind.PHONE)
    Customer.objects.filter(pk=gone.pk).update(search_key=f"chen jing chenjing cj {PHONE}")
    return gone


def page(customer: Customer, verb: str = "") -> str:
    return f"/customers/{customer.pk}/{verb}"


def merge(client: Client, customer: Customer, other: Customer):
    return client.post(page(customer, "merge/"), {"with": other.pk})


def state(customer: Customer) -> str:
    return Customer.objects.get(pk=customer.pk).state


def test_a_manager_finds_the_other_record_looks_and_merges(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    assert page(kept, "merge/") in manager.get(page(kept)).text
    found = manager.get(page(kept, "merge/"))
    assert list(found.context["found"]) == [gone]
    assert f"?with={gone.pk}" in found.text

    shown = manager.get(page(kept, f"merge/?with={gone.pk}"))
    lines = {
        str(line.label): (line.kept, line.gone, line.result) for line in shown.context["lines"]
    }
    assert lines["City"] == ("", "Suzhou", "Suzhou")
    assert lines["Owner"] == ("Lin", "in the pool", "Lin")
    assert lines["Phone"] == ("", PHONE, PHONE)
    answer = merge(manager, kept, gone)

    assert (answer.status_code, answer["Location"]) == (302, f"{page(kept)}#merged")
    after = manager.get(page(kept)).text
    assert "Both records of Chen Jing are one now." in after
    assert "Merged records" in after
    assert "by Hua" in after
    assert page(gone, "unmerge/") in after


def test_the_other_record_is_found_by_its_number_and_never_the_same_one(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    zhao = make_customer("Zhao", owner=kept.owner)

    assert list(manager.get(page(zhao, "merge/?q=13812345")).context["found"]) == [gone]
    assert list(manager.get(page(zhao, "merge/")).context["found"]) == []
    assert list(manager.get(page(zhao, "merge/?q=")).context["found"]) == []
    assert "Nobody else of that name" in manager.get(page(zhao, "merge/")).text


def test_the_address_of_the_merged_record_leads_to_whoever_stays(
    manager: Client, client: Client, kept: Customer, gone: Customer, hua: Staff
) -> None:
    merge(manager, kept, gone)

    answer = manager.get(page(gone))

    assert (answer.status_code, answer["Location"]) == (302, page(kept))
    sign_in(client, make_staff("Mei"))
    assert client.get(page(gone)).status_code == 404


def test_the_page_takes_the_same_queries_for_1_and_300_merged_records(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    merge(manager, kept, gone)
    one = queries_for(manager, page(kept))

    others = make_customers(299, owner=kept.owner)
    for other in others:
        merge_customers(other, into=kept, actor=kept.owner, now=NOON)

    assert len(manager.get(page(kept)).context["merges"]) == 300
    assert queries_for(manager, page(kept)) == one <= 32


def test_search_finds_whoever_stays_by_the_number_of_the_other(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    merge(manager, kept, gone)

    rows = manager.get("/customers/?q=13812345").context["page"].rows

    assert rows == [kept]


def test_taken_apart_the_record_is_a_customer_again(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    merge(manager, kept, gone)

    answer = manager.post(page(gone, "unmerge/"))

    assert (answer.status_code, answer["Location"]) == (302, page(gone))
    assert "Chen Jing is a customer of their own again." in manager.get(page(gone)).text
    assert state(gone) == CustomerState.ACTIVE
    assert "Merged records" not in manager.get(page(kept)).text


def test_whoever_merges_what_a_colleague_has_just_merged_is_told_and_sees_who_stays(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    zhao = make_customer("Zhao", owner=kept.owner)
    merge_customers(gone, into=kept, actor=None, now=NOON)

    for ask in (
        lambda: merge(manager, kept, gone),
        lambda: merge(manager, gone, kept),
        lambda: merge(manager, zhao, gone),
        lambda: manager.get(page(gone, f"merge/?with={kept.pk}")),
        lambda: manager.get(page(kept, f"merge/?with={gone.pk}")),
    ):
        answer = ask()
        assert (answer.status_code, answer["Location"]) == (302, page(kept))
        shown = manager.get(page(kept)).text
        assert "The record was merged into this one in the meantime." in shown
    assert Merge.objects.count() == 1


def test_whoever_takes_apart_what_a_colleague_has_taken_apart_is_told_and_sees_the_record(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    undo_merge(merge_customers(gone, into=kept, actor=None, now=NOON), actor=None, now=NOON)

    answer = manager.post(page(gone, "unmerge/"))

    assert (answer.status_code, answer["Location"]) == (302, page(gone))
    assert "It had been taken apart already." in manager.get(page(gone)).text
    assert manager.post(page(kept, "unmerge/")).status_code == 404


def test_a_merge_that_was_merged_onward_is_taken_apart_from_the_last_one_on(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    zhao = make_customer("Zhao", owner=kept.owner)
    merge_customers(gone, into=kept, actor=None, now=NOON)
    merge_customers(kept, into=zhao, actor=None, now=NOON)

    answer = manager.post(page(gone, "unmerge/"))

    assert (answer.status_code, answer["Location"]) == (302, page(zhao))
    shown = manager.get(page(zhao)).text
    assert "The record was merged into this one in the meantime." in shown
    assert state(gone) == CustomerState.MERGED


def test_what_neither_record_has_is_left_out_of_the_comparison(
    manager: Client, kept: Customer, gone: Customer
) -> None:
    shown = manager.get(page(kept, f"merge/?with={gone.pk}"))

    labels = [str(line.label) for line in shown.context["lines"]]
    assert "City" in labels
    assert "Birthday" not in labels
    assert "Messages" not in labels


def test_a_refusal_is_said_on_the_preview(manager: Client, kept: Customer, gone: Customer) -> None:
    make_handover(kept.owner, customers=[kept])

    answer = merge(manager, kept, gone)

    assert answer["Location"] == page(kept, f"merge/?with={gone.pk}")
    assert "is in an open handover" in manager.get(answer["Location"]).text
    assert not Merge.objects.exists()
    assert page(kept, "merge/") not in manager.get(page(kept)).text


def test_guides_and_marketers_have_no_such_button_and_are_refused(
    client: Client, lin: Staff, kept: Customer, gone: Customer, manager: Client
) -> None:
    merge_customers(gone, into=kept, actor=None, now=NOON)
    zhao = make_customer("Zhao", owner=lin)
    for person in (lin, make_staff("Yan", role=Role.MARKETER)):
        browser = sign_in(Client(), person)

        shown = browser.get(page(kept)).text
        assert "Merged records" in shown
        assert page(gone, "unmerge/") not in shown
        assert page(kept, "merge/") not in shown
        assert browser.get(page(kept, "merge/")).status_code == 403
        assert merge(browser, kept, zhao).status_code == 403
        assert browser.post(page(gone, "unmerge/")).status_code == 403

    assert (state(gone), state(zhao)) == (CustomerState.MERGED, CustomerState.ACTIVE)


def test_records_elsewhere_are_not_found_not_shown_and_not_merged(
    manager: Client, kept: Customer
) -> None:
    far = make_customer("Chen Jing", store=make_store("Airport"))

    assert list(manager.get(page(kept, "merge/")).context["found"]) == []
    assert manager.get(page(kept, f"merge/?with={far.pk}")).status_code == 404
    assert merge(manager, kept, far).status_code == 404
    assert merge(manager, far, kept).status_code == 404
    assert not Merge.objects.exists()


def test_a_merge_elsewhere_is_not_taken_apart(manager: Client) -> None:
    there = make_store("Airport")
    far, gone = make_customer("Chen", store=there), make_customer("Chen", store=there)
    merge_customers(gone, into=far, actor=None, now=NOON)

    assert manager.post(page(gone, "unmerge/")).status_code == 404
    assert state(gone) == CustomerState.MERGED


def test_a_record_that_goes_back_to_another_store_is_not_shown_there(
    manager: Client, kept: Customer
) -> None:
    far = make_customer("Chen", store=make_store("Airport"))
    merge_customers(far, into=kept, actor=None, now=NOON)

    answer = manager.post(page(far, "unmerge/"))

    assert answer["Location"] == page(kept)
    assert state(far) == CustomerState.ACTIVE


def test_without_htmx_and_with_nonsense_the_page_answers(manager: Client, kept: Customer) -> None:
    assert manager.get(page(kept, f"merge/?with={kept.pk}")).status_code == 200
    assert manager.get(page(kept, "merge/?with=abc")).status_code == 200
    assert manager.post(page(kept, "merge/"), {"with": "abc"}).status_code == 404
    assert manager.post(page(kept, "merge/")).status_code == 404


def test_large_figures_stand_in_threes(
    manager: Client, kept: Customer, gone: Customer, lin: Staff
) -> None:
    Interaction.objects.bulk_create(
        Interaction(customer=kept, staff=lin, kind=InteractionKind.CALL, happened_at=NOON)
        for _one in range(1001)
    )

    assert "1,000+" in manager.get(page(kept, f"merge/?with={gone.pk}")).text


def test_the_preview_is_what_it_becomes(hua: Staff, lin: Staff) -> None:
    mei, gold = make_staff("Mei"), make_tag("Gold", exclusive=True)
    tags = {"kept": [gold], "gone": [make_tag("Silver", group=gold.group), make_tag("Hats")]}
    kept, gone = make_customer("Chen", owner=lin), make_customer("Jing", owner=mei, city="Wuxi")
    for name, customer, guide in (("kept", kept, lin), ("gone", gone, mei)):
        for tag in tags[name]:
            customer.carried_tags.create(
                tag=tag, exclusive_group=tag.group if tag.group.is_exclusive else None
            )
        make_identity(customer, f"{PHONE}{guide.pk}", kind=IdentityKind.PHONE)
        make_order(customer, amount=100)
        make_coupon(customer)
        make_interaction(customer, kind=InteractionKind.CALL)
        make_task(staff=guide, customer=customer)
        make_task(staff=guide, customer=customer, kind=TaskKind.FIRST_CONTACT)
    Customer.objects.update(spent=100, last_order_at=NOON)
    make_loss(mei, gone)
    make_task(staff=mei, customer=gone, kind=TaskKind.WIN_BACK)
    make_follow(lin, kept)
    kept.refresh_from_db()
    gone.refresh_from_db()
    viewer = viewer_for(hua)
    told = joined(face_of(gone, viewer), face_of(kept, viewer))

    merge_customers(gone, into=kept, actor=hua, now=NOON)

    assert face_of(Customer.objects.get(pk=kept.pk), viewer) == told
    assert [tag.name for tag in told.tags] == sorted(
        Tag.objects.get(pk=t.pk).name for t in told.tags
    )
    assert told.tasks == ["first_contact", "to_do", "to_do"]
