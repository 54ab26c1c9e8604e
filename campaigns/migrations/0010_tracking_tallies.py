import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0009_lifecycle"),
    ]

    operations = [
        migrations.CreateModel(
            name="TallyRound",
            fields=[
                (
                    "campaign",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="tally_round",
                        serialize=False,
                        to="campaigns.campaign",
                    ),
                ),
                ("counted_at", models.DateTimeField(blank=True, null=True)),
                ("next_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_at__isnull", False)),
                        fields=["next_at"],
                        name="tally_round_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EngagementTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dimension", models.CharField(max_length=8)),
                ("key", models.BigIntegerField(blank=True, null=True)),
                ("what", models.CharField(max_length=20)),
                ("link", models.PositiveSmallIntegerField(default=0)),
                ("n", models.PositiveIntegerField()),
                ("times", models.BigIntegerField(default=0)),
                ("amount", models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="engagement_tallies",
                        to="campaigns.campaign",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "engagement tallies",
                "indexes": [
                    models.Index(fields=["campaign", "dimension"], name="engagement_tally_read")
                ],
            },
        ),
    ]
