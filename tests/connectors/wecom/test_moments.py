"""Moments: what is asked of WeCom, and what its answers mean."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.wecom.api.attachments import image, link, video
from connectors.wecom.api.moments import (
    MomentTask,
    Reactions,
    Reactor,
    Said,
    add_moment_task,
    cancel_moment_task,
    get_moment_comments,
    get_moment_list,
    get_moment_send_result,
    get_moment_task,
    get_moment_task_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Busy, Refused, Unclear
from tests.connectors.wecom.scripted import OK, Raw, ScriptedWeCom

CREATE = "externalcontact/add_moment_task"
RESULT = "externalcontact/get_moment_task_result"
NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)


def test_a_moment_is_asked_for_and_its_job_named(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(CREATE, {**OK, "jobid": "j1"})

    job = add_moment_task(
        client, text="New coats 🧥", attachments=[image("m1")], user_ids=["lin"], tag_ids=["t1"]
    )

    assert job == "j1"
    assert wecom.calls_to(CREATE)[0].json == {
        "text": {"content": "New coats 🧥"},
        "attachments": [{"msgtype": "image", "image": {"media_id": "m1"}}],
        "visible_range": {
            "sender_list": {"user_list": ["lin"]},
            "external_contact_list": {"tag_list": ["t1"]},
        },
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"text": "x" * 2001},
        {"user_ids": []},
        {"attachments": [image("a"), video("b")]},
        {"attachments": [link("One", "https://a.example/"), link("Two", "https://b.example/")]},
        {"attachments": [image(str(number)) for number in range(10)]},
    ],
)
def test_what_wecom_would_refuse_is_not_asked(
    client: WeComClient, wecom: ScriptedWeCom, wrong: dict[str, object]
) -> None:
    given: dict[str, object] = {"text": "Hello", "user_ids": ["lin"], **wrong}

    with pytest.raises(ValueError, match=r"moment|WeCom takes"):
        add_moment_task(client, **given)  # type: ignore[arg-type]

    assert wecom.calls_to(CREATE) == []


def test_a_lost_answer_is_unclear_and_is_not_repeated(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(CREATE, Raw(cut=0))

    with pytest.raises(Unclear):
        add_moment_task(client, text="Hello", user_ids=["lin"])

    assert len(wecom.calls_to(CREATE)) == 1


def test_a_moment_without_a_job_is_unclear(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(CREATE, {**OK})

    with pytest.raises(Unclear):
        add_moment_task(client, text="Hello", user_ids=["lin"])


def test_a_job_says_who_may_not_publish(client: WeComClient, wecom: ScriptedWeCom) -> None:
    result = {
        "errcode": 0,
        "moment_id": "mom1",
        "invalid_sender_list": {"user_list": ["mei"]},
        "invalid_external_contact_list": {"tag_list": ["t9"]},
    }
    wecom.script(RESULT, {**OK, "status": 2}, {**OK, "status": 3, "result": result})

    running, done = (get_moment_task_result(client, "j1") for _ in range(2))

    assert (running.is_over, done.is_over) == (False, True)
    assert (done.moment_id, done.invalid_senders, done.invalid_tags) == ("mom1", ("mei",), ("t9",))
    assert wecom.calls_to(RESULT)[0].query["jobid"] == "j1"


def test_pages_are_followed_to_their_end(client: WeComClient, wecom: ScriptedWeCom) -> None:
    path = "externalcontact/get_moment_task"
    first = {"task_list": [{"userid": "lin", "publish_status": 1}], "next_cursor": "c1"}
    second = {"task_list": [{"userid": "mei", "publish_status": 0}]}
    wecom.script(path, {**OK, **first}, {**OK, **second})

    assert list(get_moment_task(client, "mom1")) == [
        MomentTask("lin", is_published=True),
        MomentTask("mei", is_published=False),
    ]


def test_more_than_a_month_is_not_asked_for(client: WeComClient) -> None:
    with pytest.raises(ValueError, match="month"):
        list(get_moment_list(client, NOON, NOON + timedelta(days=31)))


def test_comments_and_likes_are_told_with_whose_they_are(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    customer, member = {"external_userid": "wo1", "create_time": 1}, {"userid": "mei"}
    said = {"comment_list": [customer, member, customer], "like_list": [customer, member]}
    wecom.script("externalcontact/get_moment_comments", {**OK, **said})

    heard = get_moment_comments(client, "mom1", "lin")

    theirs = Reactor("wo1", is_staff=False, at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    mei = Reactor("mei", is_staff=True, at=None)
    assert heard == Said(comments=(theirs, mei, theirs), likes=(theirs, mei))
    assert heard.counts == Reactions(
        customer_comments=2, staff_comments=1, customer_likes=1, staff_likes=1
    )


def test_a_moment_that_nobody_has_said_anything_to(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("externalcontact/get_moment_comments", OK)

    assert get_moment_comments(client, "mom1", "lin").counts == Reactions()


def test_cancelling_twice_is_as_good_as_once(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("externalcontact/cancel_moment_task", {"errcode": 41093}, {"errcode": 40058})

    cancel_moment_task(client, "mom1")
    with pytest.raises(Refused):
        cancel_moment_task(client, "mom2")


def test_asking_too_early_is_busy(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("externalcontact/get_moment_send_result", {"errcode": 41079})

    with pytest.raises(Busy) as busy:
        list(get_moment_send_result(client, "mom1", "lin"))

    assert busy.value.retry_after == 120
