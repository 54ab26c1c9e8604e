from datetime import UTC, datetime

import pytest

from connectors.wecom.api.transfers import (
    TransferState,
    groupchat_onjob_transfer,
    groupchat_transfer,
    resigned_transfer_customer,
    resigned_transfer_result,
    transfer_customer,
    transfer_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused, Unclear
from tests.connectors.wecom.scripted import OK, Raw, ScriptedWeCom

ON_JOB = "externalcontact/transfer_customer"
LEAVER = "externalcontact/resigned/transfer_customer"


def test_each_customer_has_an_answer(client: WeComClient, wecom: ScriptedWeCom) -> None:
    codes = {"wo1": 0, "wo2": 40100, "wo3": 40129, "wo4": 40096, "wo5": 40099}
    rows = [{"external_userid": who, "errcode": code} for who, code in codes.items()]
    wecom.script(LEAVER, {**OK, "customer": rows})

    items = resigned_transfer_customer(client, "wei", "mei", list(codes))

    assert [item.external_user_id for item in items if item.pending] == ["wo1", "wo2", "wo3"]
    assert [item.errcode for item in items if not item.pending] == [40096, 40099]
    assert wecom.calls_to(LEAVER)[0].json == {
        "handover_userid": "wei",
        "takeover_userid": "mei",
        "external_userid": list(codes),
    }


def test_the_message_goes_with_a_transfer_on_the_job_only_when_there_is_one(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    transfer_customer(client, "lin", "mei", ["wo1"])
    transfer_customer(client, "lin", "mei", ["wo1"], success_message="您好")

    without, with_message = wecom.calls_to(ON_JOB)
    assert "transfer_success_msg" not in without.json
    assert with_message.json["transfer_success_msg"] == "您好"


def test_a_lost_transfer_is_unclear_and_not_repeated(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(ON_JOB, Raw(cut=0))

    with pytest.raises(Unclear):
        transfer_customer(client, "lin", "mei", ["wo1"])

    assert len(wecom.calls_to(ON_JOB)) == 1


def test_a_transfer_may_be_refused_as_a_whole(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(LEAVER, {"errcode": 40097})

    with pytest.raises(Refused, match="has not left"):
        resigned_transfer_customer(client, "lin", "mei", ["wo1"])


@pytest.mark.parametrize("customers", [[], ["wo"] * 101])
def test_a_transfer_that_wecom_would_refuse_is_not_sent(
    client: WeComClient, wecom: ScriptedWeCom, customers: list[str]
) -> None:
    with pytest.raises(ValueError, match="customers"):
        transfer_customer(client, "lin", "mei", customers)
    with pytest.raises(ValueError, match="customers"):
        resigned_transfer_customer(client, "lin", "mei", customers)
    with pytest.raises(ValueError, match="201 characters"):
        transfer_customer(client, "lin", "mei", ["wo1"], success_message="长" * 201)
    with pytest.raises(ValueError, match="group chats"):
        groupchat_transfer(client, customers, "mei")

    assert not wecom.calls


@pytest.mark.parametrize("leaver", [False, True])
def test_results_are_followed_over_all_pages(
    client: WeComClient, wecom: ScriptedWeCom, leaver: bool
) -> None:
    rows = [
        {"external_userid": f"wo{status}", "status": status, "takeover_time": 1760086400}
        for status in (1, 2, 3, 4, 5, 6)
    ]
    path = (
        "externalcontact/resigned/transfer_result" if leaver else "externalcontact/transfer_result"
    )
    wecom.script_pages(path, "customer", rows, 2)

    read = resigned_transfer_result if leaver else transfer_result
    results = list(read(client, "wei", "mei"))

    assert [result.state for result in results] == [
        TransferState.DONE,
        TransferState.WAITING,
        TransferState.REFUSED,
        TransferState.FULL,
        TransferState.NO_RECORD,
        TransferState.UNKNOWN,
    ]
    assert results[1].takeover_at == datetime(2025, 10, 10, 8, 53, 20, tzinfo=UTC)


def test_group_chats_that_stay_are_told(client: WeComClient, wecom: ScriptedWeCom) -> None:
    failed = [{"chat_id": "wr1", "errcode": 90500, "errmsg": "not resigned"}]
    wecom.script("externalcontact/groupchat/transfer", {**OK, "failed_chat_list": failed})

    (failure,) = groupchat_transfer(client, ["wr1", "wr2"], "mei")

    assert (failure.chat_id, failure.errcode) == ("wr1", 90500)
    assert groupchat_onjob_transfer(client, ["wr1"], "mei") == ()
