"""What the company allows itself in messages to its customers."""

from django.db import models
from django.db.models import F, Q


class MessagingRules(models.Model):
    """How often, when and with whose consent the company writes; the table holds a single row.

    At most ``cap_messages`` in ``cap_days`` days over all channels, and what ``channel_caps``
    says of single ones: ``{"sms": {"messages": 2, "days": 30}}``. Nothing leaves between
    ``quiet_from`` and ``quiet_to`` of the customer's clock. ``consent_required`` lists what needs
    a yes beforehand, as ``"email:campaign"``; everything else may be sent until somebody says no.
    ``skip_over_quota`` keeps WeCom messages back that WeCom would refuse. Service messages heed
    consent only. A campaign to more than ``approval_above`` recipients needs a second person's
    approval: 0 every one, ``None`` none.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)

    cap_messages = models.PositiveSmallIntegerField(null=True, blank=True)
    cap_days = models.PositiveSmallIntegerField(default=7)
    channel_caps = models.JSONField(default=dict, blank=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_to = models.TimeField(null=True, blank=True)
    consent_required = models.JSONField(default=list, blank=True)
    skip_over_quota = models.BooleanField(default=False)
    approval_above = models.PositiveIntegerField(
        null=True, blank=True, default=10_000, db_default=10_000
    )

    class Meta:
        verbose_name_plural = "messaging rules"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="messaging_rules_are_one"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_to=None)
                | (
                    Q(quiet_from__isnull=False, quiet_to__isnull=False)
                    & ~Q(quiet_from=F("quiet_to"))
                ),
                name="messaging_rules_quiet_is_a_span",
            ),
            models.CheckConstraint(
                condition=Q(cap_days__gte=1, cap_days__lte=366)
                & (Q(cap_messages=None) | Q(cap_messages__gte=1)),
                name="messaging_rules_cap_is_possible",
            ),
        ]

    def __str__(self) -> str:
        return "messaging rules"
