"""Imports: rows of the human resources department, judged first and carried out then."""

import hashlib
import json
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from connectors.spreadsheets import LONGEST_CELL, MOST_ROWS
from contacts.enums import Role
from contacts.models import StaffFile, StaffFileRow
from crm.access import require, staff_file_for, staff_files_of
from crm.actions.staff_files import keep_rows, start_staff_file
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.shapes.imports import ImportPageShape, ImportRowShape, ImportShape


class Cell(serializers.CharField):
    """One cell; empty where there is nothing to say."""

    def __init__(self) -> None:
        super().__init__(default="", allow_blank=True, max_length=LONGEST_CELL)


class RowInput(StrictInput):
    """One person: an account, a phone number or a name, then a status or a last day."""

    userid = Cell()
    phone = Cell()
    name = Cell()
    leaves_on = Cell()
    status = Cell()


class Imports(Listing, Verb):
    """List what you have imported."""

    resource = "imports"
    shape = ImportShape
    success = 201

    class Input(StrictInput):
        """What is imported, and its rows."""

        example: ClassVar = {
            "kind": "staff",
            "name": "leavers-november",
            "rows": [{"userid": "LinYue", "leaves_on": "2026-12-31"}],
        }

        kind = serializers.ChoiceField(choices=["staff"])
        name = serializers.CharField(max_length=200, default="api")
        rows = RowInput(many=True)

        def validate_rows(self, rows: list[dict[str, str]]) -> list[dict[str, str]]:
            """Some, and not too many."""
            if not 0 < len(rows) <= MOST_ROWS:
                raise serializers.ValidationError(f"1 … {MOST_ROWS}")
            return rows

    @property
    def verb_shape(self) -> type[ImportPageShape]:
        """Show the figures as well."""
        return ImportPageShape

    def rows(self) -> QuerySet[StaffFile]:
        """Return the person's imports."""
        return staff_files_of(self.viewer).select_related("uploaded_by")

    def act(self, data: dict[str, Any]) -> StaffFile:
        """Judge rows that say who leaves, is on leave or comes back; nothing is done yet.

        `rows` of the import say what each would do. Start it to have it done.
        """
        require(self.viewer, Role.MANAGER)
        digest = hashlib.sha256(json.dumps(data["rows"]).encode()).hexdigest()
        return keep_rows(
            data["rows"],
            name=data["name"],
            digest=digest,
            viewer=self.viewer,
            now=self.now,
            source="api",
        )


class ImportPage(Reading):
    """Read one import."""

    resource = "imports"
    shape = ImportPageShape

    def row(self, pk: int) -> StaffFile:
        """Return the import."""
        return staff_file_for(self.viewer, pk)


class ImportRows(Listing):
    """List the rows of an import: what each would do or has done, and why not."""

    resource = "imports"
    shape = ImportRowShape

    def rows(self) -> QuerySet[StaffFileRow]:
        """Return the rows of this import."""
        file = staff_file_for(self.viewer, self.kwargs["pk"])
        return StaffFileRow.objects.filter(file=file).select_related("staff")


class StartImport(ImportPage, Verb):
    """The start of an import."""

    http_method_names = ["post"]

    def act(self, data: dict[str, Any], pk: int) -> StaffFile:
        """Carry an import out, row by row."""
        require(self.viewer, Role.MANAGER)
        start_staff_file(staff_file_for(self.viewer, pk), actor=self.actor, now=self.now)
        return self.row(pk)
