"""Moments: posts of the company that members publish to their customers (WeCom doc 93333 and on).

Creating one publishes nothing: every member gets a task and publishes it in the WeCom app. The
call answers with the id of a job, and the job, once done, with the id of the moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from connectors.wecom.api.attachments import Attachment
from connectors.wecom.api.fields import (
    clamp,
    moment,
    number,
    record,
    require,
    require_at_most,
    rows,
    rows_of,
    texts,
    without_empty,
)
from connectors.wecom.api.fields import text as _text
from connectors.wecom.client import WeComClient
from connectors.wecom.error_table import NO_ID
from connectors.wecom.errors import NO_ANSWER, Refused, Unclear

MAX_TEXT = 2_000
MAX_IMAGES = 9
MAX_SENDERS = 10_000
MAX_MOMENTS = 100
MAX_TASKS = 1_000
MAX_RESULTS = 5_000
LONGEST_SPAN = timedelta(days=30)
JOB_LASTS = timedelta(hours=24)
CANCELLED = 41093


class JobStatus(IntEnum):
    STARTED = 1
    RUNNING = 2
    DONE = 3


@dataclass(frozen=True, slots=True)
class MomentJob:
    """How far WeCom is with making a moment; ``errcode`` other than 0 means that it made none."""

    status: int
    errcode: int
    errmsg: str
    moment_id: str
    invalid_senders: tuple[str, ...]
    invalid_tags: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        return self.status == JobStatus.DONE


@dataclass(frozen=True, slots=True)
class Moment:
    moment_id: str
    creator: str
    created_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class MomentTask:
    user_id: str
    is_published: bool


@dataclass(frozen=True, slots=True)
class Reactions:
    """How many comments and likes one member's copy of a moment has, by whose they are."""

    customer_comments: int = 0
    staff_comments: int = 0
    customer_likes: int = 0
    staff_likes: int = 0

    @property
    def comments(self) -> int:
        return self.customer_comments + self.staff_comments

    @property
    def likes(self) -> int:
        return self.customer_likes + self.staff_likes


@dataclass(frozen=True, slots=True)
class Reactor:
    """Somebody who commented or liked, once for each time."""

    address: str
    is_staff: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Said:
    """Who commented on one member's copy of a moment, and who likes it."""

    comments: tuple[Reactor, ...] = ()
    likes: tuple[Reactor, ...] = ()

    @property
    def counts(self) -> Reactions:
        """How many there are, by whose they are."""
        staff_comments = sum(who.is_staff for who in self.comments)
        staff_likes = sum(who.is_staff for who in self.likes)
        return Reactions(
            customer_comments=len(self.comments) - staff_comments,
            staff_comments=staff_comments,
            customer_likes=len(self.likes) - staff_likes,
            staff_likes=staff_likes,
        )


def add_moment_task(
    client: WeComClient,
    *,
    text: str = "",
    attachments: Sequence[Attachment] = (),
    user_ids: Sequence[str],
    tag_ids: Sequence[str] = (),
) -> str:
    """Ask members to publish a moment to their customers with any of the tags; return the job's id.

    Never repeat it blindly after ``Unclear``: whether it arrived is found with
    ``get_moment_list``. Raises ``ValueError`` for what WeCom would refuse: text of more than
    2,000 characters, or other than nine images, one video or one link.
    """
    require(sound=bool(text or attachments), why="a moment needs a text or an attachment")
    require_at_most(text, MAX_TEXT, "characters")
    require(sound=bool(user_ids), why="a moment needs members who publish it")
    require_at_most(user_ids, MAX_SENDERS, "members")
    _require_kinds(attachments)
    payload = without_empty(
        {
            "text": {"content": text} if text else {},
            "attachments": [dict(item) for item in attachments],
            "visible_range": without_empty(
                {
                    "sender_list": {"user_list": list(user_ids)},
                    "external_contact_list": {"tag_list": list(tag_ids)} if tag_ids else {},
                }
            ),
        }
    )
    answer = client.call("externalcontact/add_moment_task", payload, idempotent=False)
    job_id = _text(answer, "jobid")
    if not job_id:
        raise Unclear(NO_ANSWER, NO_ID, path="externalcontact/add_moment_task")
    return job_id


def get_moment_task_result(client: WeComClient, job_id: str) -> MomentJob:
    """Ask what became of a job; WeCom remembers it for 24 hours."""
    answer = client.call(
        "externalcontact/get_moment_task_result", params={"jobid": job_id}, idempotent=True
    )
    result = record(answer, "result")
    return MomentJob(
        status=number(answer, "status"),
        errcode=number(result, "errcode"),
        errmsg=_text(result, "errmsg"),
        moment_id=_text(result, "moment_id"),
        invalid_senders=texts(record(result, "invalid_sender_list"), "user_list"),
        invalid_tags=texts(record(result, "invalid_external_contact_list"), "tag_list"),
    )


def get_moment_list(
    client: WeComClient, start: datetime, end: datetime, *, limit: int = MAX_MOMENTS
) -> Iterator[Moment]:
    """Yield the company's moments created from ``start`` to ``end``, at most 30 days apart."""
    require(sound=end - start <= LONGEST_SPAN, why="WeCom lists at most one month of moments")
    payload = {
        "start_time": int(start.timestamp()),
        "end_time": int(end.timestamp()),
        "filter_type": 0,
        "limit": clamp(limit, MAX_MOMENTS),
    }
    pages = client.follow_cursor("externalcontact/get_moment_list", payload)
    for row in rows_of(pages, "moment_list"):
        yield Moment(
            moment_id=_text(row, "moment_id"),
            creator=_text(row, "creator"),
            created_at=moment(row, "create_time"),
            text=_text(record(row, "text"), "content"),
        )


def get_moment_task(
    client: WeComClient, moment_id: str, *, limit: int = MAX_TASKS
) -> Iterator[MomentTask]:
    """Yield who is to publish a moment, and who has."""
    payload = {"moment_id": moment_id, "limit": clamp(limit, MAX_TASKS)}
    pages = client.follow_cursor("externalcontact/get_moment_task", payload)
    for row in rows_of(pages, "task_list"):
        yield MomentTask(_text(row, "userid"), number(row, "publish_status") == 1)


def get_moment_customer_list(
    client: WeComClient, moment_id: str, user_id: str, *, limit: int = MAX_TASKS
) -> Iterator[str]:
    """Yield the customers who may see one member's copy of a moment."""
    yield from _customers(client, "get_moment_customer_list", moment_id, user_id, limit, MAX_TASKS)


def get_moment_send_result(
    client: WeComClient, moment_id: str, user_id: str, *, limit: int = MAX_RESULTS
) -> Iterator[str]:
    """Yield the customers to whom one member's copy of a moment was shown."""
    yield from _customers(client, "get_moment_send_result", moment_id, user_id, limit, MAX_RESULTS)


def get_moment_comments(client: WeComClient, moment_id: str, user_id: str) -> Said:
    """Return who commented on one member's copy of a moment, and who likes it.

    Members carry a ``userid``, customers an ``external_userid``. What they wrote WeCom keeps.
    """
    payload = {"moment_id": moment_id, "userid": user_id}
    answer = client.call("externalcontact/get_moment_comments", payload, idempotent=True)
    return Said(
        comments=_people(rows(answer, "comment_list")), likes=_people(rows(answer, "like_list"))
    )


def _people(said: Sequence[Mapping[str, Any]]) -> tuple[Reactor, ...]:
    return tuple(
        Reactor(
            address=_text(row, "userid") or _text(row, "external_userid"),
            is_staff=bool(_text(row, "userid")),
            at=moment(row, "create_time"),
        )
        for row in said
    )


def cancel_moment_task(client: WeComClient, moment_id: str) -> None:
    """Withdraw a moment from the members who have not published it; once cancelled is enough."""
    payload = {"moment_id": moment_id}
    try:
        client.call("externalcontact/cancel_moment_task", payload, idempotent=True)
    except Refused as refused:
        if refused.errcode != CANCELLED:
            raise


def _customers(
    client: WeComClient, name: str, moment_id: str, user_id: str, limit: int, most: int
) -> Iterator[str]:
    payload = {"moment_id": moment_id, "userid": user_id, "limit": clamp(limit, most)}
    pages = client.follow_cursor(f"externalcontact/{name}", payload)
    for row in rows_of(pages, "customer_list"):
        yield _text(row, "external_userid")


def _require_kinds(attachments: Sequence[Attachment]) -> None:
    kinds = [item.get("msgtype") for item in attachments]
    only_images = all(kind == "image" for kind in kinds) and len(kinds) <= MAX_IMAGES
    one_other = kinds in (["video"], ["link"])
    require(
        sound=only_images or one_other,
        why="a moment takes at most nine images, or one video, or one link",
    )
