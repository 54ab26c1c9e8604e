"""Comparisons with WeCom, and what they found."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from contacts.enums import FindingKind, Role
from contacts.models import Finding, Reconciliation
from crm.access.people import staff_of
from crm.access.viewer import Viewer


def reconciliations_of(viewer: Viewer) -> QuerySet[Reconciliation]:
    """Return the comparisons with WeCom; their figures are the company's, so to others none."""
    manages = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    if manages and viewer.stores_for(Role.MANAGER) is None:
        return Reconciliation.objects.all()
    return Reconciliation.objects.none()


def findings_of(viewer: Viewer) -> QuerySet[Finding]:
    """Return what comparisons found about the customers and colleagues a manager answers for."""
    stores = viewer.stores_for(Role.MANAGER)
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Finding.objects.none()
    if stores is None:
        return Finding.objects.all()
    about_staff = Q(customer=None, staff__store__in=stores)
    return Finding.objects.filter(Q(customer__store__in=stores) | about_staff)


def finding_for(viewer: Viewer, pk: int) -> Finding:
    """Return one finding within the person's scope, or answer 404."""
    found = findings_of(viewer).select_related("staff", "customer", "handover")
    return get_object_or_404(found, pk=pk)


def refusal_to_repair(viewer: Viewer, finding: Finding) -> str:
    """Say why the viewer may not put this right; an empty text means that they may.

    Nobody gives a customer to a colleague whom they do not manage.
    """
    receivers = finding.detail.get("followers", [])
    if finding.kind != FindingKind.OWNER_APART:
        return ""
    if staff_of(viewer).filter(pk__in=receivers).count() == len(receivers):
        return ""
    return not_in_your_stores()


def not_in_your_stores() -> str:
    """Say whom to ask for what takes a colleague of another store."""
    return _("The connected colleague is not in your stores. Ask an administrator.")
