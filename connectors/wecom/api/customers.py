"""Customers and who follows them (WeCom docs 92113, 92114, 92994, 92115)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

from connectors.wecom.api.fields import (
    clamp,
    moment,
    number,
    record,
    require,
    require_at_most,
    rows,
    text,
    texts,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused

MAX_USERS = 100
MAX_ROWS = 100
MAX_REMARK = 20
MAX_DESCRIPTION = 150
NO_RELATION = 84061
PERSONAL_TAG = 2
ASSIGNED = 202
"""The ``add_way`` of a customer whom an administrator or a transfer has given to the member."""
NO_CUSTOMER = 40096


class CustomerKind(IntEnum):
    """Where the customer chats; only WeChat customers have a union id and can be greeted."""

    WECHAT = 1
    WECOM = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """What WeCom tells of a customer, whoever follows them."""

    external_user_id: str
    name: str
    kind: int
    gender: int
    avatar: str
    union_id: str
    position: str
    company: str


@dataclass(frozen=True, slots=True)
class FollowInfo:
    """One member's connection to a customer. ``add_way`` may be a number newer than our list."""

    user_id: str
    remark: str
    description: str
    began_at: datetime | None
    tag_ids: tuple[str, ...]
    personal_tags: tuple[str, ...]
    company: str
    mobiles: tuple[str, ...]
    add_way: int
    state: str
    oper_user_id: str


@dataclass(frozen=True, slots=True)
class Customer:
    profile: Profile
    follows: tuple[FollowInfo, ...]


@dataclass(frozen=True, slots=True)
class FollowPage:
    """One page of follows with their customers, and the members WeCom told nothing of.

    ``next_cursor`` is where the next page begins; empty on the last one.
    """

    follows: tuple[tuple[Profile, FollowInfo], ...]
    failed_user_ids: tuple[str, ...]
    next_cursor: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """What a member notes about a customer; ``None`` leaves a field as it is.

    ``mobiles`` replaces all numbers; an empty sequence clears them.
    """

    remark: str | None = None
    description: str | None = None
    company: str | None = None
    mobiles: Sequence[str] | None = None


def list_external_user_ids(client: WeComClient, user_id: str) -> tuple[str, ...]:
    """Return the ids of a member's customers; empty when there are none (84061)."""
    try:
        answer = client.call("externalcontact/list", params={"userid": user_id}, idempotent=True)
    except Refused as refused:
        if refused.errcode == NO_RELATION:
            return ()
        raise
    return texts(answer, "external_userid")


def get_external_contact(client: WeComClient, external_user_id: str) -> Customer:
    """Return a customer with everybody who follows them, over all pages.

    Right after a customer was added WeCom may still answer ``Refused`` with 84061: try again
    some seconds later.
    """
    params = {"external_userid": external_user_id}
    pages = client.follow_cursor("externalcontact/get", {}, params=params)
    first = next(pages)
    customer = Customer(_profile(record(first, "external_contact")), _follows(first))
    for page in pages:
        customer = replace(customer, follows=customer.follows + _follows(page))
    return customer


def batch_get_by_user(
    client: WeComClient, user_ids: Sequence[str], *, limit: int = MAX_ROWS, cursor: str = ""
) -> Iterator[FollowPage]:
    """Yield the follows of at most 100 members with their customers, page by page from ``cursor`` on.

    One member without any customer is not an error. Raises ``ValueError`` for too many members.
    """
    require_at_most(user_ids, MAX_USERS, "members")
    payload = {"userid_list": list(user_ids), "limit": clamp(limit, MAX_ROWS)}
    try:
        for page in client.follow_cursor(
            "externalcontact/batch/get_by_user", payload, cursor=cursor
        ):
            yield _follow_page(page)
    except Refused as refused:
        if refused.errcode != NO_RELATION:
            raise


def remark_customer(client: WeComClient, user_id: str, external_user_id: str, note: Remark) -> None:
    """Write a member's note about a customer. WeCom sends no callback for it.

    Raises ``ValueError`` for a note that is empty or longer than WeCom takes.
    """
    mobiles = list(note.mobiles) if note.mobiles is not None else None
    changes = {
        "remark": note.remark,
        "description": note.description,
        "remark_company": note.company,
        "remark_mobiles": [""] if mobiles == [] else mobiles,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    require(sound=bool(given), why="a note must say something")
    require_at_most(note.remark or "", MAX_REMARK, "characters of the remark")
    require_at_most(note.description or "", MAX_DESCRIPTION, "characters of the description")
    require_at_most(note.company or "", MAX_REMARK, "characters of the company")
    payload = {"userid": user_id, "external_userid": external_user_id, **given}
    client.call("externalcontact/remark", payload, idempotent=True)


def _follow_page(page: Mapping[str, Any]) -> FollowPage:
    follows = tuple(
        (_profile(record(row, "external_contact")), _follow(record(row, "follow_info")))
        for row in rows(page, "external_contact_list")
    )
    failed = record(page, "fail_info")
    failed_ids = tuple(user for name in failed for user in texts(failed, name))
    return FollowPage(follows, failed_ids, text(page, "next_cursor"))


def _follows(page: Mapping[str, Any]) -> tuple[FollowInfo, ...]:
    return tuple(_follow(row) for row in rows(page, "follow_user"))


def _profile(row: Mapping[str, Any]) -> Profile:
    return Profile(
        external_user_id=text(row, "external_userid"),
        name=text(row, "name"),
        kind=number(row, "type"),
        gender=number(row, "gender"),
        avatar=text(row, "avatar"),
        union_id=text(row, "unionid"),
        position=text(row, "position"),
        company=text(row, "corp_full_name") or text(row, "corp_name"),
    )


def _follow(row: Mapping[str, Any]) -> FollowInfo:
    """Read a follow: ``get`` gives ``tags``, ``batch/get_by_user`` gives ``tag_id``."""
    tags = rows(row, "tags")
    shared = tuple(text(tag, "tag_id") for tag in tags if number(tag, "type") != PERSONAL_TAG)
    own = tuple(text(tag, "tag_name") for tag in tags if number(tag, "type") == PERSONAL_TAG)
    return FollowInfo(
        user_id=text(row, "userid"),
        remark=text(row, "remark"),
        description=text(row, "description"),
        began_at=moment(row, "createtime"),
        tag_ids=texts(row, "tag_id") or tuple(filter(None, shared)),
        personal_tags=tuple(filter(None, own)),
        company=text(row, "remark_corp_name"),
        mobiles=texts(row, "remark_mobiles"),
        add_way=number(row, "add_way"),
        state=text(row, "state"),
        oper_user_id=text(row, "oper_userid"),
    )
