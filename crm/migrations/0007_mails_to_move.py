"""Remember which mails the server has refused to mark or move."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0006_mailbox_replies"),
    ]

    operations = [
        migrations.AddField(
            model_name="mailboxreading",
            name="unmoved",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                blank=True,
                db_default=[],
                default=list,
                size=None,
            ),
        ),
    ]
