"""Writing many rows at once with PostgreSQL's COPY."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import AutoField, BigAutoField, Model, Value
from django.db.models.expressions import DatabaseDefault

Row = TypeVar("Row", bound=Model)


def copy_in(model: type[Row], rows: Iterable[Row]) -> list[Row]:
    """Insert the rows in one COPY, give them their primary keys, and return them.

    Values that the database would work out must be set; plain defaults of columns need not. Only for a table that nobody else writes
    to: the keys follow the largest one there is.
    """
    columns = {field.column: field for field in model._meta.local_concrete_fields if field.column}
    table = connection.ops.quote_name(model._meta.db_table)
    listed = list(rows)
    if any(isinstance(field, AutoField | BigAutoField) for field in columns.values()):
        _number(model, listed)
    names = ", ".join(connection.ops.quote_name(column) for column in columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in listed:
            copy.write_row([_value(field, row) for field in columns.values()])
    return listed


def _number(model: type[Model], rows: Sequence[Model]) -> None:
    """Give the rows primary keys, and move the table's sequence behind them."""
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608 -- a model's own table
        first: int = cursor.fetchone()[0] + 1
        for key, row in enumerate(rows, first):
            row.pk = key
        if rows:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, rows[-1].pk],
            )


def _value(field: Any, row: Model) -> Any:
    value = getattr(row, field.attname)
    if isinstance(value, DatabaseDefault) and isinstance(field.db_default, Value):
        value = field.db_default.value
    elif isinstance(value, DatabaseDefault):
        value = field.db_default
    return field.get_db_prep_save(value, connection)
