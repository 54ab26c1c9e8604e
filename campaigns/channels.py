"""Which channels there are on this installation, and the connector of each."""

import threading
from collections.abc import Callable

from django.conf import settings
from django.utils.translation import gettext_lazy, gettext_noop

from campaigns.enums import PostKind
from connectors.base import AFTERWARDS, Abilities, ChannelMisconfigured, Connector, DirectConnector
from connectors.echo import EchoConnector
from connectors.sms.channel import SmsChannel
from connectors.smtp.channel import MailChannel
from connectors.webhook.channel import WebhookChannel
from connectors.wecom.client import WeComClient
from connectors.wecom.connector import WeComConnector
from connectors.wecom.posts import WeComGroups, WeComMoments
from contacts.errors import RuleBroken
from contacts.saying import gettext as _
from contacts.wecom import wecom

LABELS = {
    "wecom": gettext_lazy("WeCom"),
    "email": gettext_lazy("E-mail"),
    "sms": gettext_lazy("SMS"),
    "webhook": gettext_lazy("Webhook"),
    "echo": gettext_lazy("Echo, sends nothing"),
}

_own = threading.local()


def _email() -> DirectConnector | None:
    if not settings.EMAIL_URL:
        return None
    url, sender, return_to, reads_mail, told_by = _mail_settings()
    return MailChannel(
        url,
        sender=sender,
        return_to=return_to,
        reads_mail=reads_mail,
        told_by=told_by,
    )


def _mail_settings() -> tuple[str, str, str, bool, tuple[str, ...]]:
    providers = {
        "sendgrid": settings.SENDGRID_WEBHOOK_KEY,
        "postmark": settings.POSTMARK_WEBHOOK_KEY,
        "ses": settings.SES_TOPIC_ARNS,
    }
    return (
        settings.EMAIL_URL,
        settings.MAIL_FROM,
        settings.MAIL_RETURN_TO,
        bool(settings.MAILBOX_URL),
        tuple(name for name, setting in providers.items() if setting),
    )


def _sms() -> DirectConnector | None:
    return SmsChannel(settings.SMS_URL) if settings.SMS_URL else None


def _webhook() -> DirectConnector | None:
    if not settings.CAMPAIGN_WEBHOOK_URL:
        return None
    return WebhookChannel(
        settings.CAMPAIGN_WEBHOOK_URL,
        secret=settings.CAMPAIGN_WEBHOOK_SECRET,
        per_call=settings.CAMPAIGN_WEBHOOK_PER_CALL,
    )


def _echo() -> DirectConnector | None:
    return EchoConnector() if settings.LOCAL else None


_DIRECT: dict[str, Callable[[], DirectConnector | None]] = {
    "email": _email,
    "sms": _sms,
    "webhook": _webhook,
    "echo": _echo,
}
DIRECT = tuple(_DIRECT)
"""Channels of letters, set up here or not."""


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
    make = _DIRECT.get(channel)
    if make is None:
        return None
    key = _setting_of(channel)
    kept: dict[str, tuple[object, DirectConnector | None]] = _own.__dict__
    if channel not in kept or kept[channel][0] != key:
        if channel in kept and (old := kept[channel][1]) is not None:
            old.close()
        kept[channel] = (key, make())
    return kept[channel][1]


def _setting_of(channel: str) -> object:
    return {
        "email": _mail_settings(),
        "sms": settings.SMS_URL,
        "webhook": (
            settings.CAMPAIGN_WEBHOOK_URL,
            settings.CAMPAIGN_WEBHOOK_SECRET,
            settings.CAMPAIGN_WEBHOOK_PER_CALL,
        ),
    }.get(channel, settings.LOCAL)


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
