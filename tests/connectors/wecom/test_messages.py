from datetime import UTC, datetime, timedelta

import pytest

from connectors.wecom.api.app_messages import send_app_message, text_card, text_message
from connectors.wecom.api.attachments import file, image, link, mini_program, uploaded_image, video
from connectors.wecom.api.messages import (
    MessageTemplate,
    SendStatus,
    TaskStatus,
    WelcomeOutcome,
    add_msg_template,
    cancel_groupmsg_send,
    get_groupmsg_list_v2,
    get_groupmsg_send_result,
    get_groupmsg_task,
    send_welcome_msg,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.error_table import ErrorKind
from connectors.wecom.errors import Busy, Refused, Unclear
from tests.connectors.wecom.scripted import OK, Raw, ScriptedWeCom

WELCOME = "externalcontact/send_welcome_msg"
CREATE = "externalcontact/add_msg_template"
NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("errcode", "outcome"),
    [
        (0, WelcomeOutcome.SENT),
        (41050, WelcomeOutcome.EXPIRED),
        (41051, WelcomeOutcome.SUPERSEDED),
        (41096, WelcomeOutcome.OTHER_APP),
    ],
)
def test_what_became_of_a_welcome_is_an_outcome(
    client: WeComClient, wecom: ScriptedWeCom, errcode: int, outcome: WelcomeOutcome
) -> None:
    wecom.script(WELCOME, {"errcode": errcode})

    assert send_welcome_msg(client, "CODE", text="欢迎 😀") is outcome

    (call,) = wecom.calls_to(WELCOME)
    assert call.json == {"welcome_code": "CODE", "text": {"content": "欢迎 😀"}}


def test_a_welcome_tells_a_bad_attachment_from_a_lost_answer(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script(WELCOME, {"errcode": 40007}, Raw(cut=0), {"errcode": 45009})

    with pytest.raises(Refused) as refused:
        send_welcome_msg(client, "CODE", attachments=[image("m1")])
    with pytest.raises(Unclear):
        send_welcome_msg(client, "CODE", text="Hello")
    with pytest.raises(Busy):
        send_welcome_msg(client, "CODE", text="Hello")

    assert refused.value.kind is ErrorKind.CONTENT
    assert len(wecom.calls_to(WELCOME)) == 3


def test_a_message_is_created(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(CREATE, {**OK, "fail_list": ["wo9"], "msgid": "m1"})
    attachments = [link("Sale", "https://shop.example/"), file("f1")]

    created = add_msg_template(
        client,
        MessageTemplate("Hello", attachments, sender="lin", external_user_ids=["wo1", "wo9"]),
    )

    assert (created.msg_id, created.failed_ids, created.nobody) == ("m1", ("wo9",), False)
    assert wecom.calls_to(CREATE)[0].json == {
        "chat_type": "single",
        "external_userid": ["wo1", "wo9"],
        "sender": "lin",
        "text": {"content": "Hello"},
        "attachments": [
            {"msgtype": "link", "link": {"title": "Sale", "url": "https://shop.example/"}},
            {"msgtype": "file", "file": {"media_id": "f1"}},
        ],
    }


def test_a_message_for_nobody_is_not_a_failure(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(CREATE, {"errcode": 41048, "fail_list": ["wo1"]})

    created = add_msg_template(client, MessageTemplate("Hello", external_user_ids=["wo1"]))

    assert created.nobody
    assert created.failed_ids == ("wo1",)


def test_a_message_without_an_id_is_unclear_unless_nobody_can_be_reached(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    template = MessageTemplate("Hello", external_user_ids=["wo1", "wo2"])
    wecom.script(CREATE, {**OK, "fail_list": ["wo1"]}, {**OK, "fail_list": ["wo1", "wo2"]})

    with pytest.raises(Unclear):
        add_msg_template(client, template)
    created = add_msg_template(client, template)

    assert (created.msg_id, created.failed_ids) == ("", ("wo1", "wo2"))
    assert len(wecom.calls_to(CREATE)) == 2


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (MessageTemplate("Hello", external_user_ids=["wo"] * 10_001), "10001 customers"),
        (MessageTemplate("长" * 1334, sender="lin"), "text of 4002 bytes"),
        (MessageTemplate("Hello", [video("v")] * 10, sender="lin"), "10 attachments"),
        (MessageTemplate("Hello"), "needs a sender"),
        (MessageTemplate(sender="lin"), "needs a text"),
    ],
)
def test_a_message_that_wecom_would_refuse_is_not_sent(
    client: WeComClient, wecom: ScriptedWeCom, template: MessageTemplate, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        add_msg_template(client, template)

    assert not wecom.calls


def test_attachments_have_wecoms_form_and_bounds() -> None:
    program = mini_program("Shop", "wx1", "/index", picture_media_id="m1")

    assert program["miniprogram"]["pic_media_id"] == "m1"
    assert uploaded_image("https://p.example/")["image"] == {"pic_url": "https://p.example/"}
    with pytest.raises(ValueError, match="title of 129 bytes"):
        link("长" * 43, "https://shop.example/")
    with pytest.raises(ValueError, match="description of 513 bytes"):
        link("a", "https://shop.example/", description="长" * 171)
    with pytest.raises(ValueError, match="title of 66 bytes"):
        mini_program("长" * 22, "wx1", "/", picture_media_id="m1")


def test_results_are_read(client: WeComClient, wecom: ScriptedWeCom) -> None:
    task = {"userid": "lin", "status": 2, "send_time": 1760000500}
    waiting = {"userid": "mei", "status": 0}
    sent = {"external_userid": "wo1", "userid": "lin", "status": 1, "send_time": 1760000500}
    listed = {"msgid": "m1", "creator": "", "create_time": 1760000000, "text": {"content": "Hi"}}
    wecom.script("externalcontact/get_groupmsg_task", {**OK, "task_list": [task, waiting]})
    wecom.script("externalcontact/get_groupmsg_send_result", {**OK, "send_list": [sent]})
    wecom.script("externalcontact/get_groupmsg_list_v2", {**OK, "group_msg_list": [listed]})

    tasks = list(get_groupmsg_task(client, "m1"))
    (result,) = get_groupmsg_send_result(client, "m1", "lin")
    (message,) = get_groupmsg_list_v2(client, NOON - timedelta(days=1), NOON)

    assert [task.status for task in tasks] == [TaskStatus.CONFIRMED, TaskStatus.WAITING]
    assert tasks[1].confirmed_at is None
    assert (result.status, result.user_id) == (SendStatus.SENT, "lin")
    assert (message.msg_id, message.text) == ("m1", "Hi")
    with pytest.raises(ValueError, match="one month"):
        next(get_groupmsg_list_v2(client, NOON - timedelta(days=40), NOON))


def test_asking_too_early_and_too_late_are_told_apart(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("externalcontact/get_groupmsg_task", {"errcode": 41063}, {"errcode": 41093})

    with pytest.raises(Busy) as early:
        list(get_groupmsg_task(client, "m1"))
    with pytest.raises(Refused) as late:
        list(get_groupmsg_task(client, "m1"))

    assert early.value.retry_after == 120
    assert late.value.kind is ErrorKind.OVER


def test_a_cancelled_message_may_be_cancelled_again(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    wecom.script("externalcontact/cancel_groupmsg_send", OK, {"errcode": 41093}, {"errcode": 41047})

    cancel_groupmsg_send(client, "m1")
    cancel_groupmsg_send(client, "m1")
    with pytest.raises(Refused):
        cancel_groupmsg_send(client, "m1")


def test_staff_get_messages_of_the_app(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script("message/send", {**OK, "msgid": "a1", "invaliduser": "wei|hua"})

    receipt = send_app_message(client, ["lin", "wei", "hua"], text_message("3 customers wait"))

    assert receipt.invalid_user_ids == ("wei", "hua")
    sent = wecom.calls_to("message/send")[0].json
    assert (sent["touser"], sent["agentid"]) == ("lin|wei|hua", 1000002)
    assert sent["enable_duplicate_check"] == 1
    assert text_card("T", "D", "https://crm.example/")["textcard"]["title"] == "T"
    with pytest.raises(ValueError, match="needs members"):
        send_app_message(client, [], text_message("Hello"))
