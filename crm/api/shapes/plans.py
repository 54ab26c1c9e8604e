"""Shapes of plans: what a handover would do, and plans that were kept."""

from typing import Any

from rest_framework import serializers

from contacts.models import HandoverPlan
from crm.api.shapes.people import CustomerRef, StaffRef


class ConflictShape(serializers.Serializer[Any]):
    """Something that speaks against a share."""

    kind = serializers.ChoiceField(
        choices=["not_at_work", "out_of_scope", "no_account", "over_capacity", "too_often"]
    )
    customers = serializers.IntegerField()
    words = serializers.CharField()


class PlannedShareShape(serializers.Serializer[Any]):
    """What a plan gives to one receiver; null is nobody."""

    staff = StaffRef(allow_null=True)
    customers = serializers.IntegerField()
    value = serializers.DecimalField(max_digits=18, decimal_places=2)
    by_channel = serializers.IntegerField(help_text="Asked through WeCom, with 24 hours to say no.")
    at_once = serializers.IntegerField(help_text="Change hands at once.")
    known = serializers.IntegerField(help_text="Connected with the receiver already.")
    moved = serializers.IntegerField(help_text="Moved by hand.")
    owned = serializers.IntegerField(help_text="Whom the receiver answers for now.")
    owned_after = serializers.IntegerField()
    sample = serializers.ListField(child=serializers.CharField())
    conflicts = ConflictShape(many=True)


class ChatShareShape(serializers.Serializer[Any]):
    """How many group chats one colleague is to own."""

    staff = StaffRef()
    chats = serializers.IntegerField()
    today = serializers.IntegerField(help_text="WeCom moves 300 a day to one colleague.")
    days = serializers.IntegerField(help_text="On how many days after that the others follow.")


class SampleWordsShape(serializers.Serializer[Any]):
    """What one customer of the plan will read."""

    customer = CustomerRef()
    receiver = StaffRef()
    text = serializers.CharField()


class PlanPreviewShape(serializers.Serializer[Any]):
    """What a plan would do at this moment, and the token that starts exactly this."""

    handover = serializers.IntegerField()
    steps = serializers.JSONField(help_text="In order, as they were given.")
    shares = PlannedShareShape(many=True)
    chats = ChatShareShape(many=True)
    conflicts = serializers.IntegerField()
    words = SampleWordsShape(allow_null=True)
    token = serializers.CharField(help_text="For an hour, and while nothing changes.")


class SavedPlanShape(serializers.ModelSerializer[HandoverPlan]):
    """A plan that was kept under a name, with the figures it came to then."""

    created_by = StaffRef(read_only=True, allow_null=True)
    figures = serializers.JSONField(read_only=True, help_text="By receiver; null is nobody.")

    class Meta:
        model = HandoverPlan
        fields = ("id", "name", "steps", "figures", "created_by", "created_at")
        read_only_fields = fields
