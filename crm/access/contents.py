"""Messages and files: the company's, for all who write messages and those who lead."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from campaigns.models import Content, MediaFile
from contacts.enums import Role
from crm.access.viewer import Viewer, require


def contents_of(viewer: Viewer) -> QuerySet[Content]:
    """Return all messages, to marketers and managers; to others answer 403."""
    require(viewer, Role.MARKETER, Role.MANAGER)
    return Content.objects.all()


def content_for(viewer: Viewer, pk: int) -> Content:
    """Return one message, or answer 404."""
    return get_object_or_404(contents_of(viewer).select_related("folder", "replaced_by"), pk=pk)


def library_of(viewer: Viewer) -> QuerySet[Content]:
    """Return the current version of every message in the library."""
    kept = contents_of(viewer).filter(folder__isnull=False, archived_at=None, replaced_by=None)
    return kept.select_related("folder")


def media_of(viewer: Viewer) -> QuerySet[MediaFile]:
    """Return the files at hand, to marketers; to others answer 403."""
    require(viewer, Role.MARKETER)
    return MediaFile.objects.filter(archived_at=None)


def media_for(viewer: Viewer, pk: int) -> MediaFile:
    """Return one file at hand, or answer 404."""
    return get_object_or_404(media_of(viewer), pk=pk)
