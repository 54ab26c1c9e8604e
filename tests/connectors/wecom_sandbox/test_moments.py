"""A15: moments, published by members and seen by their customers."""

from typing import Any

from .conftest import HOUR, Box


def create(box: Box, **changes: Any) -> str:
    body = {
        "text": {"content": "New coats"},
        "visible_range": {"sender_list": {"user_list": ["lin", "mei"]}},
        **changes,
    }
    return str(box.contact("add_moment_task", **body)["jobid"])


def made(box: Box, jobid: str) -> str:
    box.control.advance(60)
    said = box.get("externalcontact/get_moment_task_result", jobid=jobid)
    assert said["status"] == 3
    return str(said["result"]["moment_id"])


def test_nobody_sees_a_moment_before_a_member_publishes_it(box: Box) -> None:
    moment = made(box, create(box))

    assert (
        box.contact("get_moment_send_result", moment_id=moment, userid="lin")["customer_list"] == []
    )
    assert box.control.publish(userid="lin", likes=2) == 1
    tasks = box.contact("get_moment_task", moment_id=moment)["task_list"]
    assert {row["userid"]: row["publish_status"] for row in tasks} == {"lin": 1, "mei": 0}
    shown = box.contact("get_moment_send_result", moment_id=moment, userid="lin")
    assert len(shown["customer_list"]) == 4
    said = box.contact("get_moment_comments", moment_id=moment, userid="lin")
    assert len(said["like_list"]) == 2


def test_customers_and_colleagues_like_and_comment(box: Box) -> None:
    moment = made(box, create(box))
    box.control.publish(userid="lin", likes=2, comments=1, staff_likes=1)
    box.control.publish(moment_id=moment, staff_comments=1)  # the rest stays

    said = box.contact("get_moment_comments", moment_id=moment, userid="lin")

    assert [row.get("userid") for row in said["like_list"]] == [None, None, "mei"]
    assert [row.get("userid") for row in said["comment_list"]] == [None, "mei"]
    assert {row["external_userid"] for row in said["like_list"][:2]} <= {"wo1", "wo2", "wo3", "wo4"}


def test_only_customers_with_the_tags_are_meant(box: Box) -> None:
    tag = box.contact("get_corp_tag_list")["tag_group"][0]["tag"][0]["id"]
    box.contact("mark_tag", userid="lin", external_userid="wo2", add_tag=[tag])
    moment = made(
        box,
        create(
            box,
            visible_range={
                "sender_list": {"user_list": ["lin", "nobody"]},
                "external_contact_list": {"tag_list": [tag, "none"]},
            },
        ),
    )

    meant = box.contact("get_moment_customer_list", moment_id=moment, userid="lin")
    assert [row["external_userid"] for row in meant["customer_list"]] == ["wo2"]
    row = box.control.rows("moments")[0]
    assert (row["invalid_senders"], row["invalid_tags"]) == (["nobody"], ["none"])


def test_a_moment_that_nobody_may_publish_is_not_made(box: Box) -> None:
    jobid = create(box, visible_range={"sender_list": {"user_list": ["nobody"]}})
    box.control.advance(60)

    result = box.get("externalcontact/get_moment_task_result", jobid=jobid)["result"]

    assert result["errcode"] == 41048
    assert "moment_id" not in result


def test_asking_too_early_is_told_and_kept(box: Box) -> None:
    jobid = create(box)
    assert box.get("externalcontact/get_moment_task_result", jobid=jobid)["status"] == 2
    moment = box.control.rows("moments")[0]["moment_id"]

    assert box.code("get_moment_task", moment_id=moment) == 41079
    assert len(box.breaches()) == 1


def test_a_cancelled_moment_is_published_no_more(box: Box) -> None:
    moment = made(box, create(box))
    box.control.publish(userid="lin")

    assert box.code("cancel_moment_task", moment_id=moment) == 0
    assert box.code("cancel_moment_task", moment_id=moment) == 41093
    assert box.control.publish() == 0


def test_what_a_moment_may_hold(box: Box) -> None:
    link = {"msgtype": "link", "link": {"title": "Shop", "url": "https://shop.example/"}}

    assert box.code("add_moment_task", text={"content": "x" * 2001}) == 45002
    assert box.code("add_moment_task", text={"content": "Hi"}, attachments=[link, link]) == 41065
    assert box.code("add_moment_task") == 40058
    assert box.control.rows("moments") == []


def test_moments_are_listed_by_their_time(box: Box) -> None:
    moment = made(box, create(box))
    now = int(box.control.clock()["now"])

    listed = box.contact("get_moment_list", start_time=now - HOUR, end_time=now)

    assert [row["moment_id"] for row in listed["moment_list"]] == [moment]
    assert box.code("get_moment_list", start_time=now - 40 * 24 * HOUR, end_time=now) == 600018
    assert box.code("get_moment_task_result") != 0
