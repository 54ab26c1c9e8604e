"""Segments: saved rules over customers, and static lists."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from contacts.models import Customer, Staff


class Segment(models.Model):
    """A saved rule over customers.

    The rule's fields and operators come from the closed list in ``campaigns.segments``. A static
    list is one whose rule asks for its own members (``SegmentMember``), who are put there one by
    one or all at once. Without ``shared`` only whoever made it finds it in their lists.
    """

    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="segments", null=True, blank=True
    )

    name = models.CharField(max_length=120)
    rule = models.JSONField(default=dict)
    is_static = models.BooleanField(default=False, db_default=False)
    shared = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("name"), condition=Q(archived_at=None), name="segment_name_unique"
            )
        ]

    def __str__(self) -> str:
        return self.name


class SegmentMember(models.Model):
    """One customer on a static list."""

    pk = models.CompositePrimaryKey("segment_id", "customer_id")

    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="list_memberships", db_constraint=False
    )

    def __str__(self) -> str:
        return f"{self.segment_id}: {self.customer_id}"
