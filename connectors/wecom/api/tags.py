"""Company tags and who carries them (WeCom docs 92117, 92118)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.wecom.api.fields import (
    number,
    record,
    require,
    require_at_most,
    rows,
    text,
    without_empty,
)
from connectors.wecom.client import WeComClient

MAX_NAME = 30


@dataclass(frozen=True, slots=True)
class CompanyTag:
    tag_id: str
    name: str
    order: int
    deleted: bool


@dataclass(frozen=True, slots=True)
class CompanyTagGroup:
    group_id: str
    name: str
    order: int
    deleted: bool
    tags: tuple[CompanyTag, ...]


def get_corp_tag_list(
    client: WeComClient, *, tag_ids: Sequence[str] = (), group_ids: Sequence[str] = ()
) -> tuple[CompanyTagGroup, ...]:
    """Return the company's tag groups: all, or those asked for (the groups win over the tags)."""
    payload = without_empty({"tag_id": list(tag_ids), "group_id": list(group_ids)})
    answer = client.call("externalcontact/get_corp_tag_list", payload, idempotent=True)
    return tuple(_group(row) for row in rows(answer, "tag_group"))


def add_corp_tag(
    client: WeComClient, names: Sequence[str], *, group_id: str = "", group_name: str = ""
) -> CompanyTagGroup:
    """Add tags to a group, named by id or by name; a group of a new name is made.

    A name that exists is not added twice, so this may be repeated. Returns the group with the
    tags that were added. Raises ``ValueError`` without a group, without tags, or for names over
    30 characters.
    """
    require(sound=bool(names), why="a group of tags cannot be empty")
    require(sound=bool(group_id) != bool(group_name), why="a tag needs one group")
    for name in (*names, group_name):
        require_at_most(name, MAX_NAME, f"characters of the tag {name!r}")
    payload = without_empty(
        {
            "group_id": group_id,
            "group_name": group_name,
            "tag": [{"name": name} for name in names],
            "agentid": number({"id": client.config.agent_id}, "id") or None,
        }
    )
    answer = client.call("externalcontact/add_corp_tag", payload, idempotent=True)
    return _group(record(answer, "tag_group"))


def mark_tag(
    client: WeComClient,
    user_id: str,
    external_user_id: str,
    *,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
) -> None:
    """Put tags on one follow and take others off. WeCom sends no callback for it.

    Raises ``ValueError`` when there is nothing to do, ``Refused`` with 84061 when the member
    does not follow the customer.
    """
    require(sound=bool(add or remove), why="there is no tag to put on or to take off")
    payload = without_empty(
        {
            "userid": user_id,
            "external_userid": external_user_id,
            "add_tag": list(add),
            "remove_tag": list(remove),
        }
    )
    client.call("externalcontact/mark_tag", payload, idempotent=True)


def _group(row: Mapping[str, Any]) -> CompanyTagGroup:
    return CompanyTagGroup(
        group_id=text(row, "group_id"),
        name=text(row, "group_name"),
        order=number(row, "order"),
        deleted=row.get("deleted") is True,
        tags=tuple(
            CompanyTag(
                tag_id=text(tag, "id"),
                name=text(tag, "name"),
                order=number(tag, "order"),
                deleted=tag.get("deleted") is True,
            )
            for tag in rows(row, "tag")
        ),
    )
