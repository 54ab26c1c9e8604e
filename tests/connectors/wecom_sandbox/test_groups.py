"""A12: group chats, what people do with them, and their change of owner."""

from typing import Any

import pytest

from .conftest import HOUR, Box, fields_of

DAY = 24 * HOUR


@pytest.fixture
def groups(box: Box) -> Box:
    box.control.seed(groups=[{"chat_id": f"wr{n}", "owner": "lin"} for n in range(3)])
    return box


def transfer(box: Box, *ids: str, to: str = "mei", on_job: bool = True) -> dict[str, int]:
    path = "groupchat/onjob_transfer" if on_job else "groupchat/transfer"
    said = box.contact(path, chat_id_list=list(ids), new_owner=to)
    return {row["chat_id"]: row["errcode"] for row in said["failed_chat_list"]}


def owner_of(box: Box, chat_id: str) -> Any:
    return box.contact("groupchat/get", chat_id=chat_id)["group_chat"]["owner"]


def test_each_endpoint_takes_chats_of_its_owners_only(groups: Box) -> None:
    assert transfer(groups, "wr0", on_job=False) == {"wr0": 90500}
    assert transfer(groups, "wr0") == {}
    assert transfer(groups, "wr0") == {"wr0": 90504}
    groups.control.depart("lin")
    assert transfer(groups, "wr1") == {"wr1": 90502}
    assert transfer(groups, "wr1", "nowhere", on_job=False) == {"nowhere": 90501}
    assert owner_of(groups, "wr1") == "mei"


def test_a_third_transfer_in_90_days_is_refused_and_noted(groups: Box) -> None:
    assert transfer(groups, "wr0") == {}
    assert transfer(groups, "wr0", to="lin") == {}
    assert transfer(groups, "wr0") == {"wr0": 40128}
    assert len(groups.control.rows("violations")) == 1


def test_a_seed_says_what_a_transfer_answers(groups: Box) -> None:
    groups.control.seed(groups=[{"chat_id": "wr0", "owner": "lin", "errcode": 90503}])

    assert transfer(groups, "wr0", "wr1") == {"wr0": 90503}


def test_people_open_change_and_end_a_chat_and_wecom_tells(box: Box) -> None:
    box.control.change_chat("wrA", "create", owner="lin", name="Friends")
    box.control.change_chat("wrA", name="Best friends", owner="mei")
    box.control.change_chat("wrA", members=[{"userid": "wo1", "type": 2}])
    box.control.change_chat("wrA", members=[])
    assert owner_of(box, "wrA") == "mei"
    box.control.change_chat("wrA", "dismiss")

    told = [fields_of(row["xml"]) for row in box.control.rows("callbacks")]
    assert [(e["Event"], e["ChatId"]) for e in told] == [("change_external_chat", "wrA")] * 6
    assert [(e["ChangeType"], e.get("UpdateDetail", "")) for e in told] == [
        ("create", ""),
        ("update", "change_name"),
        ("update", "change_owner"),
        ("update", "add_member"),
        ("update", "del_member"),
        ("dismiss", ""),
    ]
    assert box.contact("groupchat/get", chat_id="wrA")["errcode"] == 90501


@pytest.mark.parametrize("body", [{"change": "dance"}, {"change": "update"}, {"change": "dismiss"}])
def test_nonsense_changes_nothing(box: Box, body: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="400"):
        box.control.change_chat("wrNowhere", **body)

    assert box.control.rows("callbacks") == []
