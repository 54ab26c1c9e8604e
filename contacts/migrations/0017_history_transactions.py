"""Each history entry knows the transaction that wrote it, for reading in the order of commits.

Quick on a large table: a column without a value rewrites nothing, its default is for rows to
come, and the index, which holds none of the rows there are, is built while others write. Every
step may be repeated after it was interrupted.
"""

from django.db import migrations

COLUMN = """
ALTER TABLE contacts_historyentry ADD COLUMN IF NOT EXISTS xact bigint;
ALTER TABLE contacts_historyentry
    ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);
"""

COLUMN_UNDO = "ALTER TABLE contacts_historyentry DROP COLUMN xact"

INDEX = (
    "SET statement_timeout = 0",
    "DROP INDEX CONCURRENTLY IF EXISTS history_by_transaction",
    "CREATE INDEX CONCURRENTLY history_by_transaction"
    " ON contacts_historyentry (xact, id) WHERE xact IS NOT NULL",
    "RESET statement_timeout",
)


class Migration(migrations.Migration):
    atomic = False  # an index is not built concurrently inside a transaction

    dependencies = [("contacts", "0016_chat_details")]

    operations = [
        migrations.RunSQL(COLUMN, COLUMN_UNDO),
        migrations.RunSQL(INDEX, migrations.RunSQL.noop),
    ]
