"""Campaigns, what was sent, and the quick replies at hand."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from campaigns.models import Batch, Campaign, Delivery, Post, QuickReply, Series
from contacts.enums import Role
from crm.access.customers import customers_of
from crm.access.people import stores_of
from crm.access.viewer import Viewer


def campaigns_of(viewer: Viewer) -> QuerySet[Campaign]:
    """Return the campaigns the person sees.

    Marketers and administrators who see the whole company see all; others those they made.
    """
    if viewer.stores_for(Role.MARKETER) is None:
        return Campaign.objects.all()
    return Campaign.objects.filter(created_by=viewer.staff)


def campaign_for(viewer: Viewer, pk: int) -> Campaign:
    """Return one campaign within the person's scope, or answer 404."""
    found = campaigns_of(viewer).select_related("content", "segment", "handover__from_staff")
    return get_object_or_404(found, pk=pk)


def series_of(viewer: Viewer) -> QuerySet[Series]:
    """Return the series the person sees: by the same rule as campaigns."""
    if viewer.stores_for(Role.MARKETER) is None:
        return Series.objects.all()
    return Series.objects.filter(created_by=viewer.staff)


def series_for(viewer: Viewer, pk: int) -> Series:
    """Return one series within the person's scope, or answer 404."""
    found = series_of(viewer).select_related("content", "segment", "created_by")
    return get_object_or_404(found, pk=pk)


def batches_of(viewer: Viewer) -> QuerySet[Batch]:
    """Return the batches of visible campaigns, and those that the person has to confirm."""
    return Batch.objects.filter(Q(campaign__in=campaigns_of(viewer)) | Q(sender=viewer.staff))


def deliveries_of(viewer: Viewer) -> QuerySet[Delivery]:
    """Return the deliveries of visible campaigns to customers within a marketer's scope."""
    visible = Delivery.objects.filter(campaign__in=campaigns_of(viewer))
    if viewer.stores_for(Role.MARKETER) is None:
        return visible
    return visible.filter(customer__in=customers_of(viewer, Role.MARKETER))


def posts_of(viewer: Viewer) -> QuerySet[Post]:
    """Return the posts the person sees: by the same rule as campaigns."""
    if viewer.stores_for(Role.MARKETER) is None:
        return Post.objects.all()
    return Post.objects.filter(created_by=viewer.staff)


def post_for(viewer: Viewer, pk: int) -> Post:
    """Return one post within the person's scope, or answer 404."""
    found = posts_of(viewer).select_related("content", "created_by")
    return get_object_or_404(found, pk=pk)


def quick_replies_of(viewer: Viewer) -> QuerySet[QuickReply]:
    """Return the quick replies at hand: one's own, those of visible stores, the company's."""
    mine = Q(owner=viewer.staff) | Q(store__in=stores_of(viewer)) | Q(owner=None, store=None)
    return QuickReply.objects.filter(mine, archived_at=None)


def quick_reply_for(viewer: Viewer, pk: int) -> QuickReply:
    """Return one quick reply at hand, or answer 404."""
    found = quick_replies_of(viewer).select_related("content", "owner", "store")
    return get_object_or_404(found, pk=pk)
