"""Contents: the words and attachments of a message."""

from django.db import models
from django.db.models.functions import Now


class Content(models.Model):
    """A message: text with placeholders, and up to nine attachments.

    Placeholders come from a fixed list (``campaigns.placeholders``) and are filled by looking
    them up; nothing in the text is ever executed. ``attachments`` is a list of objects in the
    channel-neutral shape ``{"kind": "link", "title": …, "url": …}``.
    """

    name = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
