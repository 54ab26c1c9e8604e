"""Reactions: who commented on a moment, and who likes it."""

from django.db import models
from django.db.models import Q

from campaigns.enums import ReactionKind
from campaigns.models.posts import Post, PostTarget


class PostReaction(models.Model):
    """Somebody's comments on what a colleague has published as a moment, or their like of it.

    WeCom names people by their address alone and keeps to itself what they said, so ``times`` is
    how often. Whom the address belongs to is looked up when the row is shown: customers are
    merged, and people may be unknown for now. ``seen_at`` is when WeCom last told of it.
    """

    post = models.ForeignKey(
        Post, on_delete=models.PROTECT, related_name="reactions", db_index=False
    )
    target = models.ForeignKey(
        PostTarget, on_delete=models.PROTECT, related_name="reactions", db_index=False
    )

    kind = models.CharField(max_length=8, choices=ReactionKind.choices)
    by_staff = models.BooleanField()
    address = models.CharField(max_length=64)
    times = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [
            # The list of who reacted to a post, and the same by API.
            models.Index(fields=["post", "id"], name="reaction_of_post"),
            # An erasure: to what somebody reacted.
            models.Index(
                fields=["address"], condition=Q(by_staff=False), name="reaction_of_customer"
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["target", "kind", "by_staff", "address"], name="reaction_once_per_person"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ReactionKind.values), name="reaction_kind_known"
            ),
            models.CheckConstraint(condition=~Q(address=""), name="reaction_names_somebody"),
            models.CheckConstraint(condition=Q(times__gte=1), name="reaction_at_least_once"),
        ]

    def __str__(self) -> str:
        return f"{self.target_id}: {self.kind} of {self.address}"
