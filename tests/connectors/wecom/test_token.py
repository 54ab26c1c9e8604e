import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.wecom.access_token import Grant, TokenStore, keep_seconds
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.errors import Busy, ConfigProblem
from tests.connectors.wecom.scripted import OK, ScriptedWeCom

PATH = "externalcontact/get_follow_user_list"


def call_from_20_threads(client: WeComClient) -> list[dict]:
    gate = threading.Barrier(20)

    def call(_: int) -> dict:
        gate.wait(5)
        return client.call(PATH, idempotent=True)

    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(call, range(20)))


def test_20_threads_without_a_token_ask_for_one_once(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    answers = call_from_20_threads(client)

    assert answers == [OK] * 20
    assert wecom.tokens_given == 1


def test_20_threads_with_an_expired_token_ask_for_a_new_one_once(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    client.call(PATH, idempotent=True)
    wecom.expire_token()

    answers = call_from_20_threads(client)

    assert answers == [OK] * 20
    assert wecom.tokens_given == 2


def test_a_second_process_uses_the_same_token(
    client: WeComClient, config: WeComConfig, redis: Redis, wecom: ScriptedWeCom
) -> None:
    client.call(PATH, idempotent=True)
    other = WeComClient(config, redis)

    other.call(PATH, idempotent=True)
    other.close()

    assert wecom.tokens_given == 1


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_stale_token_is_replaced_and_the_call_repeated_once(
    client: WeComClient, wecom: ScriptedWeCom, errcode: int
) -> None:
    client.call(PATH, idempotent=False)
    wecom.expire_token()
    wecom.stale_errcode = errcode

    assert client.call(PATH, idempotent=False) == OK

    assert len(wecom.calls_to(PATH)) == 3
    assert wecom.tokens_given == 2


def test_a_token_that_is_refused_twice_is_a_problem_of_the_settings(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(PATH, {"errcode": 40014, "errmsg": "invalid access_token"})

    with pytest.raises(ConfigProblem) as problem:
        client.call(PATH, idempotent=True)

    assert problem.value.errcode == 40014
    assert len(wecom.calls_to(PATH)) == 2
    assert wecom.tokens_given == 2


def test_a_token_that_another_worker_has_replaced_is_not_dropped(
    config: WeComConfig, redis: Redis
) -> None:
    grants = iter([Grant("T1", 7200), Grant("T2", 7200)])
    store = TokenStore(config, redis, lambda: next(grants))
    store.drop(store.get())

    assert store.get() == "T2"
    store.drop("T1")

    assert store.get() == "T2"


def test_a_token_does_not_show_itself() -> None:
    assert "T1" not in repr(Grant("T1", 7200))


def test_a_wrong_secret_is_asked_about_once_and_remembered(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("gettoken", {"errcode": 40091, "errmsg": "invalid secret"})

    for _ in range(3):
        with pytest.raises(ConfigProblem, match="does not accept the secret"):
            client.call(PATH, idempotent=True)

    assert len(wecom.calls_to("gettoken")) == 1
    assert not wecom.calls_to(PATH)


def test_a_busy_token_endpoint_is_asked_again(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("gettoken", {"errcode": -1}, lambda _: wecom.new_token())

    assert client.call(PATH, idempotent=False) == OK


def test_an_answer_without_a_token_is_busy(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("gettoken", OK)

    with pytest.raises(Busy, match="no access token"):
        client.call(PATH, idempotent=True)

    assert not wecom.calls_to(PATH)


def test_a_fetch_that_hangs_elsewhere_is_not_waited_for_long(
    config: WeComConfig, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.wecom.access_token.WAIT_SECONDS", 0.1)
    elsewhere = TokenStore(config, redis, lambda: pytest.fail("not asked"))

    def while_we_fetch() -> Grant:
        with pytest.raises(Busy, match="no access token"):
            elsewhere.get()
        return Grant("T1", 7200)

    assert TokenStore(config, redis, while_we_fetch).get() == "T1"
    assert elsewhere.get() == "T1"


def test_nothing_is_asked_without_a_secret(redis: Redis, wecom: ScriptedWeCom) -> None:
    client = WeComClient(WeComConfig(wecom.url, "", "", ""), redis)

    with pytest.raises(ConfigProblem, match="not set up"):
        client.call(PATH, idempotent=True)
    client.close()

    assert not wecom.calls


def test_without_redis_a_process_asks_for_a_token_of_its_own_and_keeps_it(
    config: WeComConfig, wecom: ScriptedWeCom
) -> None:
    nowhere = Redis(
        host="127.0.0.1", port=1, socket_connect_timeout=0.2, retry=Retry(NoBackoff(), 0)
    )
    client = WeComClient(config, nowhere)

    assert call_from_20_threads(client) == [OK] * 20
    assert wecom.tokens_given == 1
    wecom.expire_token()
    assert client.call(PATH, idempotent=False) == OK
    client.close()

    assert wecom.tokens_given == 2


@pytest.mark.parametrize(
    ("expires_in", "kept"), [(7200, 6900), (600, 300), (60, 30), (5, 3), (1, 1), (0, 1)]
)
def test_a_token_is_kept_shorter_than_it_lives(expires_in: int, kept: int) -> None:
    assert keep_seconds(expires_in) == kept
