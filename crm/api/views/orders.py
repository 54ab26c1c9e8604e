"""Orders: what shop systems tell of them."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from contacts.enums import Role
from contacts.models import Customer
from crm.access import customers_of, orders_of, require, staff_of, stores_of
from crm.actions.orders import OrderTold, record_order
from crm.api.base import IdField, Listing, StrictInput, Verb, pick
from crm.api.filters import CustomerFilter, IdFilter
from crm.api.inputs import IdentityInput, MomentField
from crm.api.shapes.work import OrderItemShape, OrderShape
from crm.enums import OrderState
from crm.models import Order
from crm.models.orders import CURRENCY

MOST_ITEMS = 200


class OrderItemInput(StrictInput, OrderItemShape):
    """One line of an order."""


class OrderFilters(django_filters.FilterSet):
    """How orders can be narrowed down."""

    customer = CustomerFilter()
    store = IdFilter()
    system = django_filters.CharFilter(max_length=40)
    number = django_filters.CharFilter(max_length=80)
    state = django_filters.ChoiceFilter(choices=OrderState.choices)


class Orders(Listing, Verb):
    """List the orders of the customers you see, the newest entry first."""

    resource = "orders"
    shape = OrderShape
    filterset_class = OrderFilters
    success = 201

    class Input(StrictInput):
        """The order as the shop system has it, and whose it is."""

        example: ClassVar = {
            "system": "shop",
            "number": "SO-1001",
            "identity": {"kind": "phone", "value": "+8613812345678"},
            "state": "paid",
            "amount": "1299.00",
            "ordered_at": "2026-11-01T12:00:00+08:00",
            "changed_at": "2026-11-01T12:05:00+08:00",
            "items": [{"name": "羊绒大衣", "category": "大衣", "quantity": 1, "price": "1299.00"}],
        }

        system = serializers.RegexField(r"^[\w-]+$", max_length=40)
        number = serializers.CharField(max_length=80)
        customer = IdField(required=False)
        identity = IdentityInput(required=False)
        state = serializers.ChoiceField(choices=OrderState.choices)
        amount = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0)
        currency = serializers.RegexField(r"^[A-Z]{3}$", default=CURRENCY)
        ordered_at = MomentField()
        changed_at = MomentField(
            required=False,
            help_text="When the system last changed it. Without it, orders only move forward.",
        )
        store = IdField(required=False)
        staff = IdField(required=False)
        items = serializers.ListField(child=OrderItemInput(), max_length=MOST_ITEMS, default=list)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Either way of saying whose it is."""
            if ("customer" in attrs) == ("identity" in attrs):
                raise ValidationError({"customer": [_("Give either customer or identity.")]})
            return attrs

    def rows(self) -> QuerySet[Order]:
        """Return the orders of visible customers."""
        return orders_of(self.viewer)

    def act(self, data: dict[str, Any]) -> Response:
        """Add an order, or change the one of this system and number.

        201 if it is new. Otherwise 200 with the order as it is now: what is older than what is
        known changes nothing, so orders may be told in any order and as often as you like.
        """
        require(self.viewer, Role.MANAGER)
        customer = self._customer(data)
        order, created = record_order(customer, self._told(data), actor=self.actor, now=self.now)
        return Response(self.show(order), status=201 if created else 200)

    def _customer(self, data: dict[str, Any]) -> Customer:
        mine = customers_of(self.viewer, Role.MANAGER)
        if "customer" in data:
            return pick(mine, [data.pop("customer")], "customer")[0]
        address = data.pop("identity")["address"]
        found = mine.filter(
            identities__kind=address.kind,
            identities__system=address.system,
            identities__value=address.value,
        ).first()
        if found is None:
            raise ValidationError({"identity": [_("No customer of yours has this identity.")]})
        return found

    def _told(self, data: dict[str, Any]) -> OrderTold:
        store = data.pop("store", None)
        staff = data.pop("staff", None)
        state = OrderState(data.pop("state"))
        items = [_plain(item) for item in data.pop("items")]
        return OrderTold(
            **data,
            state=state,
            items=items,
            store=pick(stores_of(self.viewer, Role.MANAGER), [store], "store")[0]
            if store
            else None,
            staff=pick(staff_of(self.viewer), [staff], "staff")[0] if staff else None,
        )


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """Return the line as JSON keeps it; a price stays exact."""
    return item | {"price": str(item["price"])} if "price" in item else dict(item)
