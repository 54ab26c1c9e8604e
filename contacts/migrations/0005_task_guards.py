"""Open tasks belong to people who work here: the same guard as for the owner of a customer."""

from django.db import migrations

EMPLOYED = """
ALTER TABLE contacts_task
    ADD COLUMN holder_id bigint GENERATED ALWAYS AS
        (CASE WHEN state = 'open' THEN staff_id END) STORED,
    ADD CONSTRAINT task_holder_is_employed
        FOREIGN KEY (holder_id) REFERENCES contacts_staff (owning_id);
CREATE INDEX task_holder ON contacts_task (holder_id);
"""

EMPLOYED_UNDO = """
ALTER TABLE contacts_task DROP CONSTRAINT task_holder_is_employed;
ALTER TABLE contacts_task DROP COLUMN holder_id;
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0004_tasks_notices_and_offers")]

    operations = [migrations.RunSQL(EMPLOYED, EMPLOYED_UNDO)]
