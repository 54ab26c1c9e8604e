"""Comparisons with WeCom and what they found; what they have seen is worth no log."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0007_handover_plans"),
    ]

    operations = [
        migrations.CreateModel(
            name="Finding",
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
                        choices=[
                            ("follow_new", "connected in WeCom, not known here"),
                            ("follow_gone", "connected here, not in WeCom any more"),
                            ("staff_new", "in WeCom, not known here"),
                            ("staff_gone", "at work here, not in WeCom any more"),
                            ("staff_back", "departed here, still in WeCom"),
                            ("returned", "back at work, customers of before still wait in WeCom"),
                            ("unreadable", "connections that WeCom does not show"),
                            ("left_behind", "left behind by somebody who departed"),
                            ("not_moved", "taken over here, not in WeCom"),
                            ("not_connected", "taken over, but not connected"),
                            ("overdue", "a handover without an answer"),
                            ("owner_apart", "the owner is not connected, a colleague is"),
                        ],
                        max_length=16,
                    ),
                ),
                ("key", models.CharField(max_length=60)),
                ("address", models.CharField(blank=True, max_length=255)),
                ("detail", models.JSONField(blank=True, default=dict)),
                ("note", models.CharField(blank=True, max_length=200)),
                (
                    "found_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("repaired", "repaired"),
                            ("dismissed", "dismissed"),
                            ("gone", "gone by itself"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                (
                    "state_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "step",
                    models.CharField(
                        choices=[
                            ("tags", "tags"),
                            ("members", "colleagues"),
                            ("leavers", "customers of leavers"),
                            ("absent", "colleagues who are not in WeCom"),
                            ("follows", "connections with customers"),
                            ("handovers", "handovers"),
                            ("owners", "owners"),
                        ],
                        default="tags",
                        max_length=12,
                    ),
                ),
                ("place", models.JSONField(blank=True, default=dict)),
                ("seen", models.JSONField(blank=True, default=dict)),
                ("repaired", models.JSONField(blank=True, default=dict)),
                ("listed", models.JSONField(blank=True, default=dict)),
                ("error", models.CharField(blank=True, max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "running"), ("done", "done"), ("failed", "failed")],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                (
                    "next_attempt_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "started_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="SeenFollow",
            fields=[
                ("follow_id", models.BigIntegerField(primary_key=True, serialize=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="follow",
            name="follow_end_is_complete",
        ),
        migrations.AlterField(
            model_name="follow",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("by_customer", "removed by the customer"),
                    ("by_staff", "removed by the staff member"),
                    ("transferred", "handed over"),
                    ("departed", "staff member departed"),
                    ("lost", "lost on handover"),
                    ("missing", "not in WeCom any more"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="follow",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("end_reason", ""), ("ended_at", None)),
                    models.Q(
                        (
                            "end_reason__in",
                            [
                                "by_customer",
                                "by_staff",
                                "transferred",
                                "departed",
                                "lost",
                                "missing",
                            ],
                        ),
                        ("ended_at__gte", models.F("began_at")),
                        ("ended_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="follow_end_is_complete",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="customer",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="contacts.customer",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="handover",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contacts.handover",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="settled_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contacts.staff",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="staff",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="contacts.staff",
            ),
        ),
        migrations.AddField(
            model_name="reconciliation",
            name="asked_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="contacts.staff",
            ),
        ),
        migrations.AddField(
            model_name="finding",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="findings",
                to="contacts.reconciliation",
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")),
                fields=("state",),
                name="reconciliation_one_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["running", "done", "failed"]),
                    (
                        "step__in",
                        ["tags", "members", "leavers", "absent", "follows", "handovers", "owners"],
                    ),
                ),
                name="reconciliation_state_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at", None), ("state", "running")),
                    models.Q(
                        models.Q(("state", "running"), _negated=True),
                        ("finished_at__isnull", False),
                        ("lease_token", None),
                    ),
                    _connector="OR",
                ),
                name="reconciliation_end_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="reconciliation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lease_token", None), ("lease_until", None)),
                    models.Q(("lease_token__isnull", False), ("lease_until__isnull", False)),
                    _connector="OR",
                ),
                name="reconciliation_lease_is_complete",
            ),
        ),
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(fields=["state", "kind", "-id"], name="finding_by_state"),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["open", "dismissed"])),
                fields=("kind", "key"),
                name="finding_one_per_thing",
            ),
        ),
        migrations.AddConstraint(
            model_name="finding",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "follow_new",
                            "follow_gone",
                            "staff_new",
                            "staff_gone",
                            "staff_back",
                            "returned",
                            "unreadable",
                            "left_behind",
                            "not_moved",
                            "not_connected",
                            "overdue",
                            "owner_apart",
                        ],
                    ),
                    ("state__in", ["open", "repaired", "dismissed", "gone"]),
                ),
                name="finding_kind_and_state_known",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE contacts_seenfollow SET UNLOGGED",
            "ALTER TABLE contacts_seenfollow SET LOGGED",
        ),
    ]
