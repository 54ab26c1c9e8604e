"""Group chats belong to people who work here, or wait for an owner: as for customers."""

from django.db import migrations

EMPLOYED = """
ALTER TABLE contacts_groupchat
    ADD CONSTRAINT chat_owner_is_employed
        FOREIGN KEY (owner_id) REFERENCES contacts_staff (owning_id);
"""

EMPLOYED_UNDO = "ALTER TABLE contacts_groupchat DROP CONSTRAINT chat_owner_is_employed"


class Migration(migrations.Migration):
    dependencies = [("contacts", "0011_group_chats")]

    operations = [migrations.RunSQL(EMPLOYED, EMPLOYED_UNDO)]
