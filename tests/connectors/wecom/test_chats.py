"""Group chats: listed with their owners, always a hundred at most, and read one by one."""

import pytest

from connectors.wecom.api.chats import MAX_OWNERS, get_chat, list_chats
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused
from tests.connectors.wecom.scripted import OK, ScriptedWeCom

LIST, GET = "externalcontact/groupchat/list", "externalcontact/groupchat/get"


def test_every_page_of_the_list_is_read(client: WeComClient, wecom: ScriptedWeCom) -> None:
    first = {**OK, "group_chat_list": [{"chat_id": "wr1", "status": 0}], "next_cursor": "more"}
    wecom.script(LIST, first, {**OK, "group_chat_list": [{"chat_id": "wr2"}], "next_cursor": ""})

    assert list(list_chats(client, ["wei", "lin"])) == ["wr1", "wr2"]

    assert wecom.calls_to(LIST)[0].json["owner_filter"] == {"userid_list": ["wei", "lin"]}
    with pytest.raises(ValueError, match="owners"):
        list(list_chats(client, ["x"] * (MAX_OWNERS + 1)))


def test_a_chat_has_an_owner_and_members_of_two_kinds(
    client: WeComClient, wecom: ScriptedWeCom
) -> None:
    members = [
        {"userid": "wei", "type": 1},
        {"userid": "wo1", "type": 2},
        {"userid": None, "type": 2},
    ]
    told = {"chat_id": "wr1", "name": "Friends", "owner": "wei", "member_list": members}
    wecom.script(GET, {**OK, "group_chat": told})

    chat = get_chat(client, "wr1")

    assert (chat.name, chat.owner_user_id, chat.members) == ("Friends", "wei", 3)
    assert chat.customers == ("wo1",)


def test_what_is_missing_reads_as_empty(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(GET, {**OK, "group_chat": {"member_list": "nobody"}})

    chat = get_chat(client, "wr1")

    assert (chat.chat_id, chat.name, chat.members) == ("wr1", "", 0)


def test_a_chat_that_is_gone_is_refused(client: WeComClient, wecom: ScriptedWeCom) -> None:
    wecom.script(GET, {"errcode": 90501, "errmsg": "not a customer group"})

    with pytest.raises(Refused) as refused:
        get_chat(client, "wr1")

    assert refused.value.errcode == 90501
