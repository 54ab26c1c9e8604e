import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from connectors.wecom import budget as budget_module
from connectors.wecom.api.messages import get_groupmsg_task, remind_groupmsg_send
from connectors.wecom.budget import CallBudget, Limit
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.errors import Busy, Unclear
from tests.connectors.wecom.scripted import OK, Call, Raw, ScriptedWeCom

LIST = "externalcontact/list"
GET = "externalcontact/get"


@pytest.fixture
def budget(config: WeComConfig, redis: Redis) -> CallBudget:
    return CallBudget(config.corp_id, redis)


def pass_pause(config: WeComConfig, redis: Redis, path: str) -> None:
    redis.delete(f"wecom:{config.corp_id}:calls:{path}:paused")


def test_too_many_calls_pause_that_endpoint_and_no_other(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(LIST, {"errcode": 45009, "errmsg": "api freq out of limit"}, OK)

    with pytest.raises(Busy) as first:
        client.call(LIST, idempotent=True)
    with pytest.raises(Busy) as second:
        client.call(LIST, idempotent=True)

    assert (first.value.retry_after, first.value.scope) == (60, "endpoint")
    assert 55 < second.value.retry_after <= 60
    assert len(wecom.calls_to(LIST)) == 1
    assert client.call(GET, idempotent=True) == OK


def test_an_endpoint_that_refuses_a_third_time_running_is_paused_for_an_hour(
    client: WeComClient, wecom: ScriptedWeCom, config: WeComConfig, redis: Redis
) -> None:
    wecom.script(LIST, {"errcode": 45009})
    pauses = []
    for _time in range(3):
        with pytest.raises(Busy) as busy:
            client.call(LIST, idempotent=True)
        pauses.append(busy.value.retry_after)
        pass_pause(config, redis, LIST)

    assert pauses == [60, 60, 3600]


def test_a_call_that_gets_through_makes_the_next_pause_a_minute_again(
    budget: CallBudget, config: WeComConfig, redis: Redis
) -> None:
    pauses = []
    for _time in range(4):
        pauses.append(budget.pause(LIST))
        pass_pause(config, redis, LIST)
        budget.went_through(LIST)

    assert pauses == [60, 60, 60, 60]


def test_a_patient_client_goes_on_reading_when_wecom_is_busy_no_more(
    config: WeComConfig, wecom: ScriptedWeCom, redis: Redis
) -> None:
    wecom.script(LIST, {"errcode": 45033}, OK)
    patient = WeComClient(config, redis, patience=30)

    try:
        assert patient.call(LIST, idempotent=True) == OK
    finally:
        patient.close()


def test_calls_that_are_blocked_together_count_as_one_breach(budget: CallBudget) -> None:
    assert [budget.pause(LIST) for _ in range(3)] == [60, 60, 60]


def test_no_window_holds_more_calls_than_allowed(
    budget: CallBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of 50 in a second, as used by four threads as fast as they can."""
    monkeypatch.setattr(budget_module, "LIMITS", (Limit(50, 1),))
    made: list[float] = []
    stop = time.monotonic() + 2.5

    def call() -> None:
        while time.monotonic() < stop:
            budget.spend(LIST)
            made.append(time.monotonic())

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(call) for _ in range(4)]:
            future.result()

    made.sort()
    most = max(sum(start <= at < start + 1 for at in made) for start in made)
    assert 30 < most <= 50


def test_an_empty_budget_is_busy_at_once_and_other_endpoints_go_on(
    budget: CallBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_module, "LIMITS", (Limit(2, 600),))
    budget.spend(LIST)
    began = time.monotonic()

    with pytest.raises(Busy) as busy:
        budget.spend(LIST)
    budget.spend(GET)

    assert time.monotonic() - began < 0.5
    assert 300 < busy.value.retry_after < 600
    assert busy.value.surely_nothing_done


def test_both_limits_count(budget: CallBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "LIMITS", (Limit(1_000, 1), Limit(20, 3600)))
    budget.spend(LIST)
    budget.spend(LIST)

    with pytest.raises(Busy) as busy:
        budget.spend(LIST)

    assert busy.value.retry_after > 200


def test_results_of_messages_are_asked_for_one_at_a_time(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    together: list[int] = []
    inside = threading.Semaphore(0)

    def slowly(_: Call) -> dict:
        together.append(inside._value)
        inside.release()
        time.sleep(0.02)
        inside.acquire()
        return {**OK, "task_list": []}

    wecom.script("externalcontact/get_groupmsg_task", slowly)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: list(get_groupmsg_task(client, f"m{i}")), range(8)))

    assert together == [0] * 8


def test_too_parallel_calls_make_that_endpoint_go_one_at_a_time(
    client: WeComClient, wecom: ScriptedWeCom, config: WeComConfig, redis: Redis
) -> None:
    wecom.script(LIST, {"errcode": 45033, "errmsg": "concurrency"}, OK)

    with pytest.raises(Busy) as busy:
        client.call(LIST, idempotent=True)
    redis.set(f"wecom:{config.corp_id}:calls:turn:{LIST}", "another worker", ex=30)

    assert busy.value.retry_after == 5
    with pytest.raises(Busy, match="Another worker"):
        client.call(LIST, idempotent=True)
    assert client.call(GET, idempotent=True) == OK


def test_a_message_is_reminded_of_three_times_a_day(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    for _ in range(3):
        remind_groupmsg_send(client, "m1")

    with pytest.raises(Busy) as busy:
        remind_groupmsg_send(client, "m1")
    remind_groupmsg_send(client, "m2")

    assert 86_300 < busy.value.retry_after <= 86_400
    assert len(wecom.calls_to("externalcontact/remind_groupmsg_send")) == 4


def test_only_a_reminder_that_surely_had_no_effect_is_not_counted(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    path = "externalcontact/remind_groupmsg_send"
    wecom.script(path, {"errcode": 45033}, {"errcode": 45033}, Raw(cut=0), {"errcode": -1}, OK)
    for expected in (Busy, Busy, Unclear, Busy):
        with pytest.raises(expected):
            remind_groupmsg_send(client, "m1")
    remind_groupmsg_send(client, "m1")

    with pytest.raises(Busy) as busy:
        remind_groupmsg_send(client, "m1")

    assert busy.value.retry_after > 86_000


def test_without_redis_a_process_allows_itself_a_tenth_and_one_turn_at_a_time(
    config: WeComConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    budget = CallBudget(config.corp_id, nowhere)
    monkeypatch.setattr(budget_module, "SHORT_WAIT_SECONDS", 0)
    monkeypatch.setattr(budget_module, "LIMITS", (Limit(1_000, 3_600),))

    for _call in range(10):
        budget.spend(LIST)
    with pytest.raises(Busy, match="used up"):
        budget.spend(LIST)
    budget.spend(GET)

    serial = "externalcontact/get_groupmsg_task"
    with budget.turn(serial), pytest.raises(Busy), budget.turn(serial):
        pytest.fail("a second turn at the same time")
    with budget.turn(serial):
        pass
