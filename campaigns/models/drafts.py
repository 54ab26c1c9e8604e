"""Drafts: what somebody has typed about a campaign or a series and not finished yet."""

from django.db import models

from campaigns.models.campaigns import Campaign
from campaigns.models.series import Series
from contacts.models import Staff


class Draft(models.Model):
    """Everything that one person has typed about one thing, or about a new one.

    ``fields`` holds the inputs as they were typed, name → list of values, sound or not.
    ``version`` grows with every save: whoever saves names the version they have seen, so a second
    ``window`` never overwrites what it does not know.
    """

    fields = models.JSONField(default=dict)
    window = models.CharField(max_length=32, blank=True)
    version = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField()

    class Meta:
        abstract = True


class CampaignDraft(Draft):
    """What a person has typed into the campaign editor.

    ``base`` is the campaign as it was when the change began.
    """

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="campaign_drafts")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="drafts", null=True, blank=True
    )

    base = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "campaign"], name="campaign_draft_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.staff_id}: {self.campaign_id or 'new'}"


class SeriesDraft(Draft):
    """What a person has typed into the form of a series.

    Which series the change began from is one of the inputs, ``base``.
    """

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="series_drafts")
    series = models.ForeignKey(
        Series, on_delete=models.CASCADE, related_name="drafts", null=True, blank=True
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "series"], name="series_draft_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.staff_id}: {self.series_id or 'new'}"
