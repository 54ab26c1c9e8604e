"""What became of the welcomes of the last days is counted without reading all of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0021_split_seed"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="welcome",
            index=models.Index(fields=["received_at"], name="welcome_received"),
        ),
    ]
