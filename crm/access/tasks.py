"""Tasks: who sees them, and who may change them."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from contacts.enums import Role
from contacts.models import Task
from crm.access.customers import customers_of
from crm.access.viewer import Viewer


def tasks_of(viewer: Viewer) -> QuerySet[Task]:
    """Return the tasks the person sees: their own, about their customers, and of their stores."""
    return Task.objects.filter(
        Q(staff=viewer.staff)
        | Q(customer__in=customers_of(viewer))
        | _in_stores(viewer.stores_for(Role.MANAGER))
    )


def task_for(viewer: Viewer, pk: int) -> Task:
    """Return one task that the person sees, or answer 404."""
    found = tasks_of(viewer).select_related("staff", "store", "customer", "handover__from_staff")
    return get_object_or_404(found, pk=pk)


def task_to_change(viewer: Viewer, pk: int) -> Task:
    """Return one task that the person may change, or answer 404; 403 if they may only read it.

    Whose task it is may, whoever owns the customer, and who manages the store.
    """
    task = task_for(viewer, pk)
    owns = task.customer is not None and task.customer.owner_id == viewer.staff.pk
    if not (
        task.staff_id == viewer.staff.pk or owns or viewer.reaches(task.store_id, Role.MANAGER)
    ):
        raise PermissionDenied(_("Your role does not allow this."))
    return task


def store_tasks_of(viewer: Viewer) -> QuerySet[Task]:
    """Return the tasks that wait for whoever manages the stores that the person manages."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Task.objects.none()
    return Task.objects.filter(_in_stores(viewer.stores_for(Role.MANAGER)), staff=None)


def _in_stores(stores: frozenset[int] | None) -> Q:
    return Q() if stores is None else Q(store__in=stores)
