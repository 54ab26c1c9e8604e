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
