"""An index by which an erasure finds the saved answers that speak of somebody."""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations
from django.db.models import Q

from contacts.index_building import BuildIndex


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("contacts", "0027_what_erasures_look_up"),
        ("crm", "0008_no_orders_of_the_erased"),
    ]

    operations = [
        BuildIndex(
            "savedanswer",
            GinIndex(
                fields=["body"],
                opclasses=["gin_trgm_ops"],
                condition=~Q(body=""),
                name="saved_answer_words",
            ),
        ),
    ]
