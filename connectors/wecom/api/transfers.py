"""Handing customers and group chats over (WeCom docs 92125, 94081, 92124, 92127, 95703).

There are two sets of endpoints: for members who still work here ("on the job"), and for those
who have left. An accepted call only starts the transfer: the customer has 24 hours to refuse, and
only the result endpoints tell the outcome.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from connectors.wecom.api.fields import (
    clamp,
    moment,
    number,
    require,
    require_at_most,
    rows,
    rows_of,
    text,
    without_empty,
)
from connectors.wecom.client import WeComClient

MAX_PER_CALL = 100
MAX_ROWS = 1000
MAX_MESSAGE = 200
UNDER_WAY = frozenset({0, 40100, 40129})
"""Accepted now, or already in transfer, which is what a repeated call is told."""


class TransferState(IntEnum):
    """How far a transfer is; the numbers are WeCom's."""

    UNKNOWN = 0
    DONE = 1
    WAITING = 2
    REFUSED = 3
    FULL = 4
    NO_RECORD = 5


@dataclass(frozen=True, slots=True)
class TransferItem:
    """WeCom's answer for one customer. Customers missing in the answer have no item."""

    external_user_id: str
    errcode: int

    @property
    def pending(self) -> bool:
        """Whether the transfer is under way, now or from an earlier call."""
        return self.errcode in UNDER_WAY


@dataclass(frozen=True, slots=True)
class TransferResult:
    """``takeover_at`` is when it happened or, while waiting, when it will by itself."""

    external_user_id: str
    state: TransferState
    takeover_at: datetime | None


@dataclass(frozen=True, slots=True)
class Unassigned:
    """A customer whom a member left behind."""

    handover_user_id: str
    external_user_id: str
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnassignedPage:
    """One page of them; ``next_cursor`` is where the next one begins, empty on the last."""

    rows: tuple[Unassigned, ...]
    next_cursor: str


@dataclass(frozen=True, slots=True)
class ChatFailure:
    chat_id: str
    errcode: int


def get_unassigned_list(client: WeComClient, *, page_size: int = MAX_ROWS) -> Iterator[Unassigned]:
    """Yield the customers of all members who left within a year, not yet handed over."""
    for page in unassigned_pages(client, page_size=page_size):
        yield from page.rows


def unassigned_pages(
    client: WeComClient, *, page_size: int = MAX_ROWS, cursor: str = ""
) -> Iterator[UnassignedPage]:
    """Yield them page by page, from ``cursor`` on."""
    payload = {"page_size": clamp(page_size, MAX_ROWS)}
    path = "externalcontact/get_unassigned_list"
    for page in client.follow_cursor(path, payload, cursor=cursor):
        found = tuple(
            Unassigned(
                handover_user_id=text(row, "handover_userid"),
                external_user_id=text(row, "external_userid"),
                left_at=moment(row, "dimission_time"),
            )
            for row in rows(page, "info")
        )
        last = page.get("is_last") is True
        yield UnassignedPage(found, "" if last else text(page, "next_cursor"))


def transfer_customer(
    client: WeComClient,
    handover_user_id: str,
    takeover_user_id: str,
    external_user_ids: Sequence[str],
    *,
    success_message: str = "",
) -> tuple[TransferItem, ...]:
    """Start handing over at most 100 customers of a member who still works here.

    After ``Unclear`` the same call may be repeated: what had begun answers 40100 or 40129, which
    count as ``pending``. Raises ``ValueError`` for too many customers or too long a message.
    """
    require_at_most(success_message, MAX_MESSAGE, "characters of the message")
    payload = _transfer(handover_user_id, takeover_user_id, external_user_ids)
    payload |= without_empty({"transfer_success_msg": success_message})
    return _items(client, "externalcontact/transfer_customer", payload)


def resigned_transfer_customer(
    client: WeComClient,
    handover_user_id: str,
    takeover_user_id: str,
    external_user_ids: Sequence[str],
) -> tuple[TransferItem, ...]:
    """Start handing over at most 100 customers of a member who has left; see above."""
    payload = _transfer(handover_user_id, takeover_user_id, external_user_ids)
    return _items(client, "externalcontact/resigned/transfer_customer", payload)


def transfer_result(
    client: WeComClient, handover_user_id: str, takeover_user_id: str
) -> Iterator[TransferResult]:
    """Yield how far each customer of an on-the-job transfer is."""
    path = "externalcontact/transfer_result"
    return _results(client, path, handover_user_id, takeover_user_id)


def resigned_transfer_result(
    client: WeComClient, handover_user_id: str, takeover_user_id: str
) -> Iterator[TransferResult]:
    """Yield how far each customer of a leaver's transfer is."""
    path = "externalcontact/resigned/transfer_result"
    return _results(client, path, handover_user_id, takeover_user_id)


def groupchat_transfer(
    client: WeComClient, chat_ids: Sequence[str], new_owner: str
) -> tuple[ChatFailure, ...]:
    """Give at most 100 group chats of members who have left to a new owner, at once.

    Returns those that could not be; WeCom takes 300 a day for each owner.
    """
    return _chats(client, "externalcontact/groupchat/transfer", chat_ids, new_owner)


def groupchat_onjob_transfer(
    client: WeComClient, chat_ids: Sequence[str], new_owner: str
) -> tuple[ChatFailure, ...]:
    """Like ``groupchat_transfer``, for owners who still work here."""
    return _chats(client, "externalcontact/groupchat/onjob_transfer", chat_ids, new_owner)


def _transfer(giver: str, taker: str, customers: Sequence[str]) -> dict[str, object]:
    require(sound=bool(customers), why="a transfer needs customers")
    require_at_most(customers, MAX_PER_CALL, "customers")
    return {
        "handover_userid": giver,
        "takeover_userid": taker,
        "external_userid": list(customers),
    }


def _items(client: WeComClient, path: str, payload: dict[str, object]) -> tuple[TransferItem, ...]:
    answer = client.call(path, payload, idempotent=False)
    return tuple(
        TransferItem(text(row, "external_userid"), number(row, "errcode", default=-1))
        for row in rows(answer, "customer")
    )


def _results(client: WeComClient, path: str, giver: str, taker: str) -> Iterator[TransferResult]:
    payload = {"handover_userid": giver, "takeover_userid": taker}
    for row in rows_of(client.follow_cursor(path, payload), "customer"):
        yield TransferResult(
            external_user_id=text(row, "external_userid"),
            state=_state(number(row, "status")),
            takeover_at=moment(row, "takeover_time"),
        )


def _state(status: int) -> TransferState:
    try:
        return TransferState(status)
    except ValueError:
        return TransferState.UNKNOWN


def _chats(
    client: WeComClient, path: str, chat_ids: Sequence[str], new_owner: str
) -> tuple[ChatFailure, ...]:
    require(sound=bool(chat_ids), why="a transfer needs group chats")
    require_at_most(chat_ids, MAX_PER_CALL, "group chats")
    payload = {"chat_id_list": list(chat_ids), "new_owner": new_owner}
    answer = client.call(path, payload, idempotent=False)
    return tuple(
        ChatFailure(text(row, "chat_id"), number(row, "errcode", default=-1))
        for row in rows(answer, "failed_chat_list")
    )
