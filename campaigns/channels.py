"""Which connector serves which channel."""

from django.utils.translation import gettext as _

from connectors.base import Abilities, Connector
from connectors.wecom.connector import WeComConnector
from contacts.errors import RuleBroken
from contacts.wecom import wecom


def connector_for(channel: str, *, patience: float = 0) -> Connector:
    """Return the connector of a channel. Raises ``RuleBroken`` if there is none of that name.

    With ``patience`` its questions wait that many seconds in all while the channel is busy.
    """
    if channel != WeComConnector.kind:
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})
    return WeComConnector(wecom(patience=patience))


def abilities_of(channel: str) -> Abilities:
    """Return what a channel can and cannot do. Raises ``RuleBroken`` as ``connector_for``."""
    return connector_for(channel).abilities
