"""Who reacts to a moment is kept by address, once a person."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0017_room_for_whole_pages"),
    ]

    operations = [
        migrations.CreateModel(
            name="PostReaction",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("comment", "comment"), ("like", "like")], max_length=8
                    ),
                ),
                ("by_staff", models.BooleanField()),
                ("address", models.CharField(max_length=64)),
                ("times", models.PositiveIntegerField(default=1)),
                ("at", models.DateTimeField(blank=True, null=True)),
                ("seen_at", models.DateTimeField()),
                (
                    "post",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reactions",
                        to="campaigns.post",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reactions",
                        to="campaigns.posttarget",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["post", "id"], name="reaction_of_post")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("target", "kind", "by_staff", "address"),
                        name="reaction_once_per_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["comment", "like"])),
                        name="reaction_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("address", ""), _negated=True),
                        name="reaction_names_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("times__gte", 1)), name="reaction_at_least_once"
                    ),
                ],
            },
        ),
    ]
