"""Quick replies: content at hand, one's own, a store's, or the company's."""

from django.db import models
from django.db.models import Q

from campaigns.models.contents import Content
from contacts.models import Staff, Store


class QuickReply(models.Model):
    """A content that people reach for again and again.

    With ``owner`` it is that person's own, with ``store`` the store's, with neither the company's.
    """

    owner = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="quick_replies", null=True, blank=True
    )
    store = models.ForeignKey(
        Store, on_delete=models.PROTECT, related_name="quick_replies", null=True, blank=True
    )
    content = models.ForeignKey(Content, on_delete=models.PROTECT, related_name="quick_replies")

    title = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "quick replies"
        constraints = [
            models.CheckConstraint(
                condition=Q(owner=None) | Q(store=None), name="quick_reply_one_level"
            ),
            models.CheckConstraint(condition=~Q(title=""), name="quick_reply_has_title"),
        ]

    def __str__(self) -> str:
        return self.title
