"""Company messages of WeCom as a message channel.

Handing a parcel over sends nothing yet: it becomes a task that the sender confirms in the WeCom
app. One call names one sender, and so carries one text for all of that sender's customers.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from connectors.base import (
    Abilities,
    AttachmentGone,
    ChannelBusy,
    ChannelMisconfigured,
    ChannelRefused,
    ChannelUnclear,
    Fate,
    Handed,
    Parcel,
    Progress,
    Recovery,
    Result,
    Upload,
)
from connectors.wecom.api import attachments as attach
from connectors.wecom.api.media import MediaFile, MediaKind, upload_for_moments, upload_media
from connectors.wecom.api.messages import (
    LONGEST_SPAN,
    CreatedMessage,
    MessageTemplate,
    SendStatus,
    SendTask,
    TaskStatus,
    add_msg_template,
    cancel_groupmsg_send,
    get_groupmsg_list_v2,
    get_groupmsg_send_result,
    get_groupmsg_task,
    remind_groupmsg_send,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.error_table import ErrorKind
from connectors.wecom.errors import Busy, ConfigProblem, Refused, Unclear

AROUND = timedelta(minutes=10)
"""How far WeCom's clock may be behind ours when a message is looked for by its time."""

UPLOAD_AGAIN = 5.0
NO_SUCH_MEDIA = 40007
NOT_UPLOADED = "This channel wants the file itself, not its address. Upload it."

T = TypeVar("T")

FATES: dict[int, Fate] = {
    SendStatus.WAITING: Fate.WAITING,
    SendStatus.SENT: Fate.SENT,
    SendStatus.NOT_A_FRIEND: Fate.NOT_A_FRIEND,
    SendStatus.RECEIVE_LIMIT: Fate.RECEIVE_LIMIT,
}


class WeComConnector:
    """Sends campaigns as company messages; without a client it only knows its abilities."""

    kind = "wecom"
    abilities = Abilities(
        recovery=Recovery.ASKABLE,
        max_per_call=10_000,
        one_sender_per_call=True,
        personal_text=False,
        text_bytes=attach.MAX_TEXT_BYTES,
        needs_confirmation=True,
        attachment_kinds=("link", "image", "mini_program", "video", "file"),
        keeps_media=True,
        address_kinds=("wecom:external_userid",),
    )

    def __init__(self, client: WeComClient | None) -> None:
        self._client = client

    def send(self, parcel: Parcel) -> Handed:
        """Create one task for the sender; nobody has got anything yet."""

        def create() -> CreatedMessage:
            template = MessageTemplate(
                text=parcel.text,
                attachments=[in_wecoms_form(item) for item in parcel.attachments],
                sender=parcel.sender,
                external_user_ids=parcel.addresses,
            )
            return add_msg_template(self._connected(), template)

        created = sending(create)
        return Handed(created.msg_id, created.failed_ids)

    def look_up(
        self, parcel: Parcel, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Handed | None:
        """Look for a message of the right time and words that went to these very customers.

        The words alone would not do: a sender may have several parcels with the same words. One of
        other words may be it, since names in them may have changed: then it is unclear.
        """
        wanted = set(parcel.addresses)
        start, until = looked_through(since, until, longest=LONGEST_SPAN)
        others: list[str] = []

        def of_these_words(client: WeComClient) -> Iterator[tuple[str, set[str]]]:
            for message in get_groupmsg_list_v2(client, start, until):
                if message.msg_id in known:
                    continue
                if message.text == parcel.text:
                    yield (
                        message.msg_id,
                        self._reached_by(client, message.msg_id, parcel, wanted),
                    )
                else:
                    others.append(message.msg_id)

        def search() -> Handed | None:
            client = self._connected()
            if found := best_match(of_these_words(client), wanted):
                return found
            if any(self._may_be(client, msg_id, parcel, wanted) for msg_id in others):
                raise ChannelUnclear("WeCom has a message of other words to these customers")
            return None

        return asking(search)

    def progress(self, parcel: Parcel, *, reference: str) -> Progress:
        """Ask whether the sender has confirmed, and if so, what became of each customer."""

        def ask() -> Progress:
            client = self._connected()
            try:
                task = _task_of(get_groupmsg_task(client, reference), parcel.sender)
            except Refused as refused:
                if refused.kind is not ErrorKind.OVER:
                    raise
                return Progress(
                    None, self._last_results(client, reference, parcel.sender), over=True
                )
            if task is None or task.status != TaskStatus.CONFIRMED:
                return Progress(None, ())
            confirmed_at = task.confirmed_at or datetime.now(tz=UTC)
            return Progress(confirmed_at, list(self._results(client, reference, parcel.sender)))

        return asking(ask)

    def remind(self, reference: str) -> None:
        """Remind the sender; WeCom allows three times in 24 hours per message."""
        asking(lambda: remind_groupmsg_send(self._connected(), reference))

    def cancel(self, reference: str) -> None:
        """Withdraw the task if the sender has not confirmed it."""
        asking(lambda: cancel_groupmsg_send(self._connected(), reference))

    def upload(self, file: Upload) -> str:
        """Give WeCom a file that goes with a message."""
        return uploading(self._connected(), file)

    def _reached_by(
        self, client: WeComClient, msg_id: str, parcel: Parcel, wanted: set[str]
    ) -> set[str]:
        """Whom one sender's part of a message is for; nobody if it is for anybody not wanted.

        It may be for as many others as were in the parcel and have been forgotten since.
        """
        reached: set[str] = set()
        others: set[str] = set()
        try:
            for row in get_groupmsg_send_result(client, msg_id, parcel.sender):
                is_wanted = row.external_user_id in wanted
                (reached if is_wanted else others).add(row.external_user_id)
                if len(others) > parcel.forgotten:
                    return set()
        except Refused:  # another sender's message
            return set()
        return reached

    def _may_be(self, client: WeComClient, msg_id: str, parcel: Parcel, wanted: set[str]) -> bool:
        """Whether a message of other words is the sender's, and to none but these customers.

        Its senders are asked for first: WeCom blocks who asks too often for what is not there.
        """
        try:
            task = _task_of(get_groupmsg_task(client, msg_id), parcel.sender)
        except Refused:
            return False
        return task is not None and bool(self._reached_by(client, msg_id, parcel, wanted))

    def _last_results(self, client: WeComClient, reference: str, sender: str) -> list[Result]:
        """What became of the customers before the message was cancelled, if WeCom still says."""
        try:
            return list(self._results(client, reference, sender))
        except Refused:
            return []

    def _results(self, client: WeComClient, reference: str, sender: str) -> Iterator[Result]:
        for row in get_groupmsg_send_result(client, reference, sender):
            fate = FATES.get(row.status)
            if fate:
                yield Result(row.external_user_id, fate, row.sent_at)

    def _connected(self) -> WeComClient:
        if self._client is None:
            raise ConfigProblem(0, "WeCom is not set up")
        return self._client


def _task_of(tasks: Iterator[SendTask], sender: str) -> SendTask | None:
    wanted = sender.lower()
    return next((task for task in tasks if task.user_id.lower() == wanted), None)


def looked_through(
    since: datetime, until: datetime, *, longest: timedelta
) -> tuple[datetime, datetime]:
    """Return where to look for what was handed over at ``since``, within the span WeCom lists."""
    start = min(since, until) - AROUND
    return start, min(until, start + longest)


def best_match(found: Iterable[tuple[str, Collection[str]]], wanted: set[str]) -> Handed | None:
    """Return what went to all who are wanted, or to most: WeCom refused the others.

    ``found`` are ids and whom of the wanted each went to. Raises ``ChannelUnclear`` for what went
    to less than half: it may be somebody else's, who wrote the same words to a few of them.
    """
    best, reached = "", set[str]()
    for reference, its in found:
        if len(its) > len(reached):
            best, reached = reference, set(its)
        if len(reached) == len(wanted):
            break
    if reached and 2 * len(reached) < len(wanted):
        raise ChannelUnclear("WeCom has a message of these words to only a few of these customers")
    return Handed(best, wanted - reached) if reached else None


def sending(call: Callable[[], T]) -> T:
    """Make a call that must not be made twice, and turn its failures into the channel's words.

    WeCom's "system busy" (-1) does not promise that nothing was done, so it is unclear too.
    """
    try:
        return call()
    except Busy as busy:
        if not busy.surely_nothing_done:
            raise ChannelUnclear(str(busy)) from busy
        raise ChannelBusy(str(busy), retry_after=busy.retry_after) from busy
    except ConfigProblem as problem:
        raise ChannelMisconfigured(str(problem), retry_after=problem.retry_after) from problem
    except (Refused, ValueError) as refused:
        if isinstance(refused, Refused) and refused.errcode == NO_SUCH_MEDIA:
            raise AttachmentGone(str(refused), retry_after=UPLOAD_AGAIN) from refused
        raise ChannelRefused(str(refused)) from refused
    except Unclear as unclear:
        raise ChannelUnclear(str(unclear)) from unclear


def asking(call: Callable[[], T]) -> T:
    """Turn the failures of a question, which changes nothing, into the channel's words."""
    try:
        return call()
    except Busy as busy:
        raise ChannelBusy(str(busy), retry_after=busy.retry_after) from busy
    except ConfigProblem as problem:
        raise ChannelMisconfigured(str(problem), retry_after=problem.retry_after) from problem
    except Refused as refused:
        raise ChannelRefused(str(refused)) from refused
    except Unclear as unclear:
        raise ChannelUnclear(str(unclear)) from unclear


def uploading(client: WeComClient, file: Upload) -> str:
    """Upload a file for messages or moments, with its failures in the channel's words.

    An upload whose answer was lost is simply made again.
    """
    kind = MediaKind(file.kind)
    media = MediaFile(file.name, file.content, file.media_type)
    put = upload_for_moments if file.for_moments else upload_media

    def call() -> str:
        return put(client, kind, media).media_id

    try:
        return asking(call)
    except ValueError as error:
        raise ChannelRefused(str(error)) from error
    except ChannelUnclear as unclear:
        raise ChannelBusy(str(unclear), retry_after=UPLOAD_AGAIN) from unclear


def in_wecoms_form(item: Mapping[str, Any]) -> attach.Attachment:
    """Turn our own shape of an attachment into WeCom's.

    Raises ``ValueError`` for unknown ones, and such as lack what WeCom wants.
    """
    try:
        return _in_wecoms_form(item)
    except KeyError as missing:
        if missing.args == ("reference",):
            raise ValueError(NOT_UPLOADED) from missing
        raise ValueError(f"an attachment lacks its {missing}") from missing


def _in_wecoms_form(item: Mapping[str, Any]) -> attach.Attachment:
    match item.get("kind"):
        case "link":
            return attach.link(
                item["title"],
                item["url"],
                description=item.get("description", ""),
                picture_url=item.get("picture_url", ""),
            )
        case "mini_program":
            return attach.mini_program(
                item["title"],
                item["app_id"],
                item["page"],
                picture_media_id=item["reference"],
            )
        case "image":
            return attach.image(item["reference"])
        case "video":
            return attach.video(item["reference"])
        case "file":
            return attach.file(item["reference"])
        case kind:
            raise ValueError(f"WeCom cannot send an attachment of kind {kind!r}")


def in_moments_form(item: Mapping[str, Any]) -> attach.Attachment:
    """Turn an attachment into the form of moments: their links have an uploaded picture."""
    if item.get("kind") != "link":
        return in_wecoms_form(item)
    return attach.moment_link(
        item["title"], item["url"], picture_media_id=item.get("reference", "")
    )
