"""Erasing through the API: who may, what is answered, and that it happens once."""

import pytest

from contacts.enums import CustomerState, IdentityKind, Role, Scope
from contacts.models import Customer, HistoryEntry
from tests.builders import make_customer, make_identity, make_staff, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def wu():
    return make_staff("Wu", role=Role.ADMINISTRATOR)


@pytest.fixture
def chen():
    customer = make_customer("Chen", address="wm-chen")
    make_identity(customer, "+8613812345678", kind=IdentityKind.PHONE)
    return customer


def erase(client, customer, **headers):
    return client.post(f"/api/v1/customers/{customer.pk}/erase", {}, headers=headers)


def test_an_administrator_erases_and_is_told_when(api, wu, chen):
    answer = erase(api(wu), chen)

    body = answer.json()
    assert answer.status_code == 200
    assert (body["id"], body["state"]) == (chen.pk, "erased")
    assert body["erased_by"] == {"id": wu.pk, "name": "Wu"}
    assert body["erased_at"]
    assert api(wu).get(f"/api/v1/customers/{chen.pk}").status_code == 404
    assert not api(wu).get("/api/v1/customers").json()["results"]


def test_a_manager_of_the_whole_company_erases(api, chen):
    hua = make_staff("Hua", role=Role.MANAGER, scope=Scope.COMPANY)

    assert erase(api(hua), chen).status_code == 200


@pytest.mark.parametrize("role", [Role.GUIDE, Role.MANAGER, Role.MARKETER])
def test_others_may_not(api, role, chen):
    answer = erase(api(make_staff("Lin", role=role)), chen)

    assert answer.status_code == 403
    chen.refresh_from_db()
    assert chen.name == "Chen"
    assert not HistoryEntry.objects.exists()


def test_an_administrator_of_another_store_sees_nobody(api, chen):
    wu = make_staff("Wu", role=Role.ADMINISTRATOR, scope=Scope.STORE, store=make_store("Xidan"))

    assert erase(api(wu), chen).status_code == 404
    assert Customer.objects.active().count() == 1


def test_the_same_request_twice_is_answered_the_same(api, wu, chen):
    first = erase(api(wu), chen, **{"Idempotency-Key": "one"})
    again = erase(api(wu), chen, **{"Idempotency-Key": "one"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert HistoryEntry.objects.filter(action="customer.erased").count() == 1


def test_another_request_is_told_that_it_has_happened(api, wu, chen):
    erase(api(wu), chen)

    answer = erase(api(wu), chen)

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_merged_record_names_the_one_to_erase(api, wu, chen):
    twin = make_customer("Chen J", state=CustomerState.MERGED, merged_into=chen)

    answer = erase(api(wu), twin)

    assert answer.status_code == 400
    assert str(chen.pk) in answer.json()["detail"]


def test_records_merged_in_from_other_stores_are_erased_along(api, chen):
    wu = make_staff("Wu", role=Role.ADMINISTRATOR, scope=Scope.STORE, store=chen.store)
    elsewhere = make_store("Xidan")
    twin = make_customer("Chen J", store=elsewhere, state=CustomerState.MERGED, merged_into=chen)

    assert erase(api(wu), twin).status_code == 404
    assert erase(api(wu), chen).status_code == 200

    twin.refresh_from_db()
    assert (twin.name, twin.state) == ("", CustomerState.ERASED)


def test_an_upsert_does_not_bring_them_back(api, wu, chen):
    erase(api(wu), chen)

    answer = api(wu).post(
        "/api/v1/customers",
        {"identities": [{"kind": "phone", "value": "+8613812345678"}], "name": "Chen"},
    )

    assert answer.status_code == 400
    assert "erased at their request" in answer.json()["detail"]
    assert not Customer.objects.active().exists()
