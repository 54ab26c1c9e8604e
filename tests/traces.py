"""Whether somebody is found anywhere: every column of every table."""

from django.db import connection

_COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name IN (
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
)
"""


def places_of(*traces: str) -> set[str]:
    """Return every column of every table in which one of these traces of a person stands."""
    places = set()
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS)
        for table, column, kind in cursor.fetchall():
            text = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            cursor.execute(
                f'SELECT EXISTS (SELECT FROM "{table}" WHERE {text} ILIKE ANY (%s))',  # noqa: S608 -- names out of the catalogue
                [[f"%{trace}%" for trace in traces]],
            )
            if cursor.fetchone()[0]:
                places.add(f"{table}.{column}")
    return places
