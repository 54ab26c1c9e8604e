"""Count answers in the mailbox."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0005_mailbox_readings"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailboxreading",
            name="replies",
            field=models.BigIntegerField(default=0),
        ),
    ]
