"""The shape of what is left of a customer who was erased."""

from rest_framework import serializers

from contacts.models import HistoryEntry
from crm.api.shapes.people import StaffRef


class ErasedShape(serializers.ModelSerializer[HistoryEntry]):
    """A customer who was erased: their number, when, and who did it."""

    id = serializers.IntegerField(source="customer_id")
    state = serializers.SerializerMethodField()
    erased_at = serializers.DateTimeField(source="at")
    erased_by = StaffRef(source="actor", allow_null=True)

    class Meta:
        model = HistoryEntry
        fields = ("id", "state", "erased_at", "erased_by")
        read_only_fields = fields

    def get_state(self, entry: HistoryEntry) -> str:
        """Return the state, which is always the same."""
        return "erased"
