"""Segments: one's own and those that are shared."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from campaigns.models import Segment
from crm.access.viewer import Viewer


def segments_of(viewer: Viewer) -> QuerySet[Segment]:
    """Return the segments at hand: one's own, shared ones, and those that nobody made."""
    mine = Q(shared=True) | Q(created_by=viewer.staff) | Q(created_by=None)
    return Segment.objects.filter(mine, archived_at=None)


def segment_for(viewer: Viewer, pk: int) -> Segment:
    """Return one segment at hand, or answer 404."""
    return get_object_or_404(segments_of(viewer).select_related("created_by"), pk=pk)
