"""What the database keeps of an erasure, and the narrow door that it needs (ADR 0032).

- ``customer_erased_is_nobody``: no column of an erased customer says who it was.
- ``liuke_refuse_erased``: nothing is said of an erased customer any more. It waits for an erasure
  that is under way, so that nothing slips in behind it.
- History and the consent ledger stay append-only. An erasure, which says so for its transaction,
  may take words out of rows about customers who are erased, and the rows themselves see to that.
"""

import django.db.models.deletion
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q

KINDS = [
    ("wecom:external_userid", "WeCom"),
    ("wechat:unionid", "WeChat"),
    ("phone", "phone"),
    ("email", "e-mail"),
    ("member_no", "member number"),
    ("crm", "other system"),
]
ENDS = [
    ("by_customer", "removed by the customer"),
    ("by_staff", "removed by the staff member"),
    ("transferred", "handed over"),
    ("departed", "staff member departed"),
    ("lost", "lost on handover"),
    ("missing", "not in WeCom any more"),
    ("merged", "goes on under another record of the customer"),
    ("erased", "customer erased"),
]

# A shared lock on the customers makes whoever writes about them wait for an erasure; what they are
# then is read from the locked row. The sum keeps the condition out of the locking query.
REFUSE = """
CREATE FUNCTION liuke_refuse_erased() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone bigint;
BEGIN
    SELECT max(held.id) FILTER (WHERE held.state = 'erased') INTO gone FROM (
        SELECT id, state FROM contacts_customer
        WHERE id IN (SELECT customer_id FROM fresh) ORDER BY id FOR KEY SHARE
    ) AS held;
    IF gone IS NOT NULL THEN
        RAISE EXCEPTION 'customer % was erased', gone
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'customer_was_erased';
    END IF;
    RETURN NULL;
END
$$;
"""
REFUSE_UNDO = "DROP FUNCTION liuke_refuse_erased()"

GUARDED = (
    "contacts_consententry",
    "contacts_coupon",
    "contacts_customertag",
    "contacts_follow",
    "contacts_identity",
    "contacts_interaction",
    "contacts_task",
)


def guard(table: str) -> migrations.RunSQL:
    """Refuse rows about erased customers in a table."""
    name = f"{table}_not_of_erased"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION liuke_refuse_erased()",
        f"DROP TRIGGER {name} ON {table}",
    )


DOOR = """
CREATE OR REPLACE FUNCTION liuke_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND current_setting('liuke.erasing', true) = 'on' THEN
        RETURN NULL;  -- the row itself sees to what is changed: liuke_only_forgets
    END IF;
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'append_only';
END
$$;
CREATE FUNCTION liuke_only_forgets() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := to_jsonb(OLD);
    now_is jsonb := to_jsonb(NEW);
BEGIN
    IF NOT EXISTS (
        SELECT FROM contacts_customer WHERE id = OLD.customer_id AND state = 'erased'
    ) OR was - TG_ARGV <> now_is - TG_ARGV
      OR NOT coalesce(was -> 'data', '{}') @> coalesce(now_is -> 'data', '{}')
      OR now_is ->> 'source' NOT IN ('', was ->> 'source')
      OR coalesce(now_is ->> 'evidence', '') NOT IN ('', coalesce(was ->> 'evidence', ''))
    THEN
        RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'append_only';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER history_only_forgets BEFORE UPDATE ON contacts_historyentry
    FOR EACH ROW EXECUTE FUNCTION liuke_only_forgets('data', 'source');
CREATE TRIGGER consent_only_forgets BEFORE UPDATE ON contacts_consententry
    FOR EACH ROW EXECUTE FUNCTION liuke_only_forgets('evidence', 'source');
"""

DOOR_UNDO = """
DROP TRIGGER history_only_forgets ON contacts_historyentry;
DROP TRIGGER consent_only_forgets ON contacts_consententry;
DROP FUNCTION liuke_only_forgets();
CREATE OR REPLACE FUNCTION liuke_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'append_only';
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0024_merges")]

    operations = [
        migrations.CreateModel(
            name="ErasedAddress",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(choices=KINDS, max_length=24)),
                ("digest", models.CharField(max_length=64)),
                ("erased_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="erased_addresses",
                        to="contacts.customer",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "erased addresses",
                "indexes": [models.Index(fields=["erased_at"], name="erased_address_lately")],
                "constraints": [
                    models.UniqueConstraint(fields=["digest"], name="erased_address_once"),
                    models.CheckConstraint(
                        condition=Q(kind__in=[kind for kind, _label in KINDS]),
                        name="erased_address_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=Q(digest__regex=r"^[0-9a-f]{64}$"),
                        name="erased_address_is_a_digest",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint("follow", "follow_end_is_complete"),
        migrations.AlterField(
            "follow",
            "end_reason",
            models.CharField(blank=True, choices=ENDS, max_length=12),
        ),
        AddConstraintNotValid(
            "follow",
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="")
                | Q(
                    ended_at__isnull=False,
                    ended_at__gte=F("began_at"),
                    end_reason__in=[end for end, _label in ENDS],
                ),
                name="follow_end_is_complete",
            ),
        ),
        AddConstraintNotValid(
            "customer",
            models.CheckConstraint(
                condition=~Q(state="erased")
                | Q(
                    name="",
                    name_key="",
                    search_key="",
                    gender="",
                    birthday=None,
                    city="",
                    note="",
                    time_zone="",
                    attributes={},
                ),
                name="customer_erased_is_nobody",
            ),
        ),
        migrations.RunSQL(REFUSE, REFUSE_UNDO),
        *(guard(table) for table in GUARDED),
        migrations.RunSQL(DOOR, DOOR_UNDO),
    ]
