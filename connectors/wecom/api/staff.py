"""Members of the company (WeCom docs 90196, 90200, 96067, 92571)."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum

from connectors.wecom.api.fields import clamp, number, numbers, rows, rows_of, text, texts
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import NO_ANSWER, ConfigProblem, Refused

MAX_USER_IDS = 10_000
UNKNOWN_USER = frozenset({60111, 40003})
NO_SUCH_ADDRESS = 40066
NOT_VISIBLE = UNKNOWN_USER | {60011, 60021, 84074, 610004, NO_SUCH_ADDRESS}
NOT_PERMITTED = frozenset({48002, 48004, 48005, 48006, 301002, NO_ANSWER})
"""This part of the API is not for the app, or is not there; the others may well be."""


class MemberStatus(IntEnum):
    """What WeCom says of a member; ``Member.status`` may also hold a number not listed here."""

    UNKNOWN = 0
    ACTIVE = 1
    DISABLED = 2
    NOT_ACTIVATED = 4
    LEFT = 5


@dataclass(frozen=True, slots=True)
class Member:
    user_id: str
    name: str
    department_ids: tuple[int, ...]
    status: int
    position: str


@dataclass(frozen=True, slots=True)
class MemberPlace:
    """A member's id and one department that they are in."""

    user_id: str
    department_id: int


def get_follow_user_list(client: WeComClient) -> tuple[str, ...]:
    """Return the ids of the members who may serve customers (客户联系)."""
    return texts(
        client.call("externalcontact/get_follow_user_list", idempotent=True), "follow_user"
    )


def get_user(client: WeComClient, user_id: str) -> Member | None:
    """Return a member; ``None`` when there is none of this id or the app may not see them."""
    try:
        answer = client.call("user/get", params={"userid": user_id}, idempotent=True)
    except Refused as refused:
        if refused.errcode in NOT_VISIBLE:
            return None
        raise
    except ConfigProblem as problem:
        if problem.errcode in NOT_PERMITTED:
            return None
        raise
    return _member(answer)


class Presence(Enum):
    """Whether somebody is a member of the company in WeCom, as far as the app may know."""

    HERE = "here"
    GONE = "gone"
    UNTOLD = "untold"


def presence_of(client: WeComClient, user_id: str) -> Presence:
    """Return whether this is a member; untold where the app may not see them."""
    try:
        answer = client.call("user/get", params={"userid": user_id}, idempotent=True)
    except Refused as refused:
        if refused.errcode in NOT_VISIBLE:
            return Presence.GONE if refused.errcode in UNKNOWN_USER else Presence.UNTOLD
        raise
    except ConfigProblem as problem:
        if problem.errcode in NOT_PERMITTED:
            return Presence.UNTOLD
        raise
    return Presence.GONE if _member(answer).status == MemberStatus.LEFT else Presence.HERE


def user_simplelist(client: WeComClient, department_id: int) -> tuple[Member, ...]:
    """Return the members of a department; none when the app may not see it.

    Their status is not told.
    """
    params = {"department_id": str(department_id)}
    try:
        answer = client.call("user/simplelist", params=params, idempotent=True)
    except Refused as refused:
        if refused.errcode in NOT_VISIBLE:
            return ()
        raise
    except ConfigProblem as problem:
        if problem.errcode in NOT_PERMITTED:
            return ()
        raise
    return tuple(_member(row) for row in rows(answer, "userlist"))


def user_list_id(client: WeComClient, *, limit: int = MAX_USER_IDS) -> Iterator[MemberPlace]:
    """Yield every member id that the app may see, once for each of the member's departments."""
    payload = {"limit": clamp(limit, MAX_USER_IDS)}
    for row in rows_of(client.follow_cursor("user/list_id", payload), "dept_user"):
        yield MemberPlace(text(row, "userid"), number(row, "department"))


def _member(row: dict[str, object]) -> Member:
    return Member(
        user_id=text(row, "userid"),
        name=text(row, "name"),
        department_ids=numbers(row, "department"),
        status=number(row, "status"),
        position=text(row, "position"),
    )
