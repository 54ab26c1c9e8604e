"""Our own client against the sandbox: everything it needs is there, and it breaks no limit."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from redis import Redis

from connectors.wecom.api import contact_ways, customers, media, messages, staff, tags, transfers
from connectors.wecom.api.attachments import image
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.errors import Busy

from .conftest import HOUR, Box, fields_of, fill, open_box, settings


@pytest.fixture
def corp() -> str:
    """A company that no other test has, so that nothing in Redis is shared."""
    return f"ww{uuid4().hex[:16]}"


@pytest.fixture
def box(corp: str) -> Iterator[Box]:
    with open_box(settings(corp_id=corp), time.time) as opened:
        fill(opened, customers=5)
        opened.control.faults(page_size=2)
        yield opened


@pytest.fixture
def client(box: Box, corp: str, redis: Redis) -> Iterator[WeComClient]:
    config = WeComConfig(
        api_url=f"{box.url}/cgi-bin", corp_id=corp, agent_id="1000002", secret="s3cret"
    )
    opened = WeComClient(config, redis)
    yield opened
    opened.close()


def test_staff_customers_and_tags_are_read_to_the_last_page(box: Box, client: WeComClient) -> None:
    pages = customers.batch_get_by_user(client, ["lin", "mei"])
    assert sum(len(page.follows) for page in pages) == 5
    assert staff.get_follow_user_list(client) == ("lin", "mei")
    assert len(list(staff.user_list_id(client))) == 2
    assert customers.list_external_user_ids(client, "mei") == ()

    group = tags.add_corp_tag(client, ["Blue"], group_name="Colour")
    tags.mark_tag(client, "lin", "wo1", add=[group.tags[0].tag_id])
    customers.remark_customer(client, "lin", "wo1", customers.Remark(remark="Chen"))

    follow = customers.get_external_contact(client, "wo1").follows[0]
    assert (follow.remark, follow.tag_ids) == ("Chen", (group.tags[0].tag_id,))
    assert box.breaches() == []


def test_a_scan_is_greeted_with_a_picture(box: Box, client: WeComClient) -> None:
    way = contact_ways.ContactWay(users=("lin", "mei"), state="cc-1")
    code = contact_ways.add_contact_way(client, way)
    assert contact_ways.get_contact_way(client, code.config_id).way.users == ("lin", "mei")
    coat = media.MediaFile("coat.png", b"0123456789", "image/png")
    uploaded = media.upload_media(client, media.MediaKind.IMAGE, coat)
    box.control.scan([{"external_userid": "zhao"}], state="cc-1")
    welcome = fields_of(box.control.rows("callbacks")[-1]["xml"])["WelcomeCode"]

    outcome = messages.send_welcome_msg(
        client, welcome, text="Welcome", attachments=[image(uploaded.media_id)]
    )

    assert outcome is messages.WelcomeOutcome.SENT
    assert box.control.rows("welcomes", external_userid="zhao")[0]["text"] == "Welcome"
    assert box.breaches() == []


def test_a_message_goes_from_task_to_result(box: Box, client: WeComClient) -> None:
    template = messages.MessageTemplate(
        sender="lin", external_user_ids=("wo1", "wo2", "wo3", "wo99"), text="Sale"
    )
    created = messages.add_msg_template(client, template)
    assert created.failed_ids == ("wo99",)
    with pytest.raises(Busy):
        list(messages.get_groupmsg_task(client, created.msg_id))
    box.control.advance(60)
    box.control.confirm()

    tasks = list(messages.get_groupmsg_task(client, created.msg_id))
    results = list(messages.get_groupmsg_send_result(client, created.msg_id, "lin"))

    assert [task.status for task in tasks] == [messages.TaskStatus.CONFIRMED]
    assert {r.external_user_id: r.status for r in results} == {"wo1": 1, "wo2": 1, "wo3": 1}


def test_a_leavers_customers_are_handed_over(box: Box, client: WeComClient) -> None:
    box.control.depart("lin")
    assert len(list(transfers.get_unassigned_list(client))) == 5

    items = transfers.resigned_transfer_customer(client, "lin", "mei", ["wo1", "wo2", "wo99"])
    assert [item.pending for item in items] == [True, True, False]
    box.control.advance(24 * HOUR)

    results = list(transfers.resigned_transfer_result(client, "lin", "mei"))
    assert {r.state for r in results} == {transfers.TransferState.DONE}
    assert box.customers_of("mei") == {"wo1", "wo2"}
    assert box.breaches() == []


def test_an_expired_token_is_fetched_once_for_twenty_threads(box: Box, client: WeComClient) -> None:
    staff.get_follow_user_list(client)
    box.control.faults(expire_tokens=True)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: staff.get_follow_user_list(client), range(20)))

    assert answers == [("lin", "mei")] * 20
    assert box.control.ledger()["calls"]["gettoken"] == 2
    assert box.breaches() == []
