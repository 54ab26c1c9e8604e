"""Building an index on a large table while others write."""

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


class BuildIndex(AddIndexConcurrently):
    """Add an index without the limits of time that hold for requests; may be repeated.

    What an interrupted attempt has left behind is invalid, and is dropped first.
    """

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *states: Any
    ) -> None:
        """Build it anew."""
        name = schema_editor.connection.ops.quote_name(self.index.name)
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET lock_timeout = 0")  # it waits for the transactions there are
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, *states)
            cursor.execute("RESET lock_timeout")
            cursor.execute("RESET statement_timeout")
