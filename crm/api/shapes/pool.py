"""Shapes of pools: who rests there, by what rule, and who would get whom."""

from typing import Any

from rest_framework import serializers

from contacts.models import OwnershipPeriod, PoolRule
from crm.api.shapes.handovers import ShareShape
from crm.api.shapes.people import CustomerRef, StoreRef


class PoolRowShape(serializers.ModelSerializer[OwnershipPeriod]):
    """A customer who rests in the pool of a store."""

    customer = CustomerRef(read_only=True)
    store = StoreRef(read_only=True)
    since = serializers.DateTimeField(source="began_at", read_only=True)
    former_owner = serializers.CharField(
        source="former", allow_null=True, read_only=True, help_text="Who answered for them last."
    )
    value = serializers.DecimalField(
        source="customer.spent", max_digits=14, decimal_places=2, read_only=True
    )
    last_interaction_at = serializers.DateTimeField(
        source="customer.last_interaction_at", allow_null=True, read_only=True
    )

    class Meta:
        model = OwnershipPeriod
        fields = (
            "id",
            "customer",
            "store",
            "since",
            "reason",
            "former_owner",
            "value",
            "last_interaction_at",
        )
        read_only_fields = fields


class AssignedShape(serializers.Serializer[Any]):
    """Who got how many, or would get with ``dry_run``; null rests in the pool."""

    dry_run = serializers.BooleanField()
    shares = ShareShape(many=True)


class PoolRuleShape(serializers.ModelSerializer[PoolRule]):
    """What goes for the pool of a store. Without a ``store`` it is the company's rule."""

    class Meta:
        model = PoolRule
        fields = (
            "store", "claiming", "claims_per_day", "first", "offered", "not_back_days", "new_days",
            "assignment", "assign_after_hours", "only_in_hours", "weekdays", "opens_at", "closes_at",
            "recycle_after_days", "recycle_per_day", "warn_days",
        )  # fmt: skip
        read_only_fields = ("store",)
