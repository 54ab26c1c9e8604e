"""The constraints of erasures are validated while others write, and told callbacks let go of.

A callback whose effect is done is known by its key; its body speaks of a person for no more use.
"""

from django.apps.registry import Apps
from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Q

PART = 10_000

LET_GO = """
UPDATE contacts_callback SET body = ''
WHERE id BETWEEN %s AND %s AND state = 'done' AND body <> ''
"""


def let_go(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Empty the bodies of callbacks that are done, some at a time; may be repeated."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(min(id), 0), coalesce(max(id), 0) FROM contacts_callback")
        first, last = cursor.fetchone()
        for begin in range(first, last + 1, PART):
            cursor.execute(LET_GO, [begin, begin + PART - 1])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0025_erasures")]

    operations = [
        ValidateConstraint("follow", "follow_end_is_complete"),
        ValidateConstraint("customer", "customer_erased_is_nobody"),
        migrations.RunPython(let_go, migrations.RunPython.noop),
        AddIndexConcurrently(
            "callback",
            models.Index(fields=["id"], condition=~Q(body=""), name="callback_with_body"),
        ),
    ]
