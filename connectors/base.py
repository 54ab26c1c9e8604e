"""What every message channel must do; one folder under ``connectors/`` per channel.

A connector knows the channel's wire format and nothing of our models or settings: what it needs
is passed in. All of a channel hides behind ``Connector``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class Recovery(StrEnum):
    """What may be done about a call whose outcome is not known."""

    KEYED = "keyed"
    """The channel honours our key: send again with the same one."""

    ASKABLE = "askable"
    """The channel can be asked whether it has the message: look it up before anything else."""

    NEITHER = "neither"
    """Nothing but a person can decide."""


AFTERWARDS = frozenset({"delivered", "read", "clicked", "replied", "opted_out"})
"""What may become known of a message; that a recipient bought something is known to us."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a channel can and cannot do, for planners and screens."""

    recovery: Recovery
    max_per_call: int
    one_sender_per_call: bool
    personal_text: bool
    text_bytes: int
    needs_confirmation: bool
    direct: bool = False
    """Whether it is a ``DirectConnector``: letter by letter, without a sender among the staff."""
    address_kinds: Sequence[str] = ()
    """Kinds of identity whose value is an address here, the first that a customer has counts.

    Empty: every customer can be reached, under their number in Liuke.
    """
    has_subject: bool = False
    has_html: bool = False
    has_mark: bool = False
    """Whether what comes back by itself may bring the ``mark`` of a letter."""
    attachment_kinds: Sequence[str] = ()
    keeps_media: bool = False
    """Whether files are uploaded to it beforehand, and named by its own reference."""
    tells: frozenset[str] = frozenset()
    """What becomes known of a message after it was sent: some of ``AFTERWARDS``."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a channel that keeps media: ``kind`` is image, video or file."""

    kind: str
    name: str
    content: bytes
    media_type: str
    for_moments: bool = False


@dataclass(frozen=True, slots=True)
class Parcel:
    """One batch on its way: the same words to at most ``max_per_call`` addresses.

    ``key`` is the same on every attempt at the same batch. ``sender`` is the staff member's
    address in the channel, empty where the channel knows no senders.
    """

    key: str
    sender: str
    text: str
    addresses: Sequence[str]
    attachments: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    tags: Sequence[str] = ()
    """Only customers with any of these tags of the channel; for moments."""
    forgotten: int = 0
    """So many more may have been in it, whose addresses are not known any more."""


@dataclass(frozen=True, slots=True)
class Handed:
    """The channel has the parcel: its own id of it, and the addresses it would not take.

    An empty ``reference`` means that the channel took nobody.
    """

    reference: str
    refused: Collection[str] = ()


class Fate(StrEnum):
    """What the channel says became of one recipient."""

    WAITING = "waiting"
    SENT = "sent"
    NOT_A_FRIEND = "not_friend"
    RECEIVE_LIMIT = "quota"


@dataclass(frozen=True, slots=True)
class Result:
    """The fate of one address of a parcel, and when it got there."""

    address: str
    fate: Fate
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What has become of a parcel: whether its sender has confirmed it, and the results so far.

    ``over`` is set when the channel will never do more with it (cancelled or unknown there).
    """

    confirmed_at: datetime | None
    results: Iterable[Result]
    over: bool = False
    reference: str = ""
    """The channel's id of the parcel from now on, where it has a new one."""


class ChannelBusy(Exception):
    """Nothing at all was sent; try again after ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelRefused(Exception):
    """The channel definitely refused the whole call; the message says why. Nothing was sent."""


class AttachmentGone(ChannelBusy):
    """Nothing was sent: the channel does not know a file any more. Upload it again."""


class ChannelUnclear(Exception):
    """The call may or may not have been carried out."""


class ChannelMisconfigured(ChannelBusy):
    """Nothing was sent, and nothing will be until a person mends the connection."""


class Connector(Protocol):
    """A message channel."""

    kind: str
    abilities: Abilities

    def send(self, parcel: Parcel) -> Handed:
        """Hand the parcel to the channel.

        Raises ``ChannelBusy`` or ``ChannelRefused`` only if nothing at all was sent, and
        ``ChannelUnclear`` when that cannot be known.
        """

    def look_up(
        self, parcel: Parcel, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Handed | None:
        """Find out whether the channel has the parcel, handed over between the two times.

        ``known`` are references that belong to other parcels. ``None`` means that the channel
        does not have it. Raises ``ChannelBusy`` when it cannot be asked now.
        """

    def progress(self, parcel: Parcel, *, reference: str) -> Progress:
        """Ask what has become of the parcel. Raises ``ChannelBusy``."""

    def remind(self, reference: str) -> None:
        """Ask the sender once more to confirm. Raises ``ChannelBusy`` or ``ChannelRefused``."""

    def cancel(self, reference: str) -> None:
        """Withdraw what has not been confirmed. Raises ``ChannelBusy`` or ``ChannelRefused``."""

    def upload(self, file: Upload) -> str:
        """Give the channel a file and return its reference there, good for three days.

        Twice is harmless. Raises ``ChannelBusy`` or ``ChannelRefused``.
        """


@dataclass(slots=True)
class Letter:
    """One message to one person on its way through a direct channel; nobody changes it.

    Not frozen, as answers are not: making one would take four times as long.

    ``key`` is the same on every attempt at the same recipient, at most 64 ASCII characters, and
    is what an answer names. ``unsubscribe_url``, where there is one, ends all further messages
    with one POST and without a login (RFC 8058). ``mark`` is a word that nobody else can make for
    this key: what comes back by itself and brings it speaks of this letter. ``may_go``, where it is
    set, says of a key whether its letter may still leave: a channel whose far side keeps a letter
    waiting asks before it lets it go, and else answers *busy*.
    """

    key: str
    address: str
    text: str
    subject: str = ""
    html: str = ""
    unsubscribe_url: str = ""
    mark: str = ""
    attachments: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    may_go: Callable[[str], bool] | None = None


class Outcome(StrEnum):
    """What is known of a letter once its call is over."""

    TAKEN = "taken"
    """The channel has it."""

    REFUSED = "refused"
    """The channel will never take it; the same letter again would be refused again."""

    BUSY = "busy"
    """The channel does not have it; the same letter may go again after ``retry_after``."""

    UNCLEAR = "unclear"
    """The channel may or may not have it."""


@dataclass(slots=True)
class Answer:
    """What became of one letter.

    ``reference`` is the channel's own id of it. ``why`` is for people, and carries neither
    address nor text. ``at`` is when the channel took it, if one was asked for it. ``is_address``
    is set when it is the address that is refused, so no later message will get there either.
    ``is_channel`` is set when it is not this letter but the whole channel that is busy or broken:
    everybody had better wait ``retry_after`` seconds.
    """

    key: str
    outcome: Outcome
    reference: str = ""
    why: str = ""
    retry_after: float = 0.0
    is_address: bool = False
    is_channel: bool = False
    at: datetime | None = None


class ReceiptKind(StrEnum):
    """What a channel tells afterwards of a message that it took."""

    DELIVERED = "delivered"
    OPENED = "opened"
    BOUNCED = "bounced"
    """It did not arrive, and nothing will at this address."""

    FAILED = "failed"
    """It did not arrive; another one may."""

    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    REPLIED = "replied"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a channel tells of one message, or of one address.

    The message is named by the channel's ``reference`` or our ``key``, a reply often only by its
    ``address``. ``text`` is what a person wrote, and is not to be trusted.
    """

    kind: ReceiptKind
    at: datetime | None = None
    reference: str = ""
    key: str = ""
    address: str = ""
    text: str = ""
    why: str = ""


class DirectConnector(Protocol):
    """A channel that takes a letter of its own for every recipient: e-mail, SMS, a webhook.

    An instance belongs to one thread and keeps its connections from one ``send`` to the next.
    """

    kind: str
    abilities: Abilities

    def send(self, letters: Iterable[Letter | None]) -> Iterator[Answer]:
        """Send each letter once, several at a time; yield one answer for each, in any order.

        Letters are drawn as fast as they go out and no faster, so whoever draws decides when
        to stop: those already drawn are still sent and answered. ``None`` among them means that
        there is none just now: what is under way goes on, and the next is drawn a moment later.
        Never raises for what the channel does.
        """

    def look_up(
        self, letter: Letter, *, since: datetime, until: datetime, known: Collection[str]
    ) -> Answer | None:
        """Ask the channel whether it got the letter between the two times.

        ``known`` are references that belong to other letters. ``None`` means that the channel does
        not have it; *unclear*, that it has something that may be it. Only for channels whose
        recovery is ``ASKABLE``. Raises ``ChannelBusy`` when it cannot be asked now.
        """

    def close(self) -> None:
        """Let go of the connections."""
