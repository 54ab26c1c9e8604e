"""The "contact me" codes (WeCom docs 92228): what our contact codes are called there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from connectors.wecom.api.fields import (
    clamp,
    number,
    record,
    require,
    require_at_most,
    rows_of,
    text,
    texts,
    without_empty,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.errors import Refused

MAX_USERS = 100
MAX_TEXT = 30
MAX_ROWS = 1000
UNKNOWN_WAY = 41044


class WayKind(IntEnum):
    SINGLE = 1
    SEVERAL = 2


class Scene(IntEnum):
    MINI_PROGRAM = 1
    QR_CODE = 2


@dataclass(frozen=True, slots=True)
class ContactWay:
    """A contact code as WeCom keeps it.

    One bad member fails the whole call, so leave out who is not active, verified and allowed to
    serve customers. ``state`` comes back with every customer who scans the code. ``extras`` are
    fields of the call that have no name here.
    """

    users: Sequence[str]
    state: str = ""
    remark: str = ""
    skip_verify: bool = True
    kind: WayKind = WayKind.SEVERAL
    scene: Scene = Scene.QR_CODE
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewContactWay:
    """``qr_code`` is the address of the picture, empty for a mini-program."""

    config_id: str
    qr_code: str


@dataclass(frozen=True, slots=True)
class KeptContactWay:
    """A code that exists, and the address of its picture."""

    way: ContactWay
    qr_code: str


def add_contact_way(client: WeComClient, way: ContactWay) -> NewContactWay:
    """Make a code. Repeating a lost call leaves an orphan: look with ``list_contact_way`` first.

    Raises ``ValueError`` for a way that WeCom would refuse.
    """
    payload = {"type": way.kind.value, "scene": way.scene.value, **_payload(way)}
    answer = client.call("externalcontact/add_contact_way", payload, idempotent=False)
    return NewContactWay(text(answer, "config_id"), text(answer, "qr_code"))


def get_contact_way(client: WeComClient, config_id: str) -> KeptContactWay:
    """Return a code as WeCom has it."""
    payload = {"config_id": config_id}
    answer = client.call("externalcontact/get_contact_way", payload, idempotent=True)
    row = record(answer, "contact_way")
    way = ContactWay(
        users=texts(row, "user"),
        state=text(row, "state"),
        remark=text(row, "remark"),
        skip_verify=row.get("skip_verify") is not False,
        kind=WayKind.SINGLE if number(row, "type") == WayKind.SINGLE else WayKind.SEVERAL,
        scene=Scene.MINI_PROGRAM if number(row, "scene") == Scene.MINI_PROGRAM else Scene.QR_CODE,
    )
    return KeptContactWay(way, text(row, "qr_code"))


def list_contact_way(client: WeComClient, *, limit: int = MAX_ROWS) -> Iterator[str]:
    """Yield the ``config_id`` of every code made since July 2021."""
    payload = {"limit": clamp(limit, MAX_ROWS)}
    pages = client.follow_cursor("externalcontact/list_contact_way", payload)
    for row in rows_of(pages, "contact_way"):
        yield text(row, "config_id")


def update_contact_way(client: WeComClient, config_id: str, way: ContactWay) -> None:
    """Replace what a code says and who is on duty; its kind and scene stay."""
    payload = {"config_id": config_id, **_payload(way)}
    client.call("externalcontact/update_contact_way", payload, idempotent=True)


def del_contact_way(client: WeComClient, config_id: str) -> None:
    """Delete a code; one that is gone already is fine."""
    try:
        client.call("externalcontact/del_contact_way", {"config_id": config_id}, idempotent=True)
    except Refused as refused:
        if refused.errcode != UNKNOWN_WAY:
            raise


def _payload(way: ContactWay) -> dict[str, Any]:
    require_at_most(way.users, MAX_USERS, "members")
    single = way.kind is WayKind.SINGLE
    require(sound=not single or len(way.users) == 1, why="a code of one member needs one member")
    require_at_most(way.state, MAX_TEXT, "characters of the state")
    require_at_most(way.remark, MAX_TEXT, "characters of the remark")
    named = {"user": list(way.users), "state": way.state, "remark": way.remark}
    return without_empty({**named, "skip_verify": way.skip_verify, **way.extras})
