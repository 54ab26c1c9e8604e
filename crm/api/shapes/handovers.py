"""Shapes of handovers: the plan, its items, and how far it got."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.actions.handovers import plan_shares
from contacts.actions.undo import Undoing
from contacts.models import Handover, HandoverItem
from contacts.queries import HandoverProgress, ReceiverProgress
from crm.api.shapes.people import CustomerRef, StaffRef, StoreRef


class HandoverShape(serializers.ModelSerializer[Handover]):
    """Customers moving from one staff member to others."""

    from_staff = StaffRef(read_only=True)
    store = StoreRef(read_only=True)
    planned_by = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = Handover
        fields: tuple[str, ...] = (
            "id", "from_staff", "store", "kind", "size", "state", "customer_message",
            "greeting", "max_offers", "planned_by", "planned_at", "started_at", "closed_at", "undoes",
        )  # fmt: skip
        read_only_fields = fields


class ShareShape(serializers.Serializer[Any]):
    """How many customers of a plan one receiver gets; null is the pool."""

    staff = StaffRef(allow_null=True)
    customers = serializers.IntegerField()


class HandoverPageShape(HandoverShape):
    """One handover with its plan."""

    shares = serializers.SerializerMethodField(help_text="What is still planned, by receiver.")

    class Meta(HandoverShape.Meta):
        fields = (*HandoverShape.Meta.fields, "steps", "shares")
        read_only_fields = fields

    @extend_schema_field(ShareShape(many=True))
    def get_shares(self, handover: Handover) -> Any:
        """Return the plan's shares."""
        return ShareShape(plan_shares(handover), many=True).data


class HandoverItemShape(serializers.ModelSerializer[HandoverItem]):
    """One customer of a handover: to whom, and how far it got."""

    customer = CustomerRef(read_only=True)
    to_staff = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = HandoverItem
        fields = (
            "id", "customer", "to_staff", "state", "state_at", "reason", "tries",
            "takeover_at", "closed_at", "errcode", "undo_asked_at", "undone_at", "undo_note",
        )  # fmt: skip
        read_only_fields = fields


class UndoingShape(serializers.Serializer[Undoing]):
    """What an undo does."""

    withdrawn = serializers.IntegerField(help_text="Had not been asked yet.")
    giving_back = serializers.IntegerField(help_text="Go back, now or within minutes.")
    left_alone = serializers.IntegerField(help_text="Are being asked and cannot be called back.")
    chats = serializers.IntegerField(help_text="Group chats that go back.")


class ReceiverShape(serializers.Serializer[ReceiverProgress]):
    """How far one receiver's customers got."""

    staff = StaffRef()
    total = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())


class HandoverProgressShape(serializers.Serializer[HandoverProgress]):
    """Where the customers stand; ``states`` always adds up to ``size``."""

    size = serializers.IntegerField()
    moving = serializers.IntegerField(help_text="On their way.")
    undecided = serializers.IntegerField(
        help_text="Refused, over capacity or failed: re-assign or finish."
    )
    states = serializers.DictField(child=serializers.IntegerField())
    receivers = ReceiverShape(many=True)
    requests = serializers.DictField(
        child=serializers.IntegerField(), help_text="Calls to the channel."
    )
