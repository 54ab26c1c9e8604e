"""E-mail over SMTP, and what comes back of it."""

from collections.abc import Mapping
from typing import Any

from connectors.channels import Channel, Variable
from connectors.smtp.channel import MailChannel
from connectors.words import gettext_noop

_PROVIDERS = {
    "sendgrid": "SENDGRID_WEBHOOK_KEY",
    "postmark": "POSTMARK_WEBHOOK_KEY",
    "ses": "SES_TOPIC_ARNS",
}
"""Who is named in letters because they tell of them, and the setting by which they do."""


def _connect(settings: Mapping[str, Any]) -> MailChannel:
    return MailChannel(
        settings["EMAIL_URL"],
        sender=settings["MAIL_FROM"],
        return_to=settings["MAIL_RETURN_TO"],
        reads_mail=bool(settings["MAILBOX_URL"]),
        told_by=tuple(name for name, setting in _PROVIDERS.items() if settings[setting]),
    )


CHANNEL = Channel(
    kind="email",
    label=gettext_noop("E-mail"),
    needs="EMAIL_URL",
    variables=(
        Variable("EMAIL_URL"),
        Variable("LIUKE_MAIL_FROM", setting="MAIL_FROM"),
        Variable("LIUKE_MAIL_RETURN_TO", setting="MAIL_RETURN_TO"),
    ),
    looks_at=("MAILBOX_URL", *_PROVIDERS.values()),
    connect=_connect,
    address_kinds=("email",),
)
