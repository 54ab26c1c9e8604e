"""The rules of a store's pool: who may take customers out of it, and who falls back into it."""

from datetime import datetime, time

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from contacts.enums import Assignment, PoolOrder
from contacts.models.organisation import Store

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
MOST_OFFERED = 50
"""Customers among whom a guide may choose."""


def every_day() -> list[int]:
    """Return all weekdays, Monday first."""
    return list(EVERY_DAY)


class PoolRule(models.Model):
    """What goes for the pool of ``store`` or, without one, of all stores without a rule.

    Figures of days and hours are 0 where they are not used. A guide may claim the first
    ``offered`` customers in the order ``first``, ``claims_per_day`` of them; nobody whom they
    owned less than ``not_back_days`` ago, and nobody who came into the pool less than
    ``new_days`` ago, who is the manager's. Whoever waits for ``assign_after_hours`` is assigned,
    ``only_in_hours`` on ``weekdays`` (Monday is 1) between ``opens_at`` and ``closes_at``, local
    time. Whom nobody has contacted for ``recycle_after_days`` goes back to the pool, at most
    ``recycle_per_day`` of one guide, who is told ``warn_days`` before.
    """

    store = models.ForeignKey(
        Store,
        on_delete=models.PROTECT,
        related_name="pool_rules",
        null=True,
        blank=True,
        db_index=False,
    )

    claiming = models.BooleanField(default=False)
    claims_per_day = models.PositiveSmallIntegerField(default=5)
    first = models.CharField(max_length=8, choices=PoolOrder.choices, default=PoolOrder.WAITING)
    offered = models.PositiveSmallIntegerField(default=20)
    not_back_days = models.PositiveSmallIntegerField(default=30)
    new_days = models.PositiveSmallIntegerField(default=0)

    assignment = models.CharField(max_length=12, choices=Assignment.choices, default=Assignment.OFF)
    assign_after_hours = models.PositiveSmallIntegerField(default=24)
    only_in_hours = models.BooleanField(default=True)
    weekdays = ArrayField(models.PositiveSmallIntegerField(), default=every_day)
    opens_at = models.TimeField(default=time(10))
    closes_at = models.TimeField(default=time(21))

    recycle_after_days = models.PositiveSmallIntegerField(default=0)
    recycle_per_day = models.PositiveSmallIntegerField(default=20)
    warn_days = models.PositiveSmallIntegerField(default=7)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["store"], name="pool_rule_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(first__in=PoolOrder.values), name="pool_rule_order_known"
            ),
            models.CheckConstraint(
                condition=Q(assignment__in=Assignment.values), name="pool_rule_assignment_known"
            ),
            models.CheckConstraint(
                condition=Q(offered__gte=1, offered__lte=MOST_OFFERED),
                name="pool_rule_offers_some",
            ),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=list(EVERY_DAY)), name="pool_rule_weekdays_known"
            ),
            models.CheckConstraint(
                condition=Q(opens_at__lt=F("closes_at")), name="pool_rule_opens_before_it_closes"
            ),
            models.CheckConstraint(
                condition=Q(recycle_after_days=0) | Q(warn_days__lt=F("recycle_after_days")),
                name="pool_rule_warns_in_time",
            ),
        ]

    def __str__(self) -> str:
        return f"pool of {self.store_id or 'all stores'}"

    def is_working_time(self, now: datetime) -> bool:
        """Whether customers may be assigned at this moment."""
        local = timezone.localtime(now)
        if not self.only_in_hours:
            return True
        is_open = self.opens_at <= local.time() < self.closes_at
        return is_open and local.isoweekday() in self.weekdays


class PoolRound(models.Model):
    """When a store's pool was last looked at: for assignment a moment, for recycling a day."""

    store = models.OneToOneField(
        Store, on_delete=models.PROTECT, related_name="pool_round", primary_key=True
    )

    assigned_at = models.DateTimeField(null=True, blank=True)
    recycled_on = models.DateField(null=True, blank=True)

    def __str__(self) -> str:
        return f"pool of {self.store_id}"
