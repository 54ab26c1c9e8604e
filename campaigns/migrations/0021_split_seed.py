"""A split may be drawn with what it was counted with before there was a campaign."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0020_series_drafts"),
    ]

    operations = [
        migrations.AddField(
            model_name="experiment",
            name="seed",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
