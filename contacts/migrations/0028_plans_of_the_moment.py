"""The guard against rows about erased customers plans anew each time.

A plan from when the tables were small stays with a session, and compares each row with each
customer when they have become many.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("contacts", "0027_what_erasures_look_up")]

    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION liuke_refuse_erased() SET plan_cache_mode = force_custom_plan",
            "ALTER FUNCTION liuke_refuse_erased() RESET plan_cache_mode",
        )
    ]
