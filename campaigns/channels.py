"""Which connector serves which channel."""

from django.utils.translation import gettext as _

from connectors.base import Connector
from connectors.wecom.connector import WeComConnector
from contacts.errors import RuleBroken
from contacts.wecom import wecom


def connector_for(channel: str) -> Connector:
    """Return the connector of a channel. Raises ``RuleBroken`` if there is none of that name."""
    if channel != WeComConnector.kind:
        raise RuleBroken(_("There is no channel “%(name)s”.") % {"name": channel})
    return WeComConnector(wecom())
