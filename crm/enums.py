"""The closed lists of crm."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OrderState(TextChoices):
    """How far an order got, as the shop system that holds it says."""

    OPEN = "open", _("not paid yet")
    PAID = "paid", _("paid")
    SHIPPED = "shipped", _("shipped")
    DONE = "done", _("completed")
    CANCELLED = "cancelled", _("cancelled")
    REFUNDED = "refunded", _("refunded")


PAID_STATES = (OrderState.PAID, OrderState.SHIPPED, OrderState.DONE)
"""Orders that count towards what a customer has spent."""

PENDING_STATES = (OrderState.OPEN, OrderState.PAID, OrderState.SHIPPED)
"""Orders that the customer still waits for."""


class WebhookState(TextChoices):
    """A paused webhook keeps what happens for a week; a removed one is over for good."""

    ACTIVE = "active", _("active")
    PAUSED = "paused", _("paused")
    REMOVED = "removed", _("removed")


class WebhookPause(TextChoices):
    """Why nothing is sent to a webhook."""

    NONE = "", ""
    BY_HAND = "by_hand", _("paused by an administrator")
    FAILING = "failing", _("failed for days")
    GONE = "gone", _("the receiver says that it wants nothing any more")
    SECRET = "secret", _("the secret cannot be read any more")


class EventState(TextChoices):
    """How far one event is on its way to one webhook. Failed ones can be sent again."""

    WAITING = "waiting", _("waiting")
    SENDING = "sending", _("sending")
    DELIVERED = "delivered", _("delivered")
    FAILED = "failed", _("failed")
    DROPPED = "dropped", _("dropped")


UNDER_WAY = (EventState.WAITING, EventState.SENDING)
"""Events that are still to be delivered."""
