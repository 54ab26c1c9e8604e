"""Messages to customers: the welcome, and the company's messages that staff confirm.

WeCom docs 92137 (welcome), 92135 (create), 93338 (results), 97610 (remind, cancel). Creating a
message sends nothing: it becomes a task for each member, who confirms it in the WeCom app.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from connectors.wecom.api.attachments import Attachment, words
from connectors.wecom.api.fields import (
    clamp,
    moment,
    number,
    record,
    require,
    require_at_most,
    rows_of,
    text,
    texts,
    without_empty,
)
from connectors.wecom.budget import DAY, Limit
from connectors.wecom.client import WeComClient
from connectors.wecom.error_table import NO_ID
from connectors.wecom.errors import NO_ANSWER, Busy, Refused, Unclear, WeComError

MAX_CUSTOMERS = 10_000
MAX_CHATS = 2_000
MAX_RESULTS = 1_000
MAX_MESSAGES = 100
LONGEST_SPAN = timedelta(days=31)
REMINDERS = Limit(3, DAY)
NOBODY = 41048
CANCELLED = 41093
REMINDED_TOO_OFTEN = 41094


class WelcomeOutcome(StrEnum):
    SENT = "sent"
    EXPIRED = "expired"
    """The code is not valid, or its 20 seconds are over."""

    SUPERSEDED = "superseded"
    """The customer has been greeted already, or the chat has begun: final."""

    OTHER_APP = "other_app"
    """Another app is at it; one more attempt may be made."""


WELCOME_OUTCOMES = {
    41050: WelcomeOutcome.EXPIRED,
    41051: WelcomeOutcome.SUPERSEDED,
    41096: WelcomeOutcome.OTHER_APP,
}


class ChatType(StrEnum):
    SINGLE = "single"
    GROUP = "group"


class TaskStatus(IntEnum):
    """Whether a member has confirmed; ``SendTask.status`` may also hold another number."""

    WAITING = 0
    CONFIRMED = 2


class SendStatus(IntEnum):
    """What became of one customer; not the same numbers as ``TaskStatus``."""

    WAITING = 0
    SENT = 1
    NOT_A_FRIEND = 2
    RECEIVE_LIMIT = 3


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """One message of the company. ``sender`` is a member; without one, each customer's latest."""

    text: str = ""
    attachments: Sequence[Attachment] = ()
    sender: str = ""
    external_user_ids: Sequence[str] = ()
    chat_ids: Sequence[str] = ()
    chat_type: ChatType = ChatType.SINGLE
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreatedMessage:
    """``msg_id`` is empty when there was nobody to whom it could go (``nobody``)."""

    msg_id: str
    failed_ids: tuple[str, ...]
    nobody: bool


@dataclass(frozen=True, slots=True)
class GroupMessage:
    msg_id: str
    creator: str
    created_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class SendTask:
    user_id: str
    status: int
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SendResult:
    external_user_id: str
    chat_id: str
    user_id: str
    status: int
    sent_at: datetime | None


def send_welcome_msg(
    client: WeComClient,
    welcome_code: str,
    *,
    text: str = "",
    attachments: Sequence[Attachment] = (),
) -> WelcomeOutcome:
    """Greet the new contact that a callback brought, within 20 seconds of it.

    After ``Unclear`` it may be called once more: WeCom takes a code once, and SUPERSEDED then
    means that the first call arrived, or that another app did. ``Refused`` with 40007 says that
    an attachment has expired: the text alone may still go.
    """
    payload = {"welcome_code": welcome_code, **words(text, attachments)}
    try:
        client.call("externalcontact/send_welcome_msg", payload, idempotent=False)
    except (Refused, Busy) as failure:
        if failure.errcode in WELCOME_OUTCOMES:
            return WELCOME_OUTCOMES[failure.errcode]
        raise
    return WelcomeOutcome.SENT


def add_msg_template(client: WeComClient, template: MessageTemplate) -> CreatedMessage:
    """Create a message for staff to confirm; never repeat it blindly after ``Unclear``.

    Whether a lost call arrived is found with ``get_groupmsg_list_v2``. Ids that cannot be
    reached come back in ``failed_ids``. Raises ``ValueError`` for what WeCom would refuse.
    """
    require_at_most(template.external_user_ids, MAX_CUSTOMERS, "customers")
    require_at_most(template.chat_ids, MAX_CHATS, "group chats")
    named = template.sender or template.external_user_ids
    require(sound=bool(named), why="a message needs a sender or customers")
    payload = without_empty(
        {
            "chat_type": template.chat_type.value,
            "external_userid": list(template.external_user_ids),
            "chat_id_list": list(template.chat_ids),
            "sender": template.sender,
            **words(template.text, template.attachments),
            **template.extras,
        }
    )
    try:
        answer = client.call("externalcontact/add_msg_template", payload, idempotent=False)
    except Refused as refused:
        if refused.errcode == NOBODY:
            return CreatedMessage("", texts(refused.answer, "fail_list"), nobody=True)
        raise
    created = CreatedMessage(text(answer, "msgid"), texts(answer, "fail_list"), nobody=False)
    asked_for = {*template.external_user_ids, *template.chat_ids}
    if not created.msg_id and not (asked_for and asked_for <= set(created.failed_ids)):
        raise Unclear(NO_ANSWER, NO_ID, path="externalcontact/add_msg_template")
    return created


def get_groupmsg_list_v2(
    client: WeComClient,
    start: datetime,
    end: datetime,
    *,
    chat_type: ChatType = ChatType.SINGLE,
    limit: int = MAX_MESSAGES,
) -> Iterator[GroupMessage]:
    """Yield the company's messages created from ``start`` to ``end``, at most a month apart."""
    require(sound=end - start <= LONGEST_SPAN, why="WeCom lists at most one month of messages")
    payload = {
        "chat_type": chat_type.value,
        "start_time": int(start.timestamp()),
        "end_time": int(end.timestamp()),
        "limit": clamp(limit, MAX_MESSAGES),
    }
    pages = client.follow_cursor("externalcontact/get_groupmsg_list_v2", payload)
    for row in rows_of(pages, "group_msg_list"):
        yield GroupMessage(
            msg_id=text(row, "msgid"),
            creator=text(row, "creator"),
            created_at=moment(row, "create_time"),
            text=text(record(row, "text"), "content"),
        )


def get_groupmsg_task(
    client: WeComClient, msg_id: str, *, limit: int = MAX_RESULTS
) -> Iterator[SendTask]:
    """Yield who has to confirm a message, and who has.

    Wait some minutes after creating it: before, WeCom answers ``Busy`` (41063). ``Refused`` of
    kind OVER means that the message is cancelled or forgotten.
    """
    payload = {"msgid": msg_id, "limit": clamp(limit, MAX_RESULTS)}
    pages = client.follow_cursor("externalcontact/get_groupmsg_task", payload)
    for row in rows_of(pages, "task_list"):
        confirmed_at = moment(row, "send_time")
        yield SendTask(text(row, "userid"), number(row, "status"), confirmed_at)


def get_groupmsg_send_result(
    client: WeComClient, msg_id: str, user_id: str, *, limit: int = MAX_RESULTS
) -> Iterator[SendResult]:
    """Yield what became of each customer of one member's task."""
    payload = {"msgid": msg_id, "userid": user_id, "limit": clamp(limit, MAX_RESULTS)}
    pages = client.follow_cursor("externalcontact/get_groupmsg_send_result", payload)
    for row in rows_of(pages, "send_list"):
        yield SendResult(
            external_user_id=text(row, "external_userid"),
            chat_id=text(row, "chat_id"),
            user_id=text(row, "userid"),
            status=number(row, "status"),
            sent_at=moment(row, "send_time"),
        )


def remind_groupmsg_send(client: WeComClient, msg_id: str) -> None:
    """Remind the members who have not confirmed; at most three times in 24 hours per message.

    Raises ``Busy`` with the time to wait when that is used up.
    """
    name = f"remind:{msg_id}"
    mark = client.budget.take_one_of_few(name, REMINDERS)
    try:
        client.call("externalcontact/remind_groupmsg_send", {"msgid": msg_id}, idempotent=False)
    except WeComError as failure:
        if _had_no_effect(failure):
            client.budget.put_back(name, mark)
        raise


def cancel_groupmsg_send(client: WeComClient, msg_id: str) -> None:
    """Withdraw a message from the members who have not confirmed; once cancelled is enough."""
    try:
        client.call("externalcontact/cancel_groupmsg_send", {"msgid": msg_id}, idempotent=True)
    except Refused as refused:
        if refused.errcode != CANCELLED:
            raise


def _had_no_effect(failure: WeComError) -> bool:
    surely = isinstance(failure, Busy) and failure.surely_nothing_done
    return surely and failure.errcode != REMINDED_TOO_OFTEN
