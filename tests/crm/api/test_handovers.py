"""A departure through the API, from the button to the report."""

import pytest

from contacts.enums import HandoverState, ItemState, Role, StaffState
from contacts.models import Customer, Handover, Staff
from tests.builders import make_customers, make_handover, make_staff, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(api, hua):
    return api(hua)


def test_a_departure_is_handed_over(client, hua):
    wei, mei, lin = make_staff("Wei"), make_staff("Mei"), make_staff("Lin")
    make_customers(5, owner=wei)

    departed = client.post(f"/api/v1/staff/{wei.pk}/depart").json()
    url = f"/api/v1/handovers/{departed['handover']}"
    plan = client.post(f"{url}/propose", {"receivers": [mei.pk, lin.pk]}).json()
    token = client.get(f"{url}/preview").json()["token"]
    words = {"customer_message": "Mei takes over.", "max_offers": 2}
    started = client.post(f"{url}/start", {"token": token} | words).json()
    progress = client.get(f"{url}/progress").json()

    assert departed["state"] == "departed"
    assert plan["shares"] == [
        {"staff": {"id": lin.pk, "name": "Lin"}, "customers": 2},
        {"staff": {"id": mei.pk, "name": "Mei"}, "customers": 3},
    ]
    assert (started["state"], started["customer_message"]) == ("done", "Mei takes over.")
    assert progress["states"] == {"accepted": 5}
    assert progress["size"] == 5
    assert Customer.objects.filter(owner=mei).count() == 3


def test_who_owned_nobody_leaves_no_handover(client):
    assert client.post(f"/api/v1/staff/{make_staff('Wei').pk}/depart").json()["handover"] is None


def test_nobody_departs_twice(client):
    wei = make_staff("Wei")
    client.post(f"/api/v1/staff/{wei.pk}/depart")

    answer = client.post(f"/api/v1/staff/{wei.pk}/depart")

    assert answer.status_code == 409
    assert answer.json()["fresh"]["state"] == "departed"


def test_nobody_records_their_own_departure(client, hua):
    answer = client.post(f"/api/v1/staff/{hua.pk}/depart")

    assert answer.status_code == 403
    assert Staff.objects.get(pk=hua.pk).state == StaffState.ACTIVE


def test_only_administrators_let_an_administrator_go(api, client, hua):
    jin = make_staff("Jin", role=Role.ADMINISTRATOR, store=hua.store)
    boss = make_staff("Boss", role=Role.ADMINISTRATOR)

    assert client.post(f"/api/v1/staff/{jin.pk}/depart").status_code == 403
    assert api(boss).post(f"/api/v1/staff/{jin.pk}/depart").status_code == 200


def test_a_leave_is_planned_for_somebody_who_stays(client):
    lin = make_staff("Lin")
    make_customers(2, owner=lin)

    answer = client.post("/api/v1/handovers", {"from_staff": lin.pk, "kind": "leave"})

    assert answer.status_code == 201
    assert answer.json()["shares"] == [{"staff": None, "customers": 2}]
    assert Customer.objects.filter(owner=lin).count() == 2


def test_a_departure_is_not_planned_by_hand(client):
    answer = client.post("/api/v1/handovers", {"from_staff": make_staff().pk, "kind": "departure"})

    assert list(answer.json()["errors"]) == ["kind"]
    assert not Handover.objects.exists()


def test_a_receiver_out_of_sight_is_unknown(client):
    handover = make_handover()
    outsider = make_staff("Mei", store=make_store("Xidan"))

    answer = client.post(f"/api/v1/handovers/{handover.pk}/propose", {"receivers": [outsider.pk]})

    assert list(answer.json()["errors"]) == ["receivers"]
    assert not handover.items.exclude(to_staff=None).exists()


@pytest.fixture
def refused():
    """A running handover of three whom the customers refused."""
    return make_handover(
        customers=make_customers(3),
        to_staff=make_staff("Mei"),
        item_state=ItemState.REFUSED,
        state=HandoverState.RUNNING,
    )


@pytest.mark.parametrize("by", ["items", "state"])
def test_refused_customers_are_offered_to_others(client, refused, by):
    lin = make_staff("Lin")
    items = list(refused.items.order_by("pk").values_list("pk", flat=True))
    which = {"items": items[:2]} if by == "items" else {"state": "refused"}

    answer = client.post(
        f"/api/v1/handovers/{refused.pk}/reassign", which | {"receivers": [lin.pk]}
    )

    assert answer.status_code == 200, answer.content
    assert refused.items.filter(to_staff=lin).count() == (2 if by == "items" else 3)


@pytest.mark.parametrize("which", [{}, {"items": [1], "state": "refused"}, {"state": "accepted"}])
def test_either_items_or_state_are_named(client, refused, which):
    lin = make_staff("Lin")

    answer = client.post(
        f"/api/v1/handovers/{refused.pk}/reassign", which | {"receivers": [lin.pk]}
    )

    assert answer.status_code == 400
    assert not refused.items.filter(to_staff=lin).exists()


def test_an_item_of_another_handover_is_unknown(client, refused):
    other = make_handover(make_staff("Zhou"))
    body = {"items": [other.items.get().pk], "receivers": [make_staff("Lin").pk]}

    answer = client.post(f"/api/v1/handovers/{refused.pk}/reassign", body)

    assert list(answer.json()["errors"]) == ["items"]


def test_what_nobody_took_rests_in_the_pool(client, refused):
    answer = client.post(f"/api/v1/handovers/{refused.pk}/finish").json()

    assert answer["state"] == "done"


def test_the_customers_of_a_handover_are_listed_by_state(client, refused):
    url = f"/api/v1/handovers/{refused.pk}/items"

    assert len(client.get(f"{url}?state=refused").json()["results"]) == 3
    assert client.get(f"{url}?state=accepted").json()["results"] == []
