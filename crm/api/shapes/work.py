"""Shapes of tasks, orders, coupons and briefs."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.enums import CouponState
from contacts.models import Coupon, Task
from crm.api.shapes.people import CustomerRef, InteractionShape, StaffRef, StoreRef, TagRef
from crm.briefs import Brief
from crm.models import Order


class TaskShape(serializers.ModelSerializer[Task]):
    """Something to do. Without staff it waits for whoever manages the store."""

    staff = StaffRef(read_only=True, allow_null=True)
    store = StoreRef(read_only=True)
    customer = CustomerRef(read_only=True, allow_null=True)

    class Meta:
        model = Task
        fields = (
            "id", "kind", "text", "due_on", "staff", "store", "customer", "handover", "state",
            "state_at", "created_by", "closed_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class OrderItemShape(serializers.Serializer[Any]):
    """One line of an order."""

    name = serializers.CharField(max_length=200)
    sku = serializers.CharField(max_length=80, required=False, allow_blank=True)
    category = serializers.CharField(max_length=80, required=False, allow_blank=True)
    quantity = serializers.IntegerField(min_value=1, max_value=100_000, default=1)
    price = serializers.DecimalField(max_digits=12, decimal_places=2, min_value=0, required=False)


class OrderShape(serializers.ModelSerializer[Order]):
    """What a customer ordered in a shop system."""

    items = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = (
            "id", "system", "number", "customer", "store", "staff", "state", "amount", "currency",
            "items", "ordered_at", "changed_at", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(OrderItemShape(many=True))
    def get_items(self, order: Order) -> Any:
        """Return the lines."""
        return order.items


class CouponShape(serializers.ModelSerializer[Coupon]):
    """A coupon in a customer's hands: either an amount of a currency or so many percent."""

    state = serializers.SerializerMethodField(help_text="What it is at the moment of asking.")

    class Meta:
        model = Coupon
        fields = (
            "id", "code", "customer", "title", "amount", "currency", "percent", "state",
            "issued_at", "expires_at", "redeemed_at", "order_system", "order_number", "given_by",
            "source", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=CouponState.choices))
    def get_state(self, coupon: Coupon) -> str:
        """Return what the coupon is now."""
        return coupon.state_at(timezone.now()).value


class BriefShape(serializers.Serializer[Brief]):
    """What a new owner should know of a customer before the first word."""

    customer = CustomerRef()
    birthday = serializers.DateField(source="customer.birthday", allow_null=True)
    spent = serializers.DecimalField(max_digits=14, decimal_places=2, source="customer.spent")
    last_order_at = serializers.DateTimeField(source="customer.last_order_at", allow_null=True)
    came_at = serializers.DateTimeField(allow_null=True, help_text="Null: never changed hands.")
    came_from = serializers.CharField()
    why = serializers.CharField()
    greeting = serializers.CharField(help_text="Words to say first; empty if not handed over.")
    likes = serializers.ListField(child=serializers.CharField(), help_text="Bought most of.")
    tags = TagRef(many=True)
    attributes = serializers.DictField(child=serializers.CharField())
    interactions = InteractionShape(many=True, help_text="The last three.")
    orders = OrderShape(many=True, help_text="Those the customer still waits for.")
    promises = TaskShape(many=True)
    tasks = TaskShape(many=True, source="other_tasks")
