"""Orders: what customers bought, as the shop systems tell it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from contacts.models import Customer, Staff, Store
from crm.enums import OrderState

CURRENCY = "CNY"
"""The currency of the company, in which customers' value is counted."""


class Order(models.Model):
    """One order of a customer in one shop system, known there by its number.

    ``changed_at`` is when the shop system last changed it: what is told late and is older changes
    nothing. ``items`` is a list of ``{"name", "sku", "category", "quantity", "price"}``. An order
    stays with its customer through every change of hands, and in its place when they are merged.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    system = models.CharField(max_length=40)
    number = models.CharField(max_length=80)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default=CURRENCY)
    items = models.JSONField(default=list, blank=True)

    state = models.CharField(max_length=12, choices=OrderState.choices, default=OrderState.OPEN)
    ordered_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The timeline and the brief of a customer, newest first; what the customer has spent.
            models.Index(fields=["customer", "-ordered_at", "-id"], name="order_of_customer"),
            # Series that write some days after a purchase: who bought on a day.
            models.Index(fields=["ordered_at"], name="order_by_time"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["system", "number"], name="order_number_once"),
            models.CheckConstraint(
                condition=Q(state__in=OrderState.values), name="order_state_known"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="order_amount_not_negative"),
            models.CheckConstraint(
                condition=~Q(system="") & ~Q(number=""), name="order_has_number"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"), name="order_currency_is_a_code"
            ),
        ]

    def __str__(self) -> str:
        return self.number
