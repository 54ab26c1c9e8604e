"""Nothing is said of an erased customer any more: see contacts 0025."""

from django.db import migrations

NAME = "crm_order_not_of_erased"


class Migration(migrations.Migration):
    dependencies = [("crm", "0007_mails_to_move"), ("contacts", "0025_erasures")]

    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER {NAME} AFTER INSERT ON crm_order REFERENCING NEW TABLE AS fresh"
            " FOR EACH STATEMENT EXECUTE FUNCTION liuke_refuse_erased()",
            f"DROP TRIGGER {NAME} ON crm_order",
        )
    ]
