"""Webhooks: letters for the company's own gateway, and telling other systems what happened.

Both in the way of Standard Webhooks.
"""

from connectors.channels import Channel, Variable
from connectors.webhook.channel import WebhookChannel
from connectors.words import gettext_noop

CHANNEL = Channel(
    kind="webhook",
    label=gettext_noop("Webhook"),
    needs="CAMPAIGN_WEBHOOK_URL",
    variables=(
        Variable("CAMPAIGN_WEBHOOK_URL"),
        Variable("CAMPAIGN_WEBHOOK_SECRET"),
        Variable("CAMPAIGN_WEBHOOK_PER_CALL", 1, least=1),
    ),
    connect=lambda settings: WebhookChannel(
        settings["CAMPAIGN_WEBHOOK_URL"],
        secret=settings["CAMPAIGN_WEBHOOK_SECRET"],
        per_call=settings["CAMPAIGN_WEBHOOK_PER_CALL"],
    ),
)
