"""Group chats with customers (WeCom docs 92120, 92122)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connectors.wecom.api.fields import number, record, require_at_most, rows, rows_of, text
from connectors.wecom.client import WeComClient

MAX_OWNERS = 100
MAX_ROWS = 1000
OUTSIDE = 2
"""The type of members who are no colleagues."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A group chat as WeCom has it now; ``customers`` are the addresses of members from outside."""

    chat_id: str
    name: str
    owner_user_id: str
    members: int
    customers: tuple[str, ...]


def list_chats(client: WeComClient, owners: Sequence[str]) -> Iterator[str]:
    """Yield the ids of the group chats of at most 100 members.

    Always with owners: without them WeCom refuses companies of over 1,000 members (81017).
    """
    require_at_most(owners, MAX_OWNERS, "owners")
    payload = {"owner_filter": {"userid_list": list(owners)}, "limit": MAX_ROWS}
    pages = client.follow_cursor("externalcontact/groupchat/list", payload)
    for row in rows_of(pages, "group_chat_list"):
        yield text(row, "chat_id")


def get_chat(client: WeComClient, chat_id: str) -> Chat:
    """Return one group chat; raises ``Refused`` for one that is not there any more."""
    payload = {"chat_id": chat_id, "need_name": 0}
    answer = client.call("externalcontact/groupchat/get", payload, idempotent=True)
    chat = record(answer, "group_chat")
    members = rows(chat, "member_list")
    outside = (text(row, "userid") for row in members if number(row, "type") == OUTSIDE)
    return Chat(
        chat_id=chat_id,
        name=text(chat, "name"),
        owner_user_id=text(chat, "owner"),
        members=len(members),
        customers=tuple(filter(None, outside)),
    )
