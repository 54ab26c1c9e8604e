"""A13 and message/send."""

import hashlib

import httpx

from connectors.wecom.sandbox.wsgi import read_upload

from .conftest import HOUR, Box


def upload(
    box: Box, data: bytes, *, path: str = "media/upload", kind: str = "image"
) -> dict[str, object]:
    box.token = box.token or box.new_token()["access_token"]
    answer = box.http.post(
        f"/cgi-bin/{path}",
        params={"access_token": box.token, "type": kind},
        files={"media": ("coat.png", data, "image/png")},
    )
    return box.said(answer)


def send_image(box: Box, **image: object) -> int:
    attachment = {"msgtype": "image", "image": image}
    return box.code("add_msg_template", sender="lin", attachments=[attachment])


def test_an_upload_is_valid_for_three_days(box: Box) -> None:
    data = b"\x89PNG\r\n\r\n--" + bytes(range(256)) + b"\r\n"

    said = upload(box, data)

    assert said["type"] == "image"
    assert send_image(box, media_id=said["media_id"]) == 0
    box.control.advance(72 * HOUR)
    box.token = ""
    assert send_image(box, media_id=said["media_id"]) == 40007


def test_an_upload_is_read_byte_for_byte() -> None:
    data = b"\r\n0123456789\r\n\r\n"
    request = httpx.Request("POST", "http://x/", files={"media": ("coat.png", data, "image/png")})

    read = read_upload(request.headers["Content-Type"], request.read())

    assert (read["filename"], read["size"]) == ("coat.png", len(data))
    assert read["sha256"] == hashlib.sha256(data).hexdigest()


def test_uploads_have_a_size_and_a_type(box: Box) -> None:
    assert upload(box, b"12345")["errcode"] == 44001
    assert upload(box, b"x" * (2 * 1024 * 1024 + 1))["errcode"] == 40009
    assert upload(box, b"123456", kind="poem")["errcode"] == 40004
    assert upload(box, b"x" * (2 * 1024 * 1024 + 1), kind="file")["errcode"] == 0


def test_a_picture_address_comes_from_uploadimg(box: Box) -> None:
    url = upload(box, b"0123456789", path="media/uploadimg")["url"]

    assert send_image(box, pic_url=url) == 0
    assert send_image(box, pic_url="https://shop.example/coat.png") == 40007


def note(box: Box, touser: str = "lin", **more: object) -> dict[str, object]:
    body = {"touser": touser, "msgtype": "text", "agentid": 1000002, "text": {"content": "Hello"}}
    return box.post("message/send", **{**body, **more})


def test_a_note_reaches_members_at_work(box: Box) -> None:
    said = note(box, "lin|mei|nobody")

    assert (said["errcode"], said["invaliduser"]) == (0, "nobody")
    assert box.control.rows("app_messages")[0]["touser"] == ["lin", "mei"]


def test_a_refused_note_reaches_nobody(box: Box) -> None:
    assert note(box, agentid=7)["errcode"] == 40056
    assert note(box, "nobody")["errcode"] == 60111
    assert note(box, text={"content": "x" * 2049})["errcode"] == 45002
    assert note(box, "|".join(f"u{n}" for n in range(1001)))["errcode"] == 40058
    assert box.control.rows("app_messages") == []


def test_thirty_notes_a_minute_and_no_more(box: Box) -> None:
    codes = [note(box)["errcode"] for _ in range(31)]

    assert codes == [0] * 30 + [45009]
    box.control.advance(60)
    assert note(box)["errcode"] == 0


def test_a_repeat_with_duplicate_check_is_not_told_again(box: Box) -> None:
    for _ in range(2):
        assert note(box, enable_duplicate_check=1)["errcode"] == 0
    box.control.advance(1800)
    note(box, enable_duplicate_check=1)

    assert len(box.control.rows("app_messages")) == 2
