"""A welcome may carry files, which wait at the channel."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0015_reactions"),
        ("contacts", "0021_active_customers"),
    ]

    operations = [
        migrations.AddField(
            model_name="welcome",
            name="attachments",
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.AddField(
            model_name="welcome",
            name="left_out",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="welcomerule",
            name="files_due_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="welcomerule",
            name="files_error",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddIndex(
            model_name="welcomerule",
            index=models.Index(
                condition=models.Q(("files_due_at__isnull", False)),
                fields=["files_due_at"],
                name="welcome_rule_files_due",
            ),
        ),
    ]
