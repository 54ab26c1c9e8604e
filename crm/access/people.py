"""Stores, colleagues, and the files of those who leave."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from contacts.enums import Role
from contacts.models import Notice, Staff, StaffFile, Store
from crm.access.viewer import Viewer


def stores_of(viewer: Viewer, *roles: Role) -> QuerySet[Store]:
    """Return the stores the person sees, by these roles or all; everybody sees their own."""
    stores = viewer.stores_for(*roles)
    if stores is None:
        return Store.objects.all()
    return Store.objects.filter(pk__in=stores | {viewer.staff.store_id})


def colleagues_of(viewer: Viewer) -> QuerySet[Staff]:
    """Return those whose names the person may read, departed ones included, by all roles.

    It takes ``staff_of`` to do something about one of them.
    """
    return staff_in(viewer, viewer.stores_for())


def staff_of(viewer: Viewer) -> QuerySet[Staff]:
    """Return the colleagues whom the person manages, departed ones included, and themselves."""
    return staff_in(viewer, viewer.stores_for(Role.MANAGER))


def staff_in(viewer: Viewer, stores: frozenset[int] | None) -> QuerySet[Staff]:
    if stores is None:
        return Staff.objects.all()
    return Staff.objects.filter(Q(store__in=stores) | Q(pk=viewer.staff.pk))


def staff_member_for(viewer: Viewer, pk: int) -> Staff:
    """Return one colleague whom the person manages, or answer 404."""
    return get_object_or_404(staff_of(viewer).select_related("store", "department"), pk=pk)


def refusal_to_depart(viewer: Viewer, person: Staff) -> str:
    """Say why the viewer may not record this departure; an empty text means that they may.

    Nobody lets themselves go, and only administrators of their store let administrators go.
    """
    if not person.is_employed:
        return _("%(name)s has already departed.") % {"name": person.name}
    if person.pk == viewer.staff.pk:
        return _("Ask a colleague to record your own departure.")
    is_administrator = person.roles.filter(role=Role.ADMINISTRATOR).exists()
    if is_administrator and not viewer.reaches(person.store_id, Role.ADMINISTRATOR):
        return _("Only an administrator can record the departure of an administrator.")
    return ""


def staff_files_of(viewer: Viewer) -> QuerySet[StaffFile]:
    """Return the files of leavers that the person has read in; administrators see all."""
    if viewer.stores_for(Role.ADMINISTRATOR) is None:
        return StaffFile.objects.all()
    return StaffFile.objects.filter(uploaded_by=viewer.staff)


def staff_file_for(viewer: Viewer, pk: int) -> StaffFile:
    """Return one such file, or answer 404."""
    return get_object_or_404(staff_files_of(viewer).select_related("uploaded_by"), pk=pk)


def notices_of(viewer: Viewer) -> QuerySet[Notice]:
    """Return what the person has been told; nobody reads another's notices."""
    return Notice.objects.filter(staff=viewer.staff)
