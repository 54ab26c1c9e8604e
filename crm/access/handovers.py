"""Handovers, their briefs, and group chats."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from contacts.enums import ItemState, Role
from contacts.models import Customer, GroupChat, Handover, HandoverItem
from crm.access.people import staff_of
from crm.access.viewer import Viewer


def handovers_of(viewer: Viewer) -> QuerySet[Handover]:
    """Return the handovers of the people whom a manager or administrator sees; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Handover.objects.none()
    return Handover.objects.filter(from_staff__in=staff_of(viewer))


def handover_for(viewer: Viewer, pk: int) -> Handover:
    """Return one handover within the person's scope, or answer 404."""
    return get_object_or_404(handovers_of(viewer).select_related("from_staff", "store"), pk=pk)


def briefed_in(viewer: Viewer, handover_pk: int) -> tuple[Handover, QuerySet[HandoverItem]]:
    """Return a handover and its customers about whom the person may read a brief.

    Those who have their new owner, provisionally or for good. Its managers read about all of
    them, a receiver about their own; others find nothing there.
    """
    moved = HandoverItem.objects.filter(
        handover=handover_pk,
        state__in=[ItemState.REQUESTED, ItemState.WAITING, ItemState.ACCEPTED],
        undone_at=None,
        customer__in=Customer.objects.active(),
    )
    if managed := handovers_of(viewer).select_related("from_staff").filter(pk=handover_pk).first():
        return managed, moved
    mine = moved.filter(to_staff=viewer.staff, customer__owner=viewer.staff)
    received = Handover.objects.filter(pk__in=mine.values("handover"))
    return get_object_or_404(received.select_related("from_staff"), pk=handover_pk), mine


def chats_of(viewer: Viewer) -> QuerySet[GroupChat]:
    """Return the group chats that the person owns, and those of the stores they manage."""
    stores = viewer.stores_for(Role.MANAGER)
    known = GroupChat.objects.filter(known_at__isnull=False)
    return known if stores is None else known.filter(Q(store__in=stores) | Q(owner=viewer.staff))
