"""Plans that were kept, to be compared with others and taken up again."""

from django.db import models
from django.db.models import Q

from contacts.models.handovers import Handover
from contacts.models.organisation import Staff


class HandoverPlan(models.Model):
    """A plan of a handover as it stood when somebody saved it under a name.

    ``steps`` are its rules and ``moves`` the customers moved by hand after them: lists of customer
    ids by the id of their receiver, under ``""`` those who get none. ``figures`` are what it came
    to then, by receiver, and are not counted again.
    """

    handover = models.ForeignKey(
        Handover, on_delete=models.PROTECT, related_name="plans", db_index=False
    )
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )

    name = models.CharField(max_length=80)
    steps = models.JSONField(default=list, blank=True)
    moves = models.JSONField(default=dict, blank=True)
    figures = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["handover", "name"], name="handover_plan_name_once"),
            models.CheckConstraint(condition=~Q(name=""), name="handover_plan_has_name"),
        ]

    def __str__(self) -> str:
        return self.name
