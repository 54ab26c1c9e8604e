"""Room on each page for the updates that follow: rows of deliveries change once or twice.

Without it every update of a full page writes a new entry into each index of the table.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0013_media")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE campaigns_delivery SET (fillfactor = 60);"
            "ALTER TABLE campaigns_batch SET (fillfactor = 60);",
            "ALTER TABLE campaigns_delivery RESET (fillfactor);"
            "ALTER TABLE campaigns_batch RESET (fillfactor);",
        ),
    ]
