"""Let the planner know which titles of coupons are common, in the form that segments ask for them.

Without it a word in a title counts as rare, whatever it is: a million coupons were looked up one
by one.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("contacts", "0022_coupons")]

    operations = [
        migrations.RunSQL(
            "CREATE STATISTICS coupon_titles ON upper(title::text) FROM contacts_coupon;",
            "DROP STATISTICS coupon_titles;",
        ),
    ]
