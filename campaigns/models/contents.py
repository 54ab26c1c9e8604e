"""Contents: the words and attachments of a message, and the library that keeps the good ones."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now


class Folder(models.Model):
    """Where contents of the library lie."""

    name = models.CharField(max_length=80, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="folder_has_name"),
        ]

    def __str__(self) -> str:
        return self.name


class Content(models.Model):
    """A message: text with placeholders, and up to nine attachments. Its words never change.

    Placeholders come from a fixed list (``campaigns.placeholders``) and are filled by looking
    them up; nothing in the text is ever executed. ``attachments`` is a list of objects in the
    channel-neutral shape ``{"kind": "link", "title": …, "url": …}`` (``campaigns.attachments``).

    With a ``folder`` it is in the library. Whoever changes it there writes a new version, which
    names the one that it ``replaces``; the current version is the one that nothing replaces.
    """

    folder = models.ForeignKey(
        Folder, on_delete=models.PROTECT, related_name="contents", null=True, blank=True
    )
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="replaced_by", null=True, blank=True
    )

    name = models.CharField(max_length=120)
    text = models.TextField(blank=True)
    attachments = models.JSONField(default=list, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["folder", "-id"], condition=Q(folder__isnull=False), name="content_library"
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(replaces=None, version=1)
                | Q(replaces__isnull=False, version__gt=1, folder__isnull=False),
                name="content_version_follows",
            ),
            models.CheckConstraint(
                condition=Q(replaces=None) | ~Q(replaces=F("id")), name="content_replaces_another"
            ),
        ]

    def __str__(self) -> str:
        return self.name
