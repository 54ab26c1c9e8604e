"""Which channels there are on this installation, and the connector of each."""

import threading

from django.conf import settings
from django.utils.functional import lazy
from django.utils.translation import get_language, gettext, gettext_lazy, gettext_noop

from campaigns.enums import PostKind
from connectors.base import AFTERWARDS, Abilities, ChannelMisconfigured, Connector, DirectConnector
from connectors.channels import Channel, find_channels
from connectors.wecom.client import WeComClient
from connectors.wecom.connector import WeComConnector
from connectors.wecom.posts import WeComGroups, WeComMoments
from contacts.errors import RuleBroken
from contacts.saying import gettext as _
from contacts.wecom import wecom


def _label(channel: Channel) -> str:
    """The name of a channel in the language of the page: its own word, else the catalogue's."""
    return channel.label_in.get(get_language() or "") or gettext(channel.label)


_label_lazy = lazy(_label, str)

_DIRECT = find_channels()
DIRECT = tuple(_DIRECT)
"""Channels of letters, set up here or not."""

LABELS = {
    "wecom": gettext_lazy("WeCom"),
    **{kind: _label_lazy(channel) for kind, channel in _DIRECT.items()},
}
REACHING = {
    kind: label
    for kind, label in LABELS.items()
    if kind not in _DIRECT or _DIRECT[kind].reaches_people
}
"""The labels of those that are not only for trying: customers have a say in them."""

_own = threading.local()


def available_channels() -> list[str]:
    """Return the names of the channels that are set up here; WeCom is always among them."""
    return [WeComConnector.kind, *(name for name in _DIRECT if _direct(name) is not None)]


def connector_for(channel: str, *, patience: float = 0) -> Connector:
    """Return the connector of a channel in which staff send. Raises ``RuleBroken`` for another.

    With ``patience`` its questions wait that many seconds in all while the channel is busy.
    """
    if channel != WeComConnector.kind:
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})
    return WeComConnector(wecom(patience=patience))


def direct_connector(channel: str) -> DirectConnector:
    """Return this thread's connector of a channel of letters, with its open connections.

    Raises ``RuleBroken`` if the channel is none, or is not set up here.
    """
    found = _direct(channel)
    if found is None:
        raise RuleBroken(_("The channel “%(name)s” is not set up.") % {"name": channel})
    return found


def _direct(channel: str) -> DirectConnector | None:
    """One a thread and setting: other settings, as tests have them, make another one."""
    declared = _DIRECT.get(channel)
    if declared is None:
        return None
    values = {name: getattr(settings, name) for name in declared.settings}
    kept: dict[str, tuple[object, DirectConnector | None]] = _own.__dict__
    if channel not in kept or kept[channel][0] != values:
        if channel in kept and (old := kept[channel][1]) is not None:
            old.close()
        kept[channel] = (values, declared.connect(values) if values[declared.needs] else None)
    return kept[channel][1]


def abilities_of(channel: str) -> Abilities:
    """Return what a channel can and cannot do. Raises ``RuleBroken`` if it is not set up here."""
    if channel in _DIRECT:
        return direct_connector(channel).abilities
    return connector_for(channel).abilities


def told_by(channel: str) -> frozenset[str]:
    """Return what a channel tells of a message after it was sent, set up here or not any more."""
    if not is_direct(channel):
        return WeComConnector.abilities.tells
    connector = _direct(channel)
    return connector.abilities.tells if connector else AFTERWARDS


def is_direct(channel: str) -> bool:
    """Whether it is a channel of letters, set up here or not."""
    return channel in _DIRECT


def address_kinds(channel: str) -> tuple[str, ...]:
    """Return what addresses are in a channel of letters, set up here or not any more."""
    return tuple(_DIRECT[channel].address_kinds) if is_direct(channel) else ()


def post_abilities(kind: str) -> Abilities:
    """Return what posts of a kind can carry, whether WeCom is set up or not."""
    return WeComGroups.abilities if kind == PostKind.GROUP else WeComMoments.abilities


def post_connector(kind: str, *, patience: float = 0) -> Connector:
    """Return the connector for posts of a kind. Raises ``ChannelBusy`` while WeCom is not set up."""
    client = _connected(patience)
    return WeComGroups(client) if kind == PostKind.GROUP else WeComMoments(client)


def moments_connector(*, patience: float = 0) -> WeComMoments:
    """Return the connector for moments. Raises ``ChannelBusy`` while WeCom is not set up."""
    return WeComMoments(_connected(patience))


def _connected(patience: float) -> WeComClient:
    client = wecom(patience=patience)
    if client is None:
        raise ChannelMisconfigured(gettext_noop("WeCom is not set up."), retry_after=3600)
    return client
