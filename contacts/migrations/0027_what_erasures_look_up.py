"""Indexes by which an erasure finds notices, findings and chats, and a page somebody's owners.

The exclusion constraint's index on ownership periods serves no query that names a number: GiST
compares a bigint with a bigint only, and a number in a query is an integer.
"""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models
from django.db.models import Q

from contacts.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("contacts", "0026_erasures_hold")]

    operations = [
        BuildIndex(
            "notice",
            models.Index(
                fields=["customer"],
                condition=Q(customer__isnull=False),
                name="notice_about_customer",
            ),
        ),
        BuildIndex(
            "finding",
            models.Index(fields=["address"], condition=~Q(address=""), name="finding_by_address"),
        ),
        BuildIndex("groupchat", GinIndex(fields=["customers"], name="chat_by_member")),
        BuildIndex(
            "ownershipperiod",
            models.Index(fields=["customer", "-began_at"], name="ownership_of_customer"),
        ),
    ]
