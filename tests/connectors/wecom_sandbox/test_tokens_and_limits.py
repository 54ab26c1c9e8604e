"""A1 and A2: tokens, pace and injected refusals."""

import threading

from .conftest import CORP, Box


def test_the_same_token_is_given_while_it_is_valid(box: Box) -> None:
    first, again = box.new_token(), box.new_token()

    assert first["access_token"] == again["access_token"]
    assert first["expires_in"] == 7200


def test_a_wrong_corp_or_secret_gets_no_token(box: Box) -> None:
    assert box.get("gettoken", corpid="other", corpsecret="s3cret")["errcode"] == 40013
    assert box.get("gettoken", corpid=CORP, corpsecret="other")["errcode"] == 40001


def test_missing_unknown_and_expired_tokens_are_told_apart(box: Box) -> None:
    path = "externalcontact/get_follow_user_list"
    box.get(path)

    assert box.said(box.http.get(f"/cgi-bin/{path}"))["errcode"] == 41001
    assert box.get(path, access_token="made-up")["errcode"] == 40014
    box.control.advance(7200)
    assert box.get(path)["errcode"] == 42001


def test_tokens_can_be_expired_early_and_replaced_once(box: Box) -> None:
    old = box.new_token()["access_token"]

    box.control.faults(expire_tokens=True)

    assert box.get("externalcontact/get_follow_user_list", access_token=old)["errcode"] == 42001
    assert box.new_token()["access_token"] != old


def test_fetching_a_token_per_request_is_a_breach(box: Box) -> None:
    codes = [box.new_token()["errcode"] for _ in range(11)]

    assert codes == [0] * 10 + [45009]
    assert box.breaches() == ["token fetched 11 times in a minute"]


def test_past_the_rate_a_path_is_blocked_for_a_minute_and_others_are_not(box: Box) -> None:
    box.control.faults(rate_per_minute=3)
    path = "externalcontact/get_follow_user_list"

    codes = [box.get(path)["errcode"] for _ in range(5)]

    assert codes == [0, 0, 0, 45009, 45009]
    assert box.get("externalcontact/list", userid="lin")["errcode"] == 0
    assert box.breaches() == ["more than 3 calls in a minute", "call while blocked after 45009"]
    box.control.advance(60)
    assert box.get(path)["errcode"] == 0


def test_too_many_bulk_queries_at_once_get_45033(box: Box) -> None:
    msgid = box.contact("add_msg_template", sender="lin", text={"content": "Hello"})["msgid"]
    box.control.advance(60)
    box.control.faults(concurrency=1, latency_ms=300)
    codes: list[int] = []
    start = threading.Barrier(3)

    def ask() -> None:
        start.wait()
        codes.append(box.code("get_groupmsg_task", msgid=msgid))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [0, 45033, 45033]


def test_an_unknown_path_or_a_body_that_is_not_json_is_a_breach(box: Box) -> None:
    assert box.contact("transfer")["errcode"] == 40066
    answer = box.http.post(
        "/cgi-bin/externalcontact/remark",
        params={"access_token": box.token},
        content=b'{"userid": "\\ud83d"}',
    )

    assert box.said(answer)["errcode"] == 47001
    assert box.breaches() == ["no such call", "body is neither JSON nor an upload"]


def test_the_next_calls_can_be_made_to_fail(box: Box) -> None:
    box.control.faults(fail=[{"path": "externalcontact/list", "errcode": -1, "times": 2}])

    codes = [box.get("externalcontact/list", userid="lin")["errcode"] for _ in range(3)]

    assert codes == [-1, -1, 0]


def test_every_nth_call_can_be_made_to_fail_until_cleared(box: Box) -> None:
    box.control.faults(fail=[{"path": "*", "errcode": 45009, "every": 3}])

    codes = [box.get("user/get", userid="lin")["errcode"] for _ in range(6)]
    box.control.faults(clear=True)

    # The token's own fetch was the first call that the fault has seen.
    assert codes == [0, 45009, 0, 0, 45009, 0]
    assert [box.get("user/get", userid="lin")["errcode"] for _ in range(3)] == [0, 0, 0]
