"""Shapes of imports and their rows."""

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from contacts.models import StaffFile, StaffFileRow
from crm.api.shapes.people import StaffRef


class ImportShape(serializers.ModelSerializer[StaffFile]):
    """Rows that were read in together."""

    uploaded_by = StaffRef(read_only=True)

    class Meta:
        model = StaffFile
        fields: tuple[str, ...] = (
            "id", "name", "source", "state", "uploaded_by", "created_at", "started_at", "done_at",
        )  # fmt: skip
        read_only_fields = fields


class ImportPageShape(ImportShape):
    """One import, and how many of its rows are in which state."""

    counts = serializers.SerializerMethodField()

    class Meta(ImportShape.Meta):
        fields = (*ImportShape.Meta.fields, "counts")
        read_only_fields = fields

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_counts(self, file: StaffFile) -> Any:
        """Return the number of rows by state."""
        return dict(file.rows.order_by().values_list("state").annotate(Count("pk")))


class ImportRowShape(serializers.ModelSerializer[StaffFileRow]):
    """One row: whom it is about, what it asks for, and what came of it."""

    staff = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = StaffFileRow
        fields = ("id", "number", "cells", "staff", "action", "leaves_on", "state", "reason")
        read_only_fields = fields
