"""An index by which an erasure finds the comments and likes of somebody."""

from django.db import migrations, models
from django.db.models import Q

from contacts.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("campaigns", "0023_nothing_of_the_erased"),
        ("contacts", "0027_what_erasures_look_up"),
    ]

    operations = [
        BuildIndex(
            "postreaction",
            models.Index(
                fields=["address"], condition=Q(by_staff=False), name="reaction_of_customer"
            ),
        ),
    ]
