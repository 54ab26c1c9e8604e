import logging
import socket
import time
import traceback

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.error_table import ERRORS, RETRY_AFTER, ErrorKind
from connectors.wecom.errors import Busy, ConfigProblem, Refused, Unclear, WeComError
from tests.connectors.wecom.scripted import OK, Call, Raw, ScriptedWeCom

PATH = "externalcontact/add_msg_template"

LOST = {
    "reset": Raw(cut=0),
    "truncated JSON": Raw(b'{"errcode":0,"errmsg":"o'),
    "broken off": Raw(b'{"errcode":0,"errmsg":"ok"}', cut=12),
    "HTML in a 200": Raw(b"<html>504 Gateway Time-out</html>"),
    "an empty 200": Raw(b""),
    "a list": Raw(b"[]"),
    "no errcode": Raw(b"{}"),
    "an endless errcode": Raw(b'{"errcode":1e999}'),
    "deep nesting": Raw(b"[" * 100_000),
    "a 502": Raw(b"<html>", status=502),
    "a 500 with errcode 0": Raw(b'{"errcode":0}', status=500),
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_is_unclear_and_the_call_is_not_repeated(
    client: WeComClient, wecom: ScriptedWeCom, answer: Raw
) -> None:
    wecom.script(PATH, answer)

    with pytest.raises(Unclear):
        client.call(PATH, {"sender": "lin"}, idempotent=False)

    assert len(wecom.calls_to(PATH)) == 1


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST.keys())
def test_a_call_that_may_be_repeated_is_repeated_when_its_answer_is_lost(
    client: WeComClient, wecom: ScriptedWeCom, answer: Raw
) -> None:
    wecom.script(PATH, answer, answer, OK)

    assert client.call(PATH, {"sender": "lin"}, idempotent=True) == OK


def test_answers_that_stay_lost_make_a_repeatable_call_busy(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(PATH, Raw(status=503))

    with pytest.raises(Busy) as busy:
        client.call(PATH, {}, idempotent=True)

    assert busy.value.surely_nothing_done
    assert len(wecom.calls_to(PATH)) == 4


def test_a_slow_answer_is_given_up_in_time(
    config: WeComConfig, redis: Redis, wecom: ScriptedWeCom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.wecom.client.TOTAL_SECONDS", 0.5)
    wecom.script(PATH, Raw(b'{"errcode":0,"errmsg":"ok"}', seconds_between_bytes=0.1))
    client = WeComClient(config, redis)
    client.call("externalcontact/get_follow_user_list", idempotent=True)
    began = time.monotonic()

    with pytest.raises(Unclear):
        client.call(PATH, {}, idempotent=False)
    client.close()

    assert time.monotonic() - began < 1.5


def test_a_server_that_is_not_there_is_busy_and_nothing_was_done(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.wecom.client.BACK_OFF", (0.01,))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/cgi-bin"
    client = WeComClient(WeComConfig(url, "ww-nobody", "1", "s"), redis)

    with pytest.raises(Busy, match="cannot be reached") as busy:
        client.call(PATH, {}, idempotent=False)
    client.close()

    assert busy.value.surely_nothing_done


def test_system_busy_is_repeated_only_where_that_is_harmless(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(PATH, {"errcode": -1, "errmsg": "system busy"})

    with pytest.raises(Busy) as once:
        client.call(PATH, {}, idempotent=False)
    with pytest.raises(Busy) as often:
        client.call(PATH, {}, idempotent=True)

    assert not once.value.surely_nothing_done
    assert often.value.surely_nothing_done
    assert len(wecom.calls_to(PATH)) == 1 + 4


@pytest.mark.parametrize("errcode", [code for code in ERRORS if code not in {-1, 45009, 45033}])
def test_an_errcode_in_a_200_is_a_failure_of_its_kind(
    client: WeComClient, wecom: ScriptedWeCom, errcode: int
) -> None:
    wecom.script(PATH, {"errcode": errcode, "errmsg": "ok"})
    kind, text = ERRORS[errcode]

    with pytest.raises(WeComError, match=rf"\({errcode}\)$") as failure:
        client.call(PATH, {}, idempotent=False)

    expected = {
        ErrorKind.BUSY: Busy,
        ErrorKind.CONFIG: ConfigProblem,
        ErrorKind.TOKEN: ConfigProblem,
    }
    assert type(failure.value) is expected.get(kind, Refused)
    assert failure.value.text == text
    assert failure.value.path == PATH
    if isinstance(failure.value, Busy):
        assert failure.value.retry_after == RETRY_AFTER[errcode]


def test_an_unknown_errcode_is_a_refusal(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(PATH, {"errcode": 99999, "errmsg": "new", "fail_list": ["a"]})

    with pytest.raises(Refused) as refused:
        client.call(PATH, {}, idempotent=False)

    assert refused.value.kind is ErrorKind.OTHER
    assert refused.value.answer["fail_list"] == ["a"]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 407])
def test_another_server_at_the_address_is_a_problem_of_the_settings(
    client: WeComClient, wecom: ScriptedWeCom, status: int
) -> None:
    wecom.script(PATH, Raw(b"<html>", status=status, headers={"Location": "/login"}))

    with pytest.raises(ConfigProblem, match=str(status)):
        client.call(PATH, {}, idempotent=False)

    assert len(wecom.calls) == 2


def test_an_address_that_is_none_is_a_problem_of_the_settings(redis: Redis) -> None:
    client = WeComClient(WeComConfig("qyapi", "ww-nobody", "1", "s"), redis)

    with pytest.raises(ConfigProblem):
        client.call(PATH, {}, idempotent=False)
    client.close()


def test_a_429_says_when_to_come_back(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(PATH, Raw(status=429, headers={"Retry-After": "17"}))

    with pytest.raises(Busy) as busy:
        client.call(PATH, {}, idempotent=True)

    assert busy.value.retry_after == 17
    assert len(wecom.calls_to(PATH)) == 1


def test_chinese_goes_out_as_it_is(client: WeComClient, wecom: ScriptedWeCom) -> None:
    client.call(PATH, {"text": {"content": "亲爱的陈女士 😀"}}, idempotent=False)

    assert "亲爱的陈女士 😀".encode() in wecom.calls_to(PATH)[0].body


SECRETS = ("SECRET-TOKEN", "SECRET-OF-THE-APP", "QDG6eK", "jWmYm7qr5nMo")


@pytest.mark.parametrize(
    "answer", [{"errcode": 84061}, {"errcode": 48002}, Raw(cut=0), Raw(status=502), Raw(status=404)]
)
def test_no_secret_is_in_an_exception_or_a_log(
    client: WeComClient,
    wecom: ScriptedWeCom,
    caplog: pytest.LogCaptureFixture,
    answer: dict | Raw,
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="httpx")
    wecom.script(PATH, answer)

    with pytest.raises(WeComError) as failure:
        client.call(PATH, {}, idempotent=False)

    told = "".join(traceback.format_exception(failure.value)) + repr(failure.value) + caplog.text
    told += repr(client) + repr(client.config)
    assert failure.value.__context__ is None
    assert "corpsecret=***" in caplog.text
    assert not [secret for secret in SECRETS if secret in told]


def test_a_hint_that_repeats_the_address_is_logged_without_the_token(
    client: WeComClient, wecom: ScriptedWeCom, caplog: pytest.LogCaptureFixture
) -> None:
    hint = "hint: [12] /cgi-bin/x?access_token=SECRET-TOKEN-1&a=b"
    wecom.script(PATH, {"errcode": 40058, "errmsg": hint})

    with pytest.raises(Refused):
        client.call(PATH, {}, idempotent=False)

    assert "access_token=***&a=b" in caplog.text
    assert "SECRET-TOKEN" not in caplog.text


def test_a_file_that_is_too_large_on_the_way_is_refused(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(PATH, Raw(status=413))

    with pytest.raises(Refused) as refused:
        client.call(PATH, {}, idempotent=False)

    assert refused.value.kind is ErrorKind.CONTENT


def test_an_answer_is_not_lost_when_redis_fails_after_the_call(
    config: WeComConfig, redis: Redis, wecom: ScriptedWeCom
) -> None:
    """The endpoint is one that holds a turn, which cannot be given back here."""
    mine = Redis(connection_pool=redis.connection_pool)
    nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))

    def cut_redis(_: Call) -> dict:
        mine.connection_pool = nowhere.connection_pool
        return {**OK, "task_list": []}

    wecom.script("externalcontact/get_groupmsg_task", cut_redis)
    client = WeComClient(config, mine)

    answer = client.call("externalcontact/get_groupmsg_task", {"msgid": "m1"}, idempotent=True)
    client.close()

    assert answer["task_list"] == []
