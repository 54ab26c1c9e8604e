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
UPDATE contacts_callback SET body = '' WHERE id IN (
    SELECT id FROM contacts_callback WHERE state = 'done' AND body <> '' LIMIT %s
)
"""


def let_go(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Empty the bodies of callbacks that are done, some at a time; may be repeated."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(LET_GO, [PART])
        while cursor.rowcount == PART:
            cursor.execute(LET_GO, [PART])


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
