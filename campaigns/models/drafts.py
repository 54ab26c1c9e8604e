"""Drafts: what somebody has typed into the campaign editor and not finished yet."""

from django.db import models

from campaigns.models.campaigns import Campaign
from contacts.models import Staff


class CampaignDraft(models.Model):
    """Everything that one person has typed about a new campaign, or about changing one.

    ``fields`` holds the inputs as they were typed, name → list of values, sound or not.
    ``version`` grows with every save: whoever saves names the version they have seen, so a second
    ``window`` never overwrites what it does not know. ``base`` is the campaign as it was when the
    change began.
    """

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="campaign_drafts")
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="drafts", null=True, blank=True
    )

    fields = models.JSONField(default=dict)
    base = models.JSONField(default=dict, blank=True)
    window = models.CharField(max_length=32, blank=True)
    version = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "campaign"], name="campaign_draft_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.staff_id}: {self.campaign_id or 'new'}"
