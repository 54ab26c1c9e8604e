"""What every message channel must do; one folder under ``connectors/`` per channel.

A connector knows the channel's wire format and nothing of our models or settings: what it needs
is passed in. All of a channel hides behind ``Connector``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a channel can and cannot do, for planners and screens."""

    recovery: Recovery
    max_per_call: int
    one_sender_per_call: bool
    personal_text: bool
    text_bytes: int
    needs_confirmation: bool


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


class ChannelBusy(Exception):
    """Nothing at all was sent; try again after ``retry_after`` seconds."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ChannelRefused(Exception):
    """The channel definitely refused the whole call; the message says why. Nothing was sent."""


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
