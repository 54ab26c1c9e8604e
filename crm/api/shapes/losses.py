"""Shapes of losses, of their rates, and of what a departure would leave."""

from typing import Any

from rest_framework import serializers

from contacts.models import Loss
from crm.api.shapes.people import CustomerRef, StaffRef, StoreRef


class LossShape(serializers.ModelSerializer[Loss]):
    """A connection that ended by a removal or for want of a receiver; it counts if it was the last."""

    customer = CustomerRef(read_only=True)
    staff = StaffRef(read_only=True)
    owner = StaffRef(read_only=True, allow_null=True)
    store = StoreRef(read_only=True)

    class Meta:
        model = Loss
        fields = (
            "id", "customer", "staff", "owner", "store", "kind", "is_last", "value",
            "last_contact_at", "at", "reason", "note", "state", "state_at",
        )  # fmt: skip
        read_only_fields = fields


class RateShape(serializers.Serializer[Any]):
    """Losses of one colleague or store, beside the customers connected when the period began."""

    id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    connected = serializers.IntegerField()
    lost = serializers.IntegerField()
    percent = serializers.FloatField()
    value = serializers.DecimalField(max_digits=16, decimal_places=2)


class RatesShape(serializers.Serializer[Any]):
    """The rates of a period, both days included."""

    since = serializers.DateField()
    until = serializers.DateField()
    staff = RateShape(many=True)
    stores = RateShape(many=True)


class WhatIfShape(serializers.Serializer[Any]):
    """What would be at stake if a person left today."""

    customers = serializers.IntegerField()
    value = serializers.DecimalField(max_digits=16, decimal_places=2)
    share_of_value = serializers.IntegerField(help_text="Of the store's, in percent.")
    only_connected = serializers.IntegerField(help_text="Connected with nobody else.")
    never_met_another = serializers.IntegerField(help_text="No colleague ever talked with them.")
    birthdays = serializers.IntegerField(help_text="In the coming week.")
    tasks = serializers.IntegerField()
    batches = serializers.IntegerField(help_text="Campaign batches only they can confirm.")
    codes = serializers.IntegerField(help_text="Contact codes with nobody else on duty.")
    room = serializers.IntegerField(
        help_text="More customers that colleagues of the store can take."
    )
    shortage = serializers.IntegerField(help_text="Customers for whom there is no room.")
    risk = serializers.CharField(help_text="low, medium or high")
