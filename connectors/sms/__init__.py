"""SMS through the HTTP gateway of a provider."""

from connectors.channels import Channel, Variable
from connectors.sms.channel import SmsChannel
from connectors.words import gettext_noop

CHANNEL = Channel(
    kind="sms",
    label=gettext_noop("SMS"),
    needs="SMS_URL",
    variables=(Variable("SMS_URL"),),
    connect=lambda settings: SmsChannel(settings["SMS_URL"]),
    address_kinds=("phone",),
)
