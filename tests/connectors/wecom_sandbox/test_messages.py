"""A9: bulk messages, confirmations and quotas."""

import json
from typing import Any

import httpx
import pytest

from .conftest import HOUR, Box, customer

DAY = 24 * HOUR


def create(box: Box, **changes: Any) -> dict[str, Any]:
    body = {"sender": "lin", "text": {"content": "Sale"}, **changes}
    return box.contact("add_msg_template", **body)


def statuses(box: Box, msgid: str, userid: str = "lin") -> dict[str, int]:
    said = box.contact("get_groupmsg_send_result", msgid=msgid, userid=userid)
    return {row["external_userid"]: row["status"] for row in said["send_list"]}


def test_a_task_sends_nothing_until_the_member_confirms(box: Box) -> None:
    said = create(box, external_userid=["wo1", "wo2", "wo9"])
    box.control.advance(60)

    assert said["fail_list"] == ["wo9"]
    assert statuses(box, said["msgid"]) == {"wo1": 0, "wo2": 0}
    assert box.control.rows("deliveries") == []
    assert box.control.confirm() == {
        "tasks": 1,
        "left": 0,
        "sent": 2,
        "not_friend": 0,
        "capped": 0,
    }
    assert statuses(box, said["msgid"]) == {"wo1": 1, "wo2": 1}
    assert box.contact("get_groupmsg_task", msgid=said["msgid"])["task_list"][0]["status"] == 2
    assert {r["external_userid"]: r["times"] for r in box.control.rows("deliveries")} == {
        "wo1": 1,
        "wo2": 1,
    }


def test_without_a_sender_a_customer_goes_to_who_added_them_last(box: Box) -> None:
    box.control.seed(customers=[customer(5, "lin", "mei"), customer(6, "mei")])

    msgid = create(box, sender="", external_userid=["wo1", "wo6"])["msgid"]

    tasks = box.control.rows("messages", msgid=msgid)[0]["tasks"]
    assert {t["userid"]: list(t["recipients"]) for t in tasks} == {"lin": ["wo1"], "mei": ["wo6"]}


def test_a_sender_alone_means_all_their_customers_with_the_tags(box: Box) -> None:
    tag = box.contact("get_corp_tag_list")["tag_group"][0]["tag"][0]["id"]
    box.contact("mark_tag", userid="lin", external_userid="wo2", add_tag=[tag])

    msgid = create(box, tag_filter={"group_list": [{"tag_list": [tag]}]})["msgid"]

    assert list(box.control.rows("messages", msgid=msgid)[0]["tasks"][0]["recipients"]) == ["wo2"]


def test_nobody_to_send_to_makes_no_task(box: Box) -> None:
    assert create(box, external_userid=["wo8", "wo9"])["errcode"] == 41048
    assert create(box, sender="mei")["errcode"] == 41048
    assert create(box, sender="nobody")["errcode"] == 40003
    assert create(box, sender="", external_userid=[])["errcode"] == 40058
    assert box.control.rows("messages") == []


def test_content_and_recipient_limits_make_no_task(box: Box) -> None:
    assert create(box, text={"content": "x" * 4001})["errcode"] == 45002
    assert create(box, external_userid=["wo1"] * 10_001)["errcode"] == 40058
    assert create(box, attachments=[{"msgtype": "poem", "poem": {}}])["errcode"] == 41065
    link = {"msgtype": "link", "link": {"title": "Shop", "url": "shop.example"}}
    assert create(box, attachments=[link])["errcode"] == 45034
    assert create(box, text={})["errcode"] == 40058
    assert box.control.rows("messages") == []
    assert len(box.breaches()) == 3


def test_asking_within_a_minute_is_too_early(box: Box) -> None:
    msgid = create(box)["msgid"]

    assert box.code("get_groupmsg_task", msgid=msgid) == 41063
    assert box.code("get_groupmsg_send_result", msgid=msgid, userid="lin") == 41063
    box.control.advance(59)
    assert box.code("get_groupmsg_task", msgid=msgid) == 41063
    box.control.advance(1)
    assert box.code("get_groupmsg_task", msgid=msgid) == 0
    assert len(box.breaches()) == 3


def test_the_quota_is_enforced_when_the_member_confirms(box: Box) -> None:
    box.control.seed(quota="day:1")
    first = create(box, external_userid=["wo1"])["msgid"]
    second = create(box, external_userid=["wo1", "wo2"], text={"content": "More"})["msgid"]
    box.control.advance(60)

    assert box.control.confirm()["capped"] == 1
    assert (statuses(box, first), statuses(box, second)) == ({"wo1": 1}, {"wo1": 3, "wo2": 1})
    assert create(box, external_userid=["wo1", "wo2"])["errcode"] == 41048
    box.control.advance(DAY)
    box.token = ""
    assert create(box, external_userid=["wo1"])["errcode"] == 0


def test_who_ended_the_relation_is_not_a_friend(box: Box) -> None:
    msgid = create(box, external_userid=["wo1", "wo2"])["msgid"]
    box.control.remove(external_userid="wo1", userid="lin", by="customer")
    box.control.advance(60)

    assert box.control.confirm(userid="lin")["not_friend"] == 1
    assert statuses(box, msgid) == {"wo1": 2, "wo2": 1}


def test_a_share_of_the_tasks_can_be_confirmed(box: Box) -> None:
    for _ in range(30):
        create(box, external_userid=["wo1"])

    assert box.control.confirm(share=0.1)["tasks"] == 3
    assert [task["recipients"] for task in box.control.tasks("lin")] == [1] * 27
    assert box.control.confirm(share=0)["left"] == 27
    assert box.control.confirm(share=0.01)["tasks"] == 1


def test_cancelling_stops_what_is_not_confirmed(box: Box) -> None:
    msgid = create(box)["msgid"]

    assert box.code("cancel_groupmsg_send", msgid=msgid) == 0
    assert box.code("cancel_groupmsg_send", msgid=msgid) == 41093
    assert box.code("remind_groupmsg_send", msgid=msgid) == 41093
    assert box.code("cancel_groupmsg_send", msgid="gone") == 41047
    assert box.control.confirm()["tasks"] == 0


def test_the_fourth_reminder_in_a_day_is_refused(box: Box) -> None:
    msgid = create(box)["msgid"]

    codes = [box.code("remind_groupmsg_send", msgid=msgid) for _ in range(4)]
    box.control.advance(DAY)
    box.token = ""

    assert codes == [0, 0, 0, 41094]
    assert box.code("remind_groupmsg_send", msgid=msgid) == 0
    assert box.breaches() == ["more than 3 reminders in 24 hours"]


def test_messages_are_found_by_their_time_and_text(box: Box) -> None:
    msgid = create(box)["msgid"]
    box.control.advance(60)
    now = int(box.control.clock()["now"])

    said = box.contact(
        "get_groupmsg_list_v2", chat_type="single", start_time=now - HOUR, end_time=now
    )

    found = said["group_msg_list"][0]
    assert (found["msgid"], found["text"]["content"]) == (msgid, "Sale")
    assert "creator" not in found
    assert box.code("get_groupmsg_list_v2", start_time=now - 40 * DAY, end_time=now) == 600018


def test_pages_of_results_are_cut_and_a_large_limit_is_ignored(box: Box) -> None:
    msgid = create(box)["msgid"]
    box.control.advance(60)
    box.control.faults(page_size=3)

    first = box.contact("get_groupmsg_send_result", msgid=msgid, userid="lin", limit=5000)
    rest = box.contact(
        "get_groupmsg_send_result", msgid=msgid, userid="lin", cursor=first["next_cursor"]
    )

    assert (len(first["send_list"]), len(rest["send_list"])) == (3, 1)
    assert rest["next_cursor"] == ""
    assert box.breaches() == ["page of 5000, 1000 allowed"]


def test_a_lost_answer_has_done_its_work(box: Box) -> None:
    for how in ("close", "truncate"):
        box.control.faults(lose=[{"path": "externalcontact/add_msg_template", "how": how}])
        with pytest.raises(httpx.RemoteProtocolError):
            create(box, text={"content": how})
    box.control.faults(lose=[{"path": "externalcontact/add_msg_template", "how": "unavailable"}])
    with pytest.raises(httpx.HTTPStatusError):
        create(box, text={"content": "unavailable"})
    for how in ("half", "html"):
        box.control.faults(lose=[{"path": "externalcontact/add_msg_template", "how": how}])
        with pytest.raises(json.JSONDecodeError):
            create(box, text={"content": how})

    texts = [row["text"] for row in box.control.rows("messages")]
    assert texts == ["close", "truncate", "unavailable", "half", "html"]


def test_the_ledger_counts_who_got_the_same_text_twice(box: Box) -> None:
    create(box, external_userid=["wo1"])
    create(box, external_userid=["wo1", "wo2"])
    box.control.confirm()

    ledger = box.control.ledger()

    assert (ledger["delivered"], ledger["delivered_twice"]) == (3, 1)
