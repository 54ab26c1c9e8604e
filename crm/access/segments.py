"""Segments: one's own and those that are shared."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from campaigns.models import Segment
from campaigns.segments import customers_in
from contacts.enums import Role
from contacts.models import Customer
from crm.access.customers import customers_of
from crm.access.viewer import Viewer


def segments_of(viewer: Viewer) -> QuerySet[Segment]:
    """Return the segments at hand: one's own, shared ones, and those that nobody made."""
    mine = Q(shared=True) | Q(created_by=viewer.staff) | Q(created_by=None)
    return Segment.objects.filter(mine, archived_at=None)


def segment_for(viewer: Viewer, pk: int) -> Segment:
    """Return one segment at hand, or answer 404."""
    return get_object_or_404(segments_of(viewer).select_related("created_by"), pk=pk)


def members_of(viewer: Viewer, segment: Segment) -> QuerySet[Customer]:
    """Return the customers of a segment that the person sees as a marketer."""
    return described_to(viewer, segment.rule)


def described_to(viewer: Viewer, rule: object) -> QuerySet[Customer]:
    """Return the customers whom a rule describes, as far as the person sees them as a marketer."""
    described = customers_in(rule)
    if viewer.stores_for(Role.MARKETER) is None:
        return described
    return customers_of(viewer, Role.MARKETER).filter(pk__in=described.order_by().values("pk"))
