"""A5: welcomes."""

from typing import Any

import pytest

from .conftest import Box, fields_of


@pytest.fixture
def code(box: Box) -> str:
    box.control.scan([{"external_userid": "chen", "name": "Chen"}], userid="lin")
    return fields_of(box.control.rows("callbacks")[-1]["xml"])["WelcomeCode"]


def greet(box: Box, code: str, **content: Any) -> int:
    return box.code(
        "send_welcome_msg", welcome_code=code, **(content or {"text": {"content": "Hi"}})
    )


def test_a_welcome_in_time_is_written_to_the_ledger(box: Box, code: str) -> None:
    box.control.advance(20)

    assert greet(box, code) == 0
    row = box.control.rows("welcomes", external_userid="chen")[0]
    assert (row["text"], row["seconds"], row["userid"]) == ("Hi", 20.0, "lin")


def test_a_late_welcome_is_refused_and_a_breach(box: Box, code: str) -> None:
    box.control.advance(21)

    assert greet(box, code) == 41050
    assert box.breaches() == ["welcome code used after 21.0 seconds"]
    assert box.control.rows("welcomes") == []


def test_a_code_greets_once(box: Box, code: str) -> None:
    assert [greet(box, code), greet(box, code)] == [0, 41051]
    assert box.breaches() == ["welcome code used twice"]
    assert len(box.control.rows("welcomes")) == 1


def test_bad_content_leaves_the_code_unused(box: Box, code: str) -> None:
    assert greet(box, "made-up") == 41050
    assert greet(box, code, text={"content": "好" * 1334}) == 45002
    image = {"msgtype": "image", "image": {"media_id": "gone"}}
    assert greet(box, code, text={"content": "Hi"}, attachments=[image]) == 40007
    assert greet(box, code, text={"content": "Hi"}, attachments=[image] * 10) == 40058
    assert greet(box, code, text={"content": ""}) == 40058

    assert greet(box, code, text={"content": "好" * 1333}) == 0


def test_a_colleague_on_wecom_and_a_friend_get_no_code(box: Box) -> None:
    box.control.scan([{"external_userid": "b2b", "type": 2}], userid="lin")
    assert "WelcomeCode" not in fields_of(box.control.rows("callbacks")[-1]["xml"])

    box.control.scan([{"external_userid": "wo1"}], userid="lin")
    assert len(box.control.rows("callbacks")) == 1
