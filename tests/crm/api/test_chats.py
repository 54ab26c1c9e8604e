"""Group chats through the API: listed by scope, given to colleagues, along with a leave."""

import pytest

from contacts.actions.departures import depart_staff
from contacts.enums import ItemState
from contacts.models import Handover
from tests.builders import NOON, make_chat, make_customers, make_staff, make_store

pytestmark = pytest.mark.django_db


def plan_with_chats(number: int) -> Handover:
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    for _chat in range(number):
        make_chat(wei)
    handover = depart_staff(wei.pk, actor=None, now=NOON)
    assert handover
    return handover


def test_guides_see_their_chats_and_managers_those_of_their_stores(api, hua):
    lin, stranger = make_staff("Lin"), make_staff("Mei", store=make_store())
    mine, theirs = make_chat(lin), make_chat(stranger)
    left = make_chat(left_by=stranger)
    make_chat(lin, known_at=None)

    def seen(person, query=""):
        rows = api(person).get(f"/api/v1/group-chats{query}").json()["results"]
        return {row["id"] for row in rows}

    assert seen(lin) == {mine.pk}
    assert seen(stranger) == {theirs.pk}
    assert seen(hua) == {mine.pk, left.pk}
    assert seen(hua, f"?left_by={stranger.pk}") == {left.pk}
    assert seen(hua, f"?owner={lin.pk}") == {mine.pk}


def test_chats_of_a_plan_are_given_to_a_colleague_and_back_to_the_plan(api, hua):
    handover, lin = plan_with_chats(2), make_staff("Lin")
    items = list(handover.chats.order_by("pk").values_list("pk", flat=True))
    address = f"/api/v1/handovers/{handover.pk}/chats"

    given = api(hua).post(f"{address}/assign", {"items": items, "to": lin.pk}, format="json")
    api(hua).post(f"{address}/assign", {"items": items[:1], "to": None}, format="json")

    assert given.status_code == 200
    rows = api(hua).get(address).json()["results"]
    owners = {row["id"]: row["to_staff"] and row["to_staff"]["id"] for row in rows}
    assert owners == {items[0]: None, items[1]: lin.pk}
    found = api(hua).get(f"{address}?to_staff={lin.pk}").json()["results"]
    assert [row["id"] for row in found] == items[1:]
    preview = api(hua).get(f"/api/v1/handovers/{handover.pk}/preview").json()
    assert [(row["staff"]["id"], row["chats"], row["days"]) for row in preview["chats"]] == [
        (lin.pk, 1, 0)
    ]


@pytest.mark.parametrize("to", ["stranger", "nobody"])
def test_a_refused_owner_changes_nothing(api, hua, to):
    handover = plan_with_chats(1)
    item = handover.chats.get()
    stranger = make_staff("Mei", store=make_store())
    if to == "nobody":
        Handover.objects.update(state="running", started_at=NOON)
    body = {"items": [item.pk], "to": stranger.pk if to == "stranger" else None}

    answer = api(hua).post(f"/api/v1/handovers/{handover.pk}/chats/assign", body, format="json")

    assert answer.status_code == 400
    item.refresh_from_db()
    assert (item.state, item.to_staff) == (ItemState.PLANNED, None)


def test_chats_that_wait_for_nobody_are_a_conflict(api, hua):
    handover, lin = plan_with_chats(1), make_staff("Lin")
    handover.chats.update(state=ItemState.CANCELLED, closed_at=NOON)
    body = {"items": [handover.chats.get().pk], "to": lin.pk}

    answer = api(hua).post(f"/api/v1/handovers/{handover.pk}/chats/assign", body, format="json")

    assert answer.status_code == 400
    assert "waits for an owner" in answer.json()["detail"]


def test_a_leave_takes_chats_along_and_an_undo_says_so(api, hua):
    wei = make_staff("Wei")
    make_customers(1, owner=wei)
    make_chat(wei)
    body = {"from_staff": wei.pk, "kind": "leave", "with_chats": True}

    made = api(hua).post("/api/v1/handovers", body, format="json").json()
    undone = api(hua).post(f"/api/v1/handovers/{made['id']}/undo", {}, format="json").json()

    assert (undone["withdrawn"], undone["chats"]) == (1, 1)
