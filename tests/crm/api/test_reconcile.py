"""Comparisons with WeCom through the API."""

import pytest

from contacts.enums import FindingKind, FindingState, ReconciliationState, Role
from contacts.models import Customer, Reconciliation
from tests.builders import (
    make_customer,
    make_finding,
    make_follow,
    make_reconciliation,
    make_staff,
    make_store,
    queries_for,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def apart(hua):
    lin, mei = make_staff("Lin"), make_staff("Mei")
    chen = make_customer("Chen", owner=lin)
    make_follow(mei, chen)
    detail = {"owner": lin.pk, "followers": [mei.pk]}
    return make_finding(FindingKind.OWNER_APART, staff=lin, customer=chen, detail=detail)


def test_findings_are_listed_by_kind_and_state(api, hua, apart):
    client = api(hua, "findings:read")

    found = client.get("/api/v1/findings?kind=owner_apart&state=open").json()["results"]

    assert [row["id"] for row in found] == [apart.pk]
    assert found[0]["customer"] == {"id": apart.customer_id, "name": "Chen"}
    assert found[0]["can_repair"] is True
    assert client.get("/api/v1/findings?state=gone").json()["results"] == []


def test_a_finding_is_repaired_once(api, hua, apart):
    client = api(hua)

    answer = client.post(f"/api/v1/findings/{apart.pk}/repair")
    again = client.post(f"/api/v1/findings/{apart.pk}/repair")

    assert answer.json()["state"] == "repaired"
    assert answer.json()["settled_by"]["name"] == "Hua"
    owner = Customer.objects.get().owner
    assert owner
    assert owner.name == "Mei"
    assert (again.status_code, again.json()["fresh"]["state"]) == (409, "repaired")


def test_a_finding_is_dismissed_with_a_reason(api, hua, apart):
    client = api(hua)

    refused = client.post(f"/api/v1/findings/{apart.pk}/dismiss", {"note": ""})
    answer = client.post(f"/api/v1/findings/{apart.pk}/dismiss", {"note": "A family"})

    assert list(refused.json()["errors"]) == ["note"]
    assert (answer.json()["state"], answer.json()["note"]) == ("dismissed", "A family")


def test_a_key_for_reading_repairs_nothing(api, hua, apart):
    answer = api(hua, "findings:read").post(f"/api/v1/findings/{apart.pk}/repair")

    apart.refresh_from_db()
    assert (answer.status_code, apart.state) == (403, FindingState.OPEN)


def test_a_receiver_out_of_sight_gets_nobody(api, hua, apart):
    mei = Customer.objects.get().follows.get().staff
    mei.store = make_store("Elsewhere")
    mei.save()

    assert api(hua).post(f"/api/v1/findings/{apart.pk}/repair").status_code == 403


def test_comparisons_are_the_companys(api, hua):
    make_reconciliation(seen={"follows": 9}, repaired={"follow_new": 2})
    jin = make_staff("Jin", role=Role.ADMINISTRATOR)

    shown = api(jin).get("/api/v1/reconciliations").json()["results"]

    assert [(row["seen"], row["repaired"]) for row in shown] == [
        ({"follows": 9}, {"follow_new": 2})
    ]
    assert api(hua).get("/api/v1/reconciliations").json()["results"] == []


def test_one_comparison_at_a_time_is_started(api):
    client = api(make_staff("Jin", role=Role.ADMINISTRATOR))

    first = client.post("/api/v1/reconciliations")
    second = client.post("/api/v1/reconciliations")

    assert (first.status_code, first.json()["state"]) == (201, ReconciliationState.RUNNING)
    assert second.status_code == 409
    assert Reconciliation.objects.count() == 1


def test_findings_take_the_same_queries_for_1_and_3(api, hua):
    client = api(hua)

    def find():
        lin = make_staff("Lin")
        make_finding(staff=lin, customer=make_customer("Chen", owner=lin))

    find()
    few = queries_for(client, "/api/v1/findings")
    find()
    find()

    assert queries_for(client, "/api/v1/findings") == few
