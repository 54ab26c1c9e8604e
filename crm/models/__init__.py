"""The work: what screens and API need to remember, what customers bought, who is told of it."""

from crm.models.answers import SavedAnswer
from crm.models.mailboxes import MailboxReading
from crm.models.orders import Order
from crm.models.webhooks import HistoryCursor, Webhook, WebhookEvent

__all__ = ["HistoryCursor", "MailboxReading", "Order", "SavedAnswer", "Webhook", "WebhookEvent"]
