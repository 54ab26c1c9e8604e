"""A welcome says why it went without a file, and those that did are found at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0018_reactions_by_whom"),
        ("contacts", "0022_coupons"),
    ]

    operations = [
        migrations.AddField(
            model_name="welcome",
            name="left_out_why",
            field=models.CharField(
                blank=True,
                choices=[("not_ready", "not at WeCom in time"), ("forgotten", "WeCom had lost it")],
                db_default="",
                default="",
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="welcome",
            index=models.Index(
                condition=models.Q(("left_out__gt", 0), ("state", "sent")),
                fields=["-id"],
                name="welcome_without_files",
            ),
        ),
    ]
