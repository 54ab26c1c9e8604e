"""Follows: who is connected to whom in a channel."""

from django.db import models
from django.db.models import F, Q

from contacts.enums import Channel, FollowEnd
from contacts.models.customers import Customer
from contacts.models.organisation import Staff


class FollowQuerySet(models.QuerySet["Follow"]):
    """Filters over the follow table."""

    def active(self) -> "FollowQuerySet":
        """Follows that have not ended."""
        return self.filter(ended_at=None)


class Follow(models.Model):
    """One staff member connected to one customer in a channel, for as long as it lasts.

    Rows are ended, never re-pointed: when a customer changes hands the old row gets an end and
    a new row begins, so the timeline of who knew whom stays true. Several may exist at a time.
    One that ended because records were merged goes on in a new row with the same beginning.
    """

    staff = models.ForeignKey(Staff, on_delete=models.PROTECT, related_name="follows")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="follows")

    channel = models.CharField(max_length=12, choices=Channel.choices, default=Channel.WECOM)
    add_way = models.PositiveSmallIntegerField(default=0)
    came_by = models.CharField(max_length=64, blank=True)
    remark = models.CharField(max_length=255, blank=True)

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=12, choices=FollowEnd.choices, blank=True)

    objects = FollowQuerySet.as_manager()

    class Meta:
        indexes = [
            # Counting a segment: who is connected.
            models.Index(
                fields=["channel", "customer"], condition=Q(ended_at=None), name="follow_active"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "customer", "channel"],
                condition=Q(ended_at=None),
                name="follow_one_active_per_pair",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, end_reason="")
                | Q(
                    ended_at__isnull=False,
                    ended_at__gte=F("began_at"),
                    end_reason__in=FollowEnd.values,
                ),
                name="follow_end_is_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staff_id} follows {self.customer_id}"
