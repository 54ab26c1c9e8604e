"""What PostgreSQL knows of tables that were filled a moment ago."""

from django.db import connection

_GROWN = """
SELECT string_agg(format('%%I', relname), ', ' ORDER BY relname) FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
  AND (starts_with(relname, 'contacts_') OR starts_with(relname, 'crm_'))
  AND pg_relation_size(oid) > 2 * 8192 * relpages::bigint + %s
"""
"""Tables of customers that have doubled since PostgreSQL looked at them."""

_SMALL = 8 * 8192
"""Bytes of a table of which it does not matter what is known."""


def know_fresh_tables() -> None:
    """Have PostgreSQL look at the customers who are new to it, as it does by itself in a minute.

    Until then it takes what is in such tables for a handful of rows, and a plan for these is
    quadratic: a campaign right after a large import would wait for minutes. Tables that somebody
    else looks at just now are left to them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_GROWN, [_SMALL])
        (tables,) = cursor.fetchone()
        if tables:
            cursor.execute(f"ANALYZE (SKIP_LOCKED) {tables}")
