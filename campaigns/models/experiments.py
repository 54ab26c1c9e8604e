"""Trying several wordings on a campaign's recipients, and a control group that gets nothing."""

from django.db import models
from django.db.models import Q

from campaigns.enums import WinnerRule
from campaigns.models.campaigns import Campaign
from contacts.models import Staff

MOST_VARIANTS = 4
MOST_CONTROL = 50
"""Per cent of the recipients."""

LETTERS = "ABCD"


class Experiment(models.Model):
    """How the recipients of one campaign are split.

    ``control_share`` per cent of them get nothing. With ``test_share``, so many per cent of the
    others are split among the variants; the rest waits in held batches until there is a
    ``winner`` and then gets its words. Without it all are split. The winner is the number of a
    variant; ``decide_at`` is when the sweeper looks for it, and ``None`` where a person decides.
    ``seed`` is what the split was counted with before there was a campaign; without one it is the
    campaign's own number.
    """

    campaign = models.OneToOneField(
        Campaign, on_delete=models.CASCADE, primary_key=True, related_name="experiment"
    )
    decided_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )

    seed = models.BigIntegerField(null=True, blank=True)
    control_share = models.PositiveSmallIntegerField(default=0)
    test_share = models.PositiveSmallIntegerField(null=True, blank=True)
    winner_rule = models.CharField(max_length=12, choices=WinnerRule.choices, blank=True)
    winner_after_hours = models.PositiveSmallIntegerField(null=True, blank=True)
    winner = models.PositiveSmallIntegerField(null=True, blank=True)

    decide_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # The sweeper: winners that are due.
            models.Index(
                fields=["decide_at"],
                condition=Q(decide_at__isnull=False),
                name="experiment_to_decide",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(control_share__lte=MOST_CONTROL), name="experiment_control_at_most_half"
            ),
            models.CheckConstraint(
                condition=Q(test_share=None, winner_rule="")
                | (
                    Q(test_share__gte=1, test_share__lte=99, winner_rule__in=WinnerRule.values)
                    & (
                        Q(winner_rule="hand", winner_after_hours=None)
                        | (~Q(winner_rule="hand") & Q(winner_after_hours__gte=1))
                    )
                ),
                name="experiment_test_has_a_rule",
            ),
            models.CheckConstraint(
                condition=Q(winner=None, decided_at=None)
                | Q(
                    winner__lt=MOST_VARIANTS,
                    decided_at__isnull=False,
                    decide_at=None,
                    test_share__isnull=False,
                ),
                name="experiment_winner_has_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.campaign_id)


class Variant(models.Model):
    """One wording of a campaign: A is number 0. ``share`` is its part of those who are split."""

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="variants", db_index=False
    )

    number = models.PositiveSmallIntegerField()
    share = models.PositiveSmallIntegerField()
    subject = models.CharField(max_length=200, blank=True)
    text = models.TextField()
    html = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="variant_number_once"),
            models.CheckConstraint(
                condition=Q(number__lt=MOST_VARIANTS), name="variant_at_most_four"
            ),
            models.CheckConstraint(
                condition=Q(share__gte=1, share__lte=99), name="variant_has_share"
            ),
        ]

    def __str__(self) -> str:
        return self.letter

    @property
    def letter(self) -> str:
        """What people call it."""
        return LETTERS[self.number]
