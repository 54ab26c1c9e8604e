"""Which connector serves which channel."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from campaigns.enums import PostKind
from connectors.base import ChannelMisconfigured, Connector
from connectors.wecom.connector import WeComConnector
from connectors.wecom.posts import WeComGroups, WeComMoments
from contacts.errors import RuleBroken
from contacts.wecom import wecom


def connector_for(channel: str, *, patience: float = 0) -> Connector:
    """Return the connector of a channel. Raises ``RuleBroken`` if there is none of that name.

    With ``patience`` its questions wait that many seconds in all while the channel is busy.
    """
    if channel != WeComConnector.kind:
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})
    return WeComConnector(wecom(patience=patience))


def post_connector(kind: str, *, patience: float = 0) -> Connector:
    """Return the connector for posts of a kind. Raises ``ChannelBusy`` while WeCom is not set up."""
    client = wecom(patience=patience)
    if client is None:
        raise ChannelMisconfigured(gettext_noop("WeCom is not set up."), retry_after=3600)
    return WeComGroups(client) if kind == PostKind.GROUP else WeComMoments(client)
