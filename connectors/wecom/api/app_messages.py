"""Messages of the app to our own staff (WeCom docs 90236)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.wecom.api.fields import require, require_at_most, require_bytes, text
from connectors.wecom.client import WeComClient
from connectors.wecom.error_table import BAD_AGENT_ID
from connectors.wecom.errors import NO_ANSWER, ConfigProblem

MAX_USERS = 1000
MAX_TEXT_BYTES = 2048
REPEAT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class AppMessageReceipt:
    msg_id: str
    invalid_user_ids: tuple[str, ...]


def text_message(content: str) -> dict[str, Any]:
    require_bytes(content, MAX_TEXT_BYTES, "text")
    return {"msgtype": "text", "text": {"content": content}}


def text_card(title: str, description: str, url: str) -> dict[str, Any]:
    require_bytes(title, 128, "title")
    require_bytes(description, 512, "description")
    card = {"title": title, "description": description, "url": url}
    return {"msgtype": "textcard", "textcard": card}


def send_app_message(
    client: WeComClient, user_ids: Sequence[str], message: Mapping[str, Any]
) -> AppMessageReceipt:
    """Send a message to at most 1,000 members.

    WeCom drops the same message when it comes again within half an hour. It takes 30 a minute
    and 1,000 an hour for each member.
    """
    require(sound=bool(user_ids), why="a message needs members")
    require_at_most(user_ids, MAX_USERS, "members")
    agent_id = client.config.agent_id
    if not agent_id.isdecimal():
        raise ConfigProblem(NO_ANSWER, BAD_AGENT_ID, path="message/send")
    payload = {
        **message,
        "touser": "|".join(user_ids),
        "agentid": int(agent_id),
        "enable_duplicate_check": 1,
        "duplicate_check_interval": REPEAT_SECONDS,
    }
    answer = client.call("message/send", payload, idempotent=False)
    invalid = text(answer, "invaliduser").split("|")
    return AppMessageReceipt(text(answer, "msgid"), tuple(filter(None, invalid)))
