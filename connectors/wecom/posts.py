"""What goes to more than one customer at a time: messages to group chats, and moments.

Both are message channels whose addresses are not customers. A group message names its sender and
group chats of theirs; a moment names the members who are asked to publish it.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from connectors.base import (
    Abilities,
    ChannelRefused,
    Fate,
    Handed,
    Parcel,
    Progress,
    Recovery,
    Result,
    Upload,
)
from connectors.wecom.api import messages, moments
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from connectors.wecom.api.messages import (
    ChatType,
    CreatedMessage,
    MessageTemplate,
    TaskStatus,
    add_msg_template,
    cancel_groupmsg_send,
    get_groupmsg_list_v2,
    get_groupmsg_send_result,
    get_groupmsg_task,
    remind_groupmsg_send,
)
from connectors.wecom.api.moments import (
    MAX_TEXT,
    MomentJob,
    Said,
    add_moment_task,
    cancel_moment_task,
    get_moment_comments,
    get_moment_list,
    get_moment_task,
    get_moment_task_result,
)
from connectors.wecom.client import WeComClient
from connectors.wecom.connector import (
    FATES,
    asking,
    best_match,
    in_moments_form,
    in_wecoms_form,
    looked_through,
    sending,
    uploading,
)
from connectors.wecom.error_table import ErrorKind
from connectors.wecom.errors import Busy, Refused

JOB = "job:"
"""Before WeCom has made a moment it is known by its job; the id of a moment never begins so."""


class WeComGroups:
    """Sends messages to group chats: one call a sender, who confirms it in the WeCom app."""

    kind = "wecom-groups"
    abilities = Abilities(
        recovery=Recovery.ASKABLE,
        max_per_call=2_000,
        one_sender_per_call=True,
        personal_text=False,
        text_bytes=MAX_TEXT_BYTES,
        needs_confirmation=True,
        attachment_kinds=("link", "image", "mini_program", "video", "file"),
        keeps_media=True,
    )

    def __init__(self, client: WeComClient) -> None:
        self._client = client

    def send(self, parcel: Parcel) -> Handed:
        """Create one task for the owner of the chats."""

        def create() -> CreatedMessage:
            template = MessageTemplate(
                text=parcel.text,
                attachments=[in_wecoms_form(item) for item in parcel.attachments],
                sender=parcel.sender,
                chat_ids=parcel.addresses,
                chat_type=ChatType.GROUP,
            )
            return add_msg_template(self._client, template)

        created = sending(create)
        return Handed(created.msg_id, created.failed_ids)

    def look_up(
        self, parcel: Parcel, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Handed | None:
        """Look for a message of the right time and words that went to these very chats."""
        wanted = set(parcel.addresses)
        start, until = looked_through(since, until, longest=messages.LONGEST_SPAN)

        def of_these_words() -> Iterator[tuple[str, set[str]]]:
            found = get_groupmsg_list_v2(self._client, start, until, chat_type=ChatType.GROUP)
            for message in found:
                if message.msg_id in known or message.text != parcel.text:
                    continue
                chats = self._chats_of(message.msg_id, parcel.sender)
                if chats <= wanted:
                    yield message.msg_id, chats

        return asking(lambda: best_match(of_these_words(), wanted))

    def progress(self, parcel: Parcel, *, reference: str) -> Progress:
        """Ask whether the owner has confirmed, and if so, what became of each chat."""

        def ask() -> Progress:
            wanted = parcel.sender.lower()
            tasks = get_groupmsg_task(self._client, reference)
            task = next((task for task in tasks if task.user_id.lower() == wanted), None)
            if task is None or task.status != TaskStatus.CONFIRMED:
                return Progress(None, ())
            rows = get_groupmsg_send_result(self._client, reference, parcel.sender)
            results = [
                Result(row.chat_id, FATES.get(row.status, Fate.WAITING), row.sent_at)
                for row in rows
            ]
            return Progress(task.confirmed_at or datetime.now(tz=UTC), results)

        return _asking_what_may_be_over(ask)

    def remind(self, reference: str) -> None:
        """Remind the owner; WeCom allows three times in 24 hours per message."""
        asking(lambda: remind_groupmsg_send(self._client, reference))

    def cancel(self, reference: str) -> None:
        """Withdraw the task if it is not confirmed."""
        asking(lambda: cancel_groupmsg_send(self._client, reference))

    def upload(self, file: Upload) -> str:
        """Give WeCom a file that goes with a message."""
        return uploading(self._client, file)

    def _chats_of(self, msg_id: str, sender: str) -> set[str]:
        try:
            rows = get_groupmsg_send_result(self._client, msg_id, sender)
            return {row.chat_id for row in rows}
        except Refused:  # another sender's message
            return set()


class WeComMoments:
    """Has members publish moments; each does so by hand, in the WeCom app."""

    kind = "wecom-moments"
    abilities = Abilities(
        recovery=Recovery.ASKABLE,
        max_per_call=10_000,
        one_sender_per_call=False,
        personal_text=False,
        text_bytes=MAX_TEXT * 4,
        needs_confirmation=True,
        attachment_kinds=("image", "video", "link"),
        keeps_media=True,
    )

    def __init__(self, client: WeComClient) -> None:
        self._client = client

    def send(self, parcel: Parcel) -> Handed:
        """Ask the members to publish it. Who may not is known only once the job is over."""
        job = sending(
            lambda: add_moment_task(
                self._client,
                text=parcel.text,
                attachments=[in_moments_form(item) for item in parcel.attachments],
                user_ids=parcel.addresses,
                tag_ids=parcel.tags,
            )
        )
        return Handed(f"{JOB}{job}")

    def look_up(
        self, parcel: Parcel, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Handed | None:
        """Look for a moment of the right time and words that these very members are to publish."""
        wanted = {address.lower(): address for address in parcel.addresses}
        start, until = looked_through(since, until, longest=moments.LONGEST_SPAN)

        def of_these_words() -> Iterator[tuple[str, set[str]]]:
            for moment in get_moment_list(self._client, start, until):
                if moment.moment_id in known or moment.text != parcel.text:
                    continue
                tasks = get_moment_task(self._client, moment.moment_id)
                members = {task.user_id.lower() for task in tasks}
                if members <= wanted.keys():
                    yield moment.moment_id, {wanted[name] for name in members}

        return asking(lambda: best_match(of_these_words(), set(wanted.values())))

    def progress(self, parcel: Parcel, *, reference: str) -> Progress:
        """Ask who has published it. While it goes by its job, learn its name first."""

        def ask() -> Progress:
            if reference.startswith(JOB):
                return self._named(parcel, self._job(reference))
            tasks = get_moment_task(self._client, reference)
            published = {task.user_id.lower() for task in tasks if task.is_published}
            results = [
                Result(address, Fate.SENT, datetime.now(tz=UTC))
                for address in parcel.addresses
                if address.lower() in published
            ]
            return Progress(datetime.now(tz=UTC) if published else None, results)

        return _asking_what_may_be_over(ask)

    def reactions(self, reference: str, member: str) -> Said:
        """Return who commented on what one member has published, and who likes it.

        Raises ``ChannelBusy``, ``ChannelRefused`` or ``ChannelUnclear``.
        """
        return asking(lambda: get_moment_comments(self._client, reference, member))

    def remind(self, reference: str) -> None:
        """Refuse: WeCom has no reminder for moments."""
        raise ChannelRefused("WeCom does not remind of moments")

    def cancel(self, reference: str) -> None:
        """Withdraw it from those who have not published it."""

        def withdraw() -> None:
            job = self._job(reference) if reference.startswith(JOB) else None
            if job and not job.is_over:
                raise Busy(0, "the moment is still being made", path="", retry_after=60)
            moment_id = job.moment_id if job else reference
            if moment_id:
                cancel_moment_task(self._client, moment_id)

        asking(withdraw)

    def upload(self, file: Upload) -> str:
        """Give WeCom a file that goes with a moment."""
        return uploading(self._client, file)

    def _job(self, reference: str) -> MomentJob:
        return get_moment_task_result(self._client, reference.removeprefix(JOB))

    def _named(self, parcel: Parcel, job: MomentJob) -> Progress:
        if not job.is_over:
            return Progress(None, ())
        if not job.moment_id:
            return Progress(None, (), over=True)
        invalid = {name.lower() for name in job.invalid_senders}
        results = [
            Result(address, Fate.NOT_A_FRIEND, None)
            for address in parcel.addresses
            if address.lower() in invalid
        ]
        return Progress(None, results, reference=job.moment_id)


def _asking_what_may_be_over(ask: Callable[[], Progress]) -> Progress:
    def ask_once() -> Progress:
        try:
            return ask()
        except Refused as refused:
            if refused.kind is not ErrorKind.OVER:
                raise
            return Progress(None, (), over=True)

    return asking(ask_once)
