"""The links of a campaign, and what its recipients did."""

from django.db import models
from django.db.models import Q

from campaigns.enums import EngagementKind
from campaigns.models.campaigns import Campaign
from contacts.models import Customer


class TrackedLink(models.Model):
    """One address that the words of a campaign lead to.

    Short links lead to rows of this table and nowhere else, so nobody can make us send people to
    a place of their own. ``seq`` counts from 1 within the campaign.
    """

    pk = models.CompositePrimaryKey("campaign_id", "seq")

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="links", db_index=False
    )

    seq = models.PositiveSmallIntegerField()
    url = models.CharField(max_length=2048)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "url"], name="tracked_link_once"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="tracked_link_counts_from_one"),
            models.CheckConstraint(
                condition=Q(url__regex="^https?://"), name="tracked_link_leads_to_the_web"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class Engagement(models.Model):
    """What one recipient did with one campaign, of one kind.

    Clicks have a row for the campaign, ``link`` 0, and one for each link. ``count`` is how often a
    person did it, ``bots`` how often a machine: scanners of mail follow links as well.
    ``first_at`` is the first time by a person. ``amount`` is what was bought, of conversions only.
    There is no foreign key to the customer, for the reasons that ``Delivery`` has.
    """

    pk = models.CompositePrimaryKey("campaign_id", "customer_id", "kind", "link")

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="engagements", db_index=False
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="engagements", db_constraint=False
    )

    kind = models.CharField(max_length=12, choices=EngagementKind.choices)
    link = models.PositiveSmallIntegerField(default=0)
    count = models.PositiveIntegerField(default=0)
    bots = models.PositiveIntegerField(default=0)
    amount = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    first_at = models.DateTimeField(null=True, blank=True)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=EngagementKind.values), name="engagement_kind_known"
            ),
            models.CheckConstraint(
                condition=Q(count=0, first_at=None) | Q(count__gt=0, first_at__isnull=False),
                name="engagement_of_people_has_time",
            ),
            models.CheckConstraint(
                condition=Q(kind="clicked") | Q(link=0), name="engagement_link_only_of_clicks"
            ),
            models.CheckConstraint(
                condition=Q(amount=None) | Q(kind="converted"),
                name="engagement_amount_only_of_conversions",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.customer_id}: {self.kind}"


class EngagementTally(models.Model):
    """How many recipients are in a state or did something: by batch, guide, store, variant, hour.

    Counted anew now and then for campaigns that are too large to be counted while somebody waits.
    ``key`` is the id within the ``dimension``, or the hour since 1970; ``what`` is a state of
    deliveries, or what people or machines did.
    """

    campaign = models.ForeignKey(
        Campaign, on_delete=models.PROTECT, related_name="engagement_tallies", db_index=False
    )

    dimension = models.CharField(max_length=8)
    key = models.BigIntegerField(null=True, blank=True)
    what = models.CharField(max_length=20)
    link = models.PositiveSmallIntegerField(default=0)
    n = models.PositiveIntegerField()
    times = models.BigIntegerField(default=0)
    amount = models.DecimalField(max_digits=16, decimal_places=2, default=0)

    class Meta:
        verbose_name_plural = "engagement tallies"
        indexes = [
            # The statistics of one campaign, by one dimension.
            models.Index(fields=["campaign", "dimension"], name="engagement_tally_read"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.dimension} {self.key} {self.what}: {self.n}"


class TallyRound(models.Model):
    """When a campaign was last counted, orders included, and when it is due again."""

    campaign = models.OneToOneField(
        Campaign, on_delete=models.PROTECT, related_name="tally_round", primary_key=True
    )

    counted_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: campaigns to be counted.
            models.Index(
                fields=["next_at"], condition=Q(next_at__isnull=False), name="tally_round_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} at {self.counted_at}"
