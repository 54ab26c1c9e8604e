"""Files that go with messages, and what the channels call them."""

from django.db import models
from django.db.models import Q

from campaigns.enums import MediaKind, MediaUse
from contacts.models import Staff


class MediaFile(models.Model):
    """A picture, a video or a document, checked, and kept once however often it is uploaded.

    ``digest`` is the SHA-256 of what was uploaded, so that the same file is recognised; what is
    kept may differ from it: pictures are written anew. ``token`` is the file's public address.
    """

    kind = models.CharField(max_length=8, choices=MediaKind.choices)
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    digest = models.CharField(max_length=64, unique=True)
    token = models.CharField(max_length=32, unique=True)
    uploaded_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="media_files", null=True, blank=True
    )
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=MediaKind.values), name="media_kind_known"),
            models.CheckConstraint(condition=Q(size__gt=0), name="media_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class MediaBody(models.Model):
    """The bytes of a file, apart from it, so that lists never read them (ADR 0028)."""

    media = models.OneToOneField(
        MediaFile, on_delete=models.CASCADE, primary_key=True, related_name="body"
    )
    content = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.media_id}"


class ChannelMedia(models.Model):
    """What a channel calls a file that was uploaded to it, and until when one worker uploads.

    WeCom keeps files for three days (docs 90253); they are uploaded anew after two and a half.
    Only the worker that set ``claimed_until`` uploads until then.
    """

    media = models.ForeignKey(MediaFile, on_delete=models.CASCADE, related_name="in_channels")
    use = models.CharField(max_length=8, choices=MediaUse.choices)
    reference = models.CharField(max_length=255, blank=True)
    uploaded_at = models.DateTimeField(null=True, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "channel media"
        constraints = [
            models.UniqueConstraint(fields=["media", "use"], name="channel_media_once"),
            models.CheckConstraint(
                condition=Q(use__in=MediaUse.values), name="channel_media_use_known"
            ),
            models.CheckConstraint(
                condition=Q(reference="") | Q(uploaded_at__isnull=False),
                name="channel_media_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.media_id} {self.use}"
