"""Nothing is said of an erased customer any more: see contacts 0025."""

from django.db import migrations

TABLES = ("campaigns_segmentmember", "campaigns_welcome")


def guard(table: str) -> migrations.RunSQL:
    """Refuse rows about erased customers in a table."""
    name = f"{table}_not_of_erased"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION liuke_refuse_erased()",
        f"DROP TRIGGER {name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0022_welcomes_by_time"), ("contacts", "0025_erasures")]

    operations = [guard(table) for table in TABLES]
