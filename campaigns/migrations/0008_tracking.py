import django.db.models.deletion
from django.db import migrations, models

import campaigns.enums

ENGAGEMENTS = ["opened", "clicked", "replied", "opted_out", "converted"]


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0007_eligibility"),
        ("contacts", "0019_consent_and_caps"),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="track_clicks",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="campaign",
            name="track_opens",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.AddField(
            model_name="campaign",
            name="conversion_days",
            field=models.PositiveSmallIntegerField(db_default=7, default=7),
        ),
        migrations.AddConstraint(
            model_name="campaign",
            constraint=models.CheckConstraint(
                condition=models.Q(("conversion_days__lte", 90)),
                name="campaign_conversion_within_90_days",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="reason",
            field=models.CharField(
                blank=True, choices=campaigns.enums.DeliveryReason.choices, max_length=16
            ),
        ),
        migrations.AlterField(
            model_name="posttarget",
            name="reason",
            field=models.CharField(
                blank=True, choices=campaigns.enums.DeliveryReason.choices, max_length=16
            ),
        ),
        migrations.CreateModel(
            name="TrackedLink",
            fields=[
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="campaigns.campaign",
                    ),
                ),
                ("seq", models.PositiveSmallIntegerField()),
                ("url", models.CharField(max_length=2048)),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id",
                        "seq",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("campaign", "url"), name="tracked_link_once"),
                    models.CheckConstraint(
                        condition=models.Q(("seq__gte", 1)), name="tracked_link_counts_from_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("url__regex", "^https?://")),
                        name="tracked_link_leads_to_the_web",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Engagement",
            fields=[
                (
                    "campaign",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="engagements",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="engagements",
                        to="contacts.customer",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("opened", "opened"),
                            ("clicked", "clicked"),
                            ("replied", "replied"),
                            ("opted_out", "opted out"),
                            ("converted", "bought"),
                        ],
                        max_length=12,
                    ),
                ),
                ("link", models.PositiveSmallIntegerField(default=0)),
                ("count", models.PositiveIntegerField(default=0)),
                ("bots", models.PositiveIntegerField(default=0)),
                (
                    "amount",
                    models.DecimalField(blank=True, decimal_places=2, max_digits=14, null=True),
                ),
                ("first_at", models.DateTimeField(blank=True, null=True)),
                ("last_at", models.DateTimeField()),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "campaign_id",
                        "customer_id",
                        "kind",
                        "link",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ENGAGEMENTS)),
                        name="engagement_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("count", 0), ("first_at", None))
                        | models.Q(("count__gt", 0), ("first_at__isnull", False)),
                        name="engagement_of_people_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", "clicked"), ("link", 0), _connector="OR"),
                        name="engagement_link_only_of_clicks",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount", None), ("kind", "converted"), _connector="OR"
                        ),
                        name="engagement_amount_only_of_conversions",
                    ),
                ],
            },
        ),
    ]
