"""What is for administrators: history, and the webhooks that tell of it."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from contacts.enums import Role
from contacts.models import Handover, HistoryEntry
from crm.access.customers import customers_of, with_merged
from crm.access.people import staff_in
from crm.access.viewer import Viewer, require_company
from crm.enums import WebhookState
from crm.models import Webhook


def history_of(viewer: Viewer) -> QuerySet[HistoryEntry]:
    """Return what was done within an administrator's scope; to others nothing.

    For an administrator of part of the company: to its customers, colleagues and handovers.
    """
    stores = viewer.stores_for(Role.ADMINISTRATOR)
    if stores is None:
        return HistoryEntry.objects.all()
    if not viewer.has(Role.ADMINISTRATOR):
        return HistoryEntry.objects.none()
    people = staff_in(viewer, stores)
    customers = with_merged(customers_of(viewer, Role.ADMINISTRATOR))
    return HistoryEntry.objects.filter(
        Q(customer__in=customers)
        | Q(subject_kind="staff", subject_id__in=people.values("pk"))
        | Q(
            subject_kind="handover",
            subject_id__in=Handover.objects.filter(from_staff__in=people).values("pk"),
        )
    )


def webhooks_of(viewer: Viewer) -> QuerySet[Webhook]:
    """Return the webhooks, which tell of everything: to whoever administers the whole company."""
    require_company(viewer)
    return Webhook.objects.exclude(state=WebhookState.REMOVED)


def webhook_for(viewer: Viewer, pk: int) -> Webhook:
    """Return one webhook that has not been removed, or answer 404."""
    return get_object_or_404(webhooks_of(viewer).select_related("created_by"), pk=pk)
