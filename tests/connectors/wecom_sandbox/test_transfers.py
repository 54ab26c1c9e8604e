"""A10: transfers on the job and after leaving, and their 24 hours."""

from collections.abc import Sequence
from typing import Any

import pytest

from .conftest import HOUR, Box, customer, fields_of

DAY = 24 * HOUR
PAIR = {"handover_userid": "lin", "takeover_userid": "mei"}
EVERYBODY = ("wo1", "wo2", "wo3", "wo4")


def start(box: Box, ids: Sequence[str], *, resigned: bool = False, **more: Any) -> dict[str, int]:
    path = "resigned/transfer_customer" if resigned else "transfer_customer"
    said = box.contact(path, **{**PAIR, "external_userid": list(ids), **more})
    assert said["errcode"] == 0
    return {row["external_userid"]: row["errcode"] for row in said["customer"]}


def result(box: Box, *, resigned: bool = False, **more: Any) -> dict[str, int]:
    path = "resigned/transfer_result" if resigned else "transfer_result"
    said = box.contact(path, **{**PAIR, **more})
    return {row["external_userid"]: row["status"] for row in said["customer"]}


def advance(box: Box, seconds: float) -> None:
    box.control.advance(seconds)
    box.token = ""


def events(box: Box) -> list[tuple[str, str, str]]:
    found = [fields_of(row["xml"]) for row in box.control.rows("callbacks")]
    more = ("Source", "FailReason")
    return [
        (e["ChangeType"], e["UserID"], next((e[name] for name in more if name in e), ""))
        for e in found
    ]


def test_on_the_job_customers_wait_24_hours_and_then_change_hands(box: Box) -> None:
    assert start(box, ["wo1", "wo2"]) == {"wo1": 0, "wo2": 0}

    advance(box, DAY - 1)
    assert result(box) == {"wo1": 2, "wo2": 2}
    assert box.customers_of("lin") == set(EVERYBODY)
    advance(box, 1)
    assert result(box) == {"wo1": 1, "wo2": 1}
    assert (box.customers_of("lin"), box.customers_of("mei")) == ({"wo3", "wo4"}, {"wo1", "wo2"})
    assert events(box)[:2] == [
        ("del_external_contact", "lin", "DELETE_BY_TRANSFER"),
        ("add_external_contact", "mei", ""),
    ]


def test_customers_can_be_made_to_decide_at_once(box: Box) -> None:
    moods = {"wo2": "refuse", "wo3": "silent"}
    box.control.seed(
        customers=[customer(int(who[-1]), "lin", mood=mood) for who, mood in moods.items()]
    )
    before = box.control.clock()["now"]
    start(box, ["wo1", "wo2", "wo3"])

    assert box.control.decide("lin") == 2

    assert result(box) == {"wo1": 1, "wo2": 3, "wo3": 2}
    assert box.customers_of("mei") == {"wo1"}
    assert box.control.clock()["now"] == before
    told = events(box)
    advance(box, DAY)
    assert events(box) == told
    assert box.control.decide("mei") == 0


def test_tags_and_remark_go_along(box: Box) -> None:
    box.contact("remark", userid="lin", external_userid="wo1", remark="Chen")

    start(box, ["wo1"])
    advance(box, DAY)

    row = box.control.rows("follows", userid="mei")[0]
    assert (row["remark"], row["add_way"], row["state"]) == ("Chen", 202, "")


def test_a_leavers_customers_are_unassigned_until_accepted(box: Box) -> None:
    assert box.control.depart("lin") == 4
    unassigned = box.contact("get_unassigned_list")["info"]
    assert [row["external_userid"] for row in unassigned] == list(EVERYBODY)
    assert box.code("remark", userid="lin", external_userid="wo1", remark="x") == 60111

    start(box, EVERYBODY, resigned=True)
    advance(box, DAY)

    assert set(result(box, resigned=True).values()) == {1}
    assert box.contact("get_unassigned_list")["info"] == []
    assert box.customers_of("mei") == set(EVERYBODY)
    assert [kind for kind, *_ in events(box)] == ["delete_user"] + ["add_external_contact"] * 4


def test_each_api_wants_its_own_kind_of_handover(box: Box) -> None:
    assert start(box, ["wo1"], resigned=True) == {"wo1": 40097}
    box.control.depart("lin")
    assert box.code("transfer_customer", **PAIR, external_userid=["wo1"]) == 40003

    assert box.breaches() == [
        "leaver transfer before the member has left",
        "on-job transfer from a member who has left",
    ]
    assert box.control.rows("transfers") == []
    start(box, ["wo1"], resigned=True)
    assert result(box) == {}
    assert result(box, resigned=True) == {"wo1": 2}


def test_a_refusal_on_the_job_leaves_the_customer_where_they_were(box: Box) -> None:
    box.control.seed(customers=[customer(1, "lin", mood="refuse")])

    start(box, ["wo1"])
    advance(box, 6 * HOUR)

    assert result(box) == {"wo1": 3}
    assert "wo1" in box.customers_of("lin")
    assert events(box) == [("transfer_fail", "mei", "customer_refused")]


def test_a_refusing_customer_of_a_leaver_is_lost(box: Box) -> None:
    box.control.seed(customers=[customer(1, "lin", mood="refuse")])
    box.control.depart("lin")

    start(box, ["wo1"], resigned=True)
    advance(box, 6 * HOUR)

    assert result(box, resigned=True) == {"wo1": 3}
    listed = [row["external_userid"] for row in box.contact("get_unassigned_list")["info"]]
    assert "wo1" not in listed
    assert start(box, ["wo1"], resigned=True) == {"wo1": 40131}
    assert events(box)[-1] == ("transfer_fail", "mei", "customer_refused")


def test_a_takeover_that_fills_up_meanwhile_takes_what_fits(box: Box) -> None:
    box.control.seed(staff=[{"userid": "mei", "capacity": 1}])
    box.control.depart("lin")

    start(box, ["wo1", "wo2"], resigned=True)
    advance(box, DAY)

    assert result(box, resigned=True) == {"wo1": 1, "wo2": 4}
    assert events(box)[-1] == ("transfer_fail", "mei", "customer_limit_exceed")
    assert start(box, ["wo2"], resigned=True) == {"wo2": 40099}
    listed = [row["external_userid"] for row in box.contact("get_unassigned_list")["info"]]
    assert listed == ["wo2", "wo3", "wo4"]


def test_a_takeover_can_be_declared_full(box: Box) -> None:
    box.control.faults(takeover_full=["mei"])

    start(box, ["wo1"])
    advance(box, DAY)

    assert result(box) == {"wo1": 4}
    assert "wo1" in box.customers_of("lin")


def test_a_silent_customer_is_accepted_after_three_days(box: Box) -> None:
    box.control.seed(customers=[customer(1, "lin", mood="silent")])

    start(box, ["wo1"])
    advance(box, 2 * DAY)
    assert result(box) == {"wo1": 2}

    advance(box, DAY)
    assert result(box) == {"wo1": 1}


def test_a_customer_may_delete_the_takeover_afterwards(box: Box) -> None:
    box.control.seed(customers=[customer(1, "lin", mood="delete")])

    start(box, ["wo1"])
    advance(box, DAY + HOUR)

    assert result(box) == {"wo1": 1}
    assert box.customers_of("mei") == set()
    assert events(box)[-1] == ("del_follow_user", "mei", "")


def test_a_customer_who_is_a_friend_already_is_not_added_again(box: Box) -> None:
    box.control.seed(customers=[customer(1, "mei")])

    start(box, ["wo1"])
    advance(box, DAY)

    assert result(box) == {"wo1": 1}
    assert [kind for kind, *_ in events(box)] == ["del_external_contact"]


def test_a_customer_who_goes_while_waiting_leaves_no_record(box: Box) -> None:
    start(box, ["wo1"])
    box.control.remove(external_userid="wo1", userid="lin", by="customer")
    advance(box, DAY)

    assert result(box) == {"wo1": 5}
    assert box.customers_of("mei") == set()


def test_a_takeover_who_leaves_while_waiting_gets_nobody(box: Box) -> None:
    start(box, ["wo1"])
    box.control.depart("mei")
    advance(box, DAY)

    assert result(box) == {"wo1": 5}
    assert "wo1" in box.customers_of("lin")


def test_a_running_transfer_is_not_started_again(box: Box) -> None:
    box.control.seed(staff=[{"userid": "hua"}])
    start(box, ["wo1"])

    assert start(box, ["wo1"]) == {"wo1": 40129}
    assert start(box, ["wo1"], takeover_userid="hua") == {"wo1": 40100}
    assert len(box.control.rows("transfers")) == 1


@pytest.mark.parametrize(
    ("ids", "more", "code"),
    [
        (["wo9"], {}, 40096),
        (["wo1"], {"takeover_userid": "lin"}, 40130),
        (["wo1"], {"takeover_userid": "unnamed"}, 40098),
        (["wo1"], {"takeover_userid": "asleep"}, 41054),
        (["wo1"], {"handover_userid": "unnamed"}, 40131),
    ],
)
def test_what_speaks_against_one_customer_is_said_per_customer(
    box: Box, ids: list[str], more: dict[str, Any], code: int
) -> None:
    box.control.seed(
        staff=[{"userid": "unnamed", "real_name": False}, {"userid": "asleep", "active": False}]
    )

    assert start(box, ids, **more) == {ids[0]: code}
    assert box.control.rows("transfers") == []
    assert box.control.rows("transfer_calls")[0]["customer"][0]["errcode"] == code


def test_a_customer_changes_hands_on_the_job_twice_in_90_days(box: Box) -> None:
    box.control.seed(staff=[{"userid": "hua"}, {"userid": "wei"}])
    for pair in (("lin", "mei"), ("mei", "hua")):
        start(box, ["wo1"], handover_userid=pair[0], takeover_userid=pair[1])
        advance(box, DAY)

    third: dict[str, Any] = {"handover_userid": "hua", "takeover_userid": "wei"}
    assert start(box, ["wo1"], **third) == {"wo1": 40128}
    advance(box, 90 * DAY)
    assert start(box, ["wo1"], **third) == {"wo1": 0}


def test_a_hundred_and_one_customers_in_one_call_start_nothing(box: Box) -> None:
    ids = [f"wo{number}" for number in range(101)]

    assert box.code("transfer_customer", **PAIR, external_userid=ids) == 40058
    assert box.code("transfer_customer", **PAIR, external_userid=[]) == 40058
    message = "x" * 201
    assert (
        box.code("transfer_customer", **PAIR, external_userid=["wo1"], transfer_success_msg=message)
        == 40058
    )
    assert box.control.rows("transfers") == []
    assert box.breaches() == [
        "101 external_userid in one call, 100 allowed",
        "transfer_success_msg longer than 200 characters",
    ]


def test_results_and_the_unassigned_come_in_pages(box: Box) -> None:
    box.control.depart("lin")
    box.control.faults(page_size=3)
    start(box, EVERYBODY, resigned=True)

    first = box.contact("resigned/transfer_result", **PAIR)
    second = box.contact("resigned/transfer_result", **PAIR, cursor=first["next_cursor"])
    assert (len(first["customer"]), len(second["customer"])) == (3, 1)
    listed = box.contact("get_unassigned_list", page_size=1000)
    assert (len(listed["info"]), listed["is_last"]) == (3, False)
    assert box.contact("get_unassigned_list", cursor=listed["next_cursor"])["is_last"]
    assert box.code("get_unassigned_list", page_size=1001) == 40058


@pytest.fixture
def chats(box: Box) -> Box:
    box.control.seed(groups=[{"chat_id": "wr1", "name": "Door", "owner": "lin"}])
    return box


def test_a_leavers_chats_get_a_new_owner(chats: Box) -> None:
    body = {"chat_id_list": ["wr1"], "new_owner": "mei"}
    early = chats.contact("groupchat/transfer", **body)
    assert early["failed_chat_list"][0]["errcode"] == 90500
    chats.control.depart("lin")
    assert chats.contact("groupchat/list", status_filter=1)["group_chat_list"] == [
        {"chat_id": "wr1", "status": 1}
    ]

    assert chats.contact("groupchat/transfer", **body)["failed_chat_list"] == []

    assert chats.contact("groupchat/get", chat_id="wr1")["group_chat"]["owner"] == "mei"


def test_chats_on_the_job_have_their_own_call(chats: Box) -> None:
    body = {"chat_id_list": ["wr1", "wr9"], "new_owner": "mei"}

    said = chats.contact("groupchat/onjob_transfer", **body)

    assert [(f["chat_id"], f["errcode"]) for f in said["failed_chat_list"]] == [("wr9", 90501)]
    assert chats.contact("groupchat/get", chat_id="wr1")["group_chat"]["owner"] == "mei"
    assert chats.code("groupchat/transfer", chat_id_list=["wr1"] * 101, new_owner="mei") == 40058
