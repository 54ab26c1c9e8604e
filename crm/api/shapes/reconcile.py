"""Shapes of comparisons with WeCom and what they found."""

from rest_framework import serializers

from contacts.models import Finding, Reconciliation
from crm.actions.findings import can_repair
from crm.api.shapes.people import CustomerRef, StaffRef


class ReconciliationShape(serializers.ModelSerializer[Reconciliation]):
    """One comparison of everything here with everything in WeCom."""

    asked_by = StaffRef(read_only=True, allow_null=True)
    seen = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="What WeCom told of."
    )
    repaired = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="Put right, by kind."
    )
    listed = serializers.DictField(
        child=serializers.IntegerField(), read_only=True, help_text="Left to people, by kind."
    )

    class Meta:
        model = Reconciliation
        fields = (
            "id", "state", "step", "seen", "repaired", "listed", "error", "asked_by",
            "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class FindingShape(serializers.ModelSerializer[Finding]):
    """One difference between here and WeCom."""

    staff = StaffRef(read_only=True, allow_null=True)
    customer = CustomerRef(read_only=True, allow_null=True)
    settled_by = StaffRef(read_only=True, allow_null=True)
    can_repair = serializers.SerializerMethodField(help_text="Whether `repair` puts it right.")

    class Meta:
        model = Finding
        fields = (
            "id", "kind", "state", "staff", "customer", "handover", "address", "detail",
            "can_repair", "note", "settled_by", "found_at", "state_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_can_repair(self, finding: Finding) -> bool:
        """Whether one press puts it right."""
        return can_repair(finding)
