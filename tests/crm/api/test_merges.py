"""``/customers/{id}/merge`` and ``/unmerge``."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from contacts.enums import CustomerState, IdentityKind, Role
from contacts.models import Customer, HistoryEntry, Merge
from crm.actions.merges import merge_customers
from tests.builders import (
    NOON,
    make_coupon,
    make_customer,
    make_handover,
    make_identity,
    make_interaction,
    make_order,
    make_staff,
    make_store,
    make_tag,
)
from tests.contacts.test_races import on_own_connection

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(api, hua):
    return api(hua)


@pytest.fixture
def kept():
    return make_customer("Chen Jing", owner=make_staff("Lin"))


@pytest.fixture
def gone():
    gone = make_customer("Chen", owner=make_staff("Mei"))
    make_identity(gone, "M1", kind=IdentityKind.MEMBER)
    return gone


def merge(client, customer, into, **more):
    return client.post(f"/api/v1/customers/{customer.pk}/merge", {"into": into.pk}, **more)


def unmerge(client, customer):
    return client.post(f"/api/v1/customers/{customer.pk}/unmerge", {})


def state(customer):
    return Customer.objects.get(pk=customer.pk).state


def test_a_manager_merges_one_record_into_another(client, hua, gone, kept):
    answer = merge(client, gone, kept)

    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["owner"]["name"]) == (kept.pk, "Lin")
    assert answer.json()["identities"] == [{"kind": "member_no", "system": "", "value": "M1"}]
    assert Merge.objects.get().merged_by == hua
    assert client.get(f"/api/v1/customers/{gone.pk}").status_code == 404
    by_address = client.get("/api/v1/customers?identity=member_no:M1").json()["results"]
    assert [row["id"] for row in by_address] == [kept.pk]


def test_lists_of_one_customer_name_what_was_merged_into_them(client, gone, kept):
    for customer in (gone, kept):
        make_interaction(customer)
        make_order(customer)
        make_coupon(customer)
    make_interaction(make_customer("Wu", owner=kept.owner))
    merge(client, gone, kept)

    for name in ("interactions", "orders", "coupons"):
        rows = client.get(f"/api/v1/{name}?customer={kept.pk}").json()["results"]
        assert len(rows) == 2, name


def test_lists_of_one_customer_show_nothing_to_another_store(client, api, gone, kept):
    make_interaction(gone)
    make_order(gone)
    make_coupon(gone)
    merge(client, gone, kept)
    elsewhere = api(make_staff("Zhao", store=make_store("Pudong")))

    for name in ("interactions", "orders", "coupons"):
        for customer in (gone, kept):
            answer = elsewhere.get(f"/api/v1/{name}?customer={customer.pk}")
            assert (answer.status_code, answer.json()["results"]) == (200, []), name


def test_the_same_key_merges_once(client, gone, kept):
    key = {"HTTP_IDEMPOTENCY_KEY": "merge-1"}

    first, second = merge(client, gone, kept, **key), merge(client, gone, kept, **key)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert Merge.objects.count() == 1
    assert merge(client, gone, kept).status_code == 404


def test_what_speaks_against_it_is_said_and_nothing_happens(client, gone, kept):
    assert merge(client, kept, kept).json()["detail"].startswith("This is one and the same record")
    make_handover(kept.owner, customers=[kept])

    answer = merge(client, gone, kept)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:liuke:problem:rule-broken")
    assert "open handover" in answer.json()["detail"]
    assert state(gone) == state(kept) == CustomerState.ACTIVE
    assert not HistoryEntry.objects.exists()


def test_nobody_is_merged_with_somebody_elsewhere(client, gone, kept):
    far = make_customer("Far", store=make_store("Airport"))

    assert merge(client, gone, far).status_code == 400
    assert merge(client, far, kept).status_code == 404
    assert client.post(f"/api/v1/customers/{gone.pk}/merge", {}).status_code == 400
    assert client.post(
        f"/api/v1/customers/{gone.pk}/merge", {"into": kept.pk, "owner": 1}
    ).status_code == 400  # fmt: skip
    assert not Merge.objects.exists()


def test_guides_and_marketers_do_not_merge(api, gone, kept):
    for person in (kept.owner, make_staff("Yan", role=Role.MARKETER)):
        assert merge(api(person), gone, kept).status_code == 403
        assert unmerge(api(person), gone).status_code == 403

    assert not Merge.objects.exists()


def test_a_key_that_may_only_read_does_not_merge(api, hua, gone, kept):
    assert merge(api(hua, "customers:read"), gone, kept).status_code == 403
    assert merge(api(hua, "customers:write"), gone, kept).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_whoever_is_too_late_gets_the_record_that_stays(client, gone, kept, upon):
    zhao = make_customer("Zhao", owner=kept.owner)
    rival = partial(merge_customers, gone, into=zhao, actor=None, now=NOON)

    def overtaken():
        if not Merge.objects.exists():
            with ThreadPoolExecutor(1) as pool:
                pool.submit(on_own_connection, rival).result()

    with upon('FROM "contacts_staff" WHERE "contacts_staff"."id" IN', overtaken):
        answer = merge(client, gone, kept)

    assert answer.status_code == 409
    assert answer.json()["fresh"]["id"] == zhao.pk


def test_a_merge_is_taken_apart(client, hua, gone, kept):
    merge(client, gone, kept)

    answer = unmerge(client, gone)

    assert (answer.status_code, answer.json()["id"]) == (200, gone.pk)
    assert answer.json()["owner"]["name"] == "Mei"
    assert [row["value"] for row in answer.json()["identities"]] == ["M1"]
    assert unmerge(client, gone).status_code == 404
    assert unmerge(client, kept).status_code == 404


def test_only_who_manages_whoever_stays_takes_it_apart(client, api, gone, kept):
    merge(client, gone, kept)
    other = make_staff("Wang", role=Role.MANAGER, store=make_store("Airport"))

    assert unmerge(api(other), gone).status_code == 404
    assert state(gone) == CustomerState.MERGED


def test_whatever_was_merged_onward_is_not_there(client, gone, kept):
    zhao = make_customer("Zhao", owner=kept.owner)
    merge(client, gone, kept)
    merge(client, kept, zhao)

    assert unmerge(client, gone).status_code == 404
    assert unmerge(client, kept).status_code == 200
    assert unmerge(client, gone).status_code == 200


def test_what_happened_to_the_merged_record_is_read_with_the_other(client, api, gone, kept):
    make_interaction(gone, text="Asked for hats")
    make_interaction(kept, text="Tried the blue coat")
    client.post(f"/api/v1/customers/{gone.pk}/tags", {"add": [make_tag().pk]})
    merge(client, gone, kept)

    for reader in (client, api(kept.owner), api(make_staff("Jin", role=Role.ADMINISTRATOR))):
        theirs = reader.get(f"/api/v1/customers/{kept.pk}/interactions").json()["results"]
        assert {row["text"] for row in theirs} == {"Asked for hats", "Tried the blue coat"}
        everybody = reader.get("/api/v1/interactions").json()["results"]
        assert {row["text"] for row in everybody} == {"Asked for hats", "Tried the blue coat"}
        history = reader.get(f"/api/v1/customers/{kept.pk}/history").json()["results"]
        assert {"customer.tagged", "customer.merged", "customer.took_in"} <= {
            row["action"] for row in history
        }
    assert api(make_staff("Ann")).get("/api/v1/interactions").json()["results"] == []
