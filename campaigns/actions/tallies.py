"""Tallies: the counts of a campaign's recipients by state, kept few."""

from django.db import connection
from django.db.models import Count

from campaigns.models import Tally

_FOLD = """
WITH gone AS (
    DELETE FROM campaigns_tally WHERE campaign_id = %s RETURNING state, reason, n
)
INSERT INTO campaigns_tally (campaign_id, state, reason, n)
SELECT %s, state, reason, sum(n) FROM gone GROUP BY state, reason HAVING sum(n) <> 0
"""

MOST_TALLIES = 300


def fold_tallies() -> int:
    """Bring the tallies of campaigns that have many down to one a state; returns of how many.

    One statement a campaign, so that whoever sums them up sees either the old ones or the new.
    """
    many = (
        Tally.objects.values("campaign")
        .annotate(rows=Count("pk"))
        .filter(rows__gt=MOST_TALLIES)
        .values_list("campaign", flat=True)
    )
    campaigns = list(many)
    for campaign_id in campaigns:
        with connection.cursor() as cursor:
            cursor.execute(_FOLD, [campaign_id, campaign_id])
    return len(campaigns)
