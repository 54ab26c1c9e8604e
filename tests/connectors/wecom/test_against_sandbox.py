"""Our typed functions against the stand-in for WeCom, which keeps WeCom's limits and counts breaches."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis

from connectors.wecom.api.contact_ways import ContactWay, add_contact_way, get_contact_way
from connectors.wecom.api.customers import batch_get_by_user, get_external_contact
from connectors.wecom.api.media import MediaFile, MediaKind, upload_media
from connectors.wecom.api.messages import (
    MessageTemplate,
    SendStatus,
    TaskStatus,
    add_msg_template,
    get_groupmsg_list_v2,
    get_groupmsg_send_result,
    get_groupmsg_task,
    remind_groupmsg_send,
)
from connectors.wecom.api.staff import get_follow_user_list, get_user
from connectors.wecom.api.tags import add_corp_tag, get_corp_tag_list, mark_tag
from connectors.wecom.api.transfers import (
    TransferState,
    get_unassigned_list,
    resigned_transfer_customer,
    resigned_transfer_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.config import WeComConfig
from connectors.wecom.errors import Unclear
from connectors.wecom.sandbox.client import SandboxControl
from connectors.wecom.sandbox.serve import running_sandbox
from connectors.wecom.sandbox.settings import SandboxSettings

NOBODY_ELSE = {f"wo{number}" for number in range(1, 8)}


@dataclass
class Shop:
    client: WeComClient
    control: SandboxControl


@pytest.fixture
def shop(redis: Redis) -> Iterator[Shop]:
    """Lin has seven customers and Mei none; a page holds three rows."""
    corp_id = f"ww{uuid4().hex[:16]}"
    settings = SandboxSettings(corp_id, "secret", "1000002")
    with (
        running_sandbox(settings) as running,
        SandboxControl(running.base_url) as control,
    ):
        control.seed(
            staff=[{"userid": "lin", "name": "Lin"}, {"userid": "mei", "name": "Mei"}],
            customers=[
                {"external_userid": name, "name": name, "follows": [{"userid": "lin"}]}
                for name in sorted(NOBODY_ELSE)
            ],
            page_size=3,
            poll_wait=0,
        )
        client = WeComClient(
            WeComConfig(f"{running.base_url}/cgi-bin", corp_id, "1000002", "secret"), redis
        )
        yield Shop(client, control)
        client.close()


def test_everybody_is_found(shop: Shop) -> None:
    pages = list(batch_get_by_user(shop.client, get_follow_user_list(shop.client)))
    member = get_user(shop.client, "lin")

    found = [profile.external_user_id for page in pages for profile, _ in page.follows]

    assert len(pages) >= 3
    assert len(found) == 7
    assert set(found) == NOBODY_ELSE
    assert member
    assert member.name == "Lin"
    assert get_external_contact(shop.client, "wo1").follows[0].user_id == "lin"


def test_a_message_is_created_confirmed_and_followed(shop: Shop) -> None:
    template = MessageTemplate("Hello", sender="lin", external_user_ids=sorted(NOBODY_ELSE))
    now = datetime.now(tz=UTC)

    created = add_msg_template(shop.client, template)
    (waiting,) = get_groupmsg_task(shop.client, created.msg_id)
    remind_groupmsg_send(shop.client, created.msg_id)
    shop.control.confirm(msgid=created.msg_id)
    (confirmed,) = get_groupmsg_task(shop.client, created.msg_id)
    results = list(get_groupmsg_send_result(shop.client, created.msg_id, "lin"))
    (listed,) = get_groupmsg_list_v2(shop.client, now - timedelta(days=1), now + timedelta(days=1))

    assert (waiting.status, confirmed.status) == (TaskStatus.WAITING, TaskStatus.CONFIRMED)
    assert {result.external_user_id for result in results} == NOBODY_ELSE
    assert {result.status for result in results} == {SendStatus.SENT}
    assert (listed.msg_id, listed.text) == (created.msg_id, "Hello")
    assert shop.control.rows("violations") == []


def test_a_message_whose_answer_was_lost_is_found_again(shop: Shop) -> None:
    path, now = "externalcontact/add_msg_template", datetime.now(tz=UTC)
    shop.control.faults(lose=[{"path": path, "how": "close"}])

    with pytest.raises(Unclear):
        add_msg_template(shop.client, MessageTemplate("Hello", sender="lin"))
    listed = list(
        get_groupmsg_list_v2(shop.client, now - timedelta(days=1), now + timedelta(days=1))
    )

    assert [message.text for message in listed] == ["Hello"]


def test_a_leavers_customers_are_handed_over(shop: Shop) -> None:
    shop.control.depart("lin")

    left = [row.external_user_id for row in get_unassigned_list(shop.client)]
    first = resigned_transfer_customer(shop.client, "lin", "mei", left)
    again = resigned_transfer_customer(shop.client, "lin", "mei", left)
    waiting = list(resigned_transfer_result(shop.client, "lin", "mei"))
    shop.control.advance(25 * 3600)
    shop.control.faults(expire_tokens=True)
    done = list(resigned_transfer_result(shop.client, "lin", "mei"))

    assert set(left) == NOBODY_ELSE
    assert all(item.pending for item in (*first, *again))
    assert {result.state for result in waiting} == {TransferState.WAITING}
    assert {result.external_user_id for result in done} == NOBODY_ELSE
    assert {result.state for result in done} == {TransferState.DONE}


def test_tags_codes_and_files_are_taken(shop: Shop) -> None:
    group = add_corp_tag(shop.client, ["Sport", "Office"], group_name="Style")
    mark_tag(shop.client, "lin", "wo1", add=[group.tags[0].tag_id])
    made = add_contact_way(shop.client, ContactWay(["lin", "mei"], state="cc-1"))
    picture = MediaFile("poster.png", b"\x89PNG\r\n\x1a\n....", "image/png")

    assert [tag.name for tag in get_corp_tag_list(shop.client)[0].tags] == ["Sport", "Office"]
    assert get_external_contact(shop.client, "wo1").follows[0].tag_ids == (group.tags[0].tag_id,)
    assert get_contact_way(shop.client, made.config_id).way.state == "cc-1"
    assert upload_media(shop.client, MediaKind.IMAGE, picture).media_id
