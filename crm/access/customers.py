"""Customers, their orders and coupons, the pool they rest in, and those who were lost."""

from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from contacts.enums import CustomerState, Role, Scope
from contacts.models import Coupon, Customer, Interaction, Loss, Merge, OwnershipPeriod
from contacts.pools import offered_to, resting, rule_of, within_reach
from crm.access.viewer import Viewer, require_guide
from crm.models import Order


def customers_of(viewer: Viewer, *roles: Role) -> QuerySet[Customer]:
    """Return the active customers that the person sees, by these roles or by all of theirs."""
    active = Customer.objects.active()
    stores = viewer.stores_for(*roles)
    if stores is None:
        return active
    if not stores:
        return active.filter(owner=viewer.staff)
    return active.filter(Q(store__in=stores) | Q(owner=viewer.staff))


def customer_for(viewer: Viewer, pk: int, *roles: Role) -> Customer:
    """Return one customer within the person's scope, or answer 404."""
    found = customers_of(viewer, *roles).select_related("owner", "store")
    return get_object_or_404(found, pk=pk)


def may_erase(viewer: Viewer) -> bool:
    """Erasing is for administrators, and for managers of the whole company."""
    return viewer.has(Role.ADMINISTRATOR) or _manages_everything(viewer)


def record_to_erase(viewer: Viewer, pk: int) -> Customer:
    """Return one record within reach, merged and erased ones too, or answer 404.

    Records that were merged into it are erased along wherever they came from: they are one person.
    Raises ``PermissionDenied`` for those who may not erase anybody.
    """
    if not may_erase(viewer):
        raise PermissionDenied(
            _("Only administrators, and managers of the whole company, can erase a customer.")
        )
    records = Customer.objects.select_related("owner", "store", "merged_into__store")
    return get_object_or_404(_erasable(viewer, records), pk=pk)


def survivor_to_erase(viewer: Viewer, survivor: Customer) -> Customer:
    """Return whoever a record within reach was merged into.

    Raises ``PermissionDenied``, which says who can erase both, if that one is out of reach.
    """
    if not _erasable(viewer, Customer.objects.filter(pk=survivor.pk)).exists():
        raise PermissionDenied(
            _(
                "This record was merged into a customer of %(store)s: administrators of that store,"
                " and managers of the whole company, erase both."
            )
            % {"store": survivor.store.name}
        )
    return survivor


def _erasable(viewer: Viewer, records: QuerySet[Customer]) -> QuerySet[Customer]:
    stores = None if _manages_everything(viewer) else viewer.stores_for(Role.ADMINISTRATOR)
    return records if stores is None else records.filter(store__in=stores)


def _manages_everything(viewer: Viewer) -> bool:
    return viewer.scopes.get(Role.MANAGER) == Scope.COMPANY


def sees_numbers(viewer: Viewer, customer: Customer) -> bool:
    """Phone numbers are for those who answer for the customer, and for their managers."""
    return customer.owner_id == viewer.staff.pk or viewer.reaches(customer.store_id, Role.MANAGER)


def survivor_for(viewer: Viewer, pk: int) -> Customer | None:
    """Return the customer into whom a record was merged, if there is one whom the person sees."""
    return customers_of(viewer).filter(merged__pk=pk).first()


def merge_for(viewer: Viewer, pk: int) -> Merge:
    """Return the standing merge of a record into a customer whom the person manages, or answer 404."""
    merges = Merge.objects.filter(
        undone_at=None, kept__in=customers_of(viewer, Role.MANAGER), gone__merged_into=F("kept")
    )
    return get_object_or_404(merges.select_related("gone", "kept"), gone=pk)


def manages(viewer: Viewer, customer: Customer) -> bool:
    """Whether the person gives away and merges this customer, whom they see."""
    return viewer.has(Role.MANAGER, Role.ADMINISTRATOR) and (
        customer.owner_id == viewer.staff.pk or viewer.reaches(customer.store_id, Role.MANAGER)
    )


def with_merged(customers: QuerySet[Customer]) -> QuerySet[Any, Any]:
    """Return the ids of these customers, and of all records that were merged into them.

    A union: an OR over both would have every customer read.
    """
    merged = Customer.objects.filter(merged_into__in=customers)
    return customers.values("pk").union(merged.values("pk"), all=True)


def interactions_of(viewer: Viewer) -> QuerySet[Interaction]:
    """Return the interactions with customers the person sees, and with those merged into them."""
    if viewer.stores_for() is None:
        active = CustomerState.ACTIVE
        return Interaction.objects.filter(
            Q(customer__state=active) | Q(customer__merged_into__state=active)
        )
    return Interaction.objects.filter(customer__in=with_merged(customers_of(viewer)))


def orders_of(viewer: Viewer) -> QuerySet[Order]:
    """Return the orders of the customers the person sees, and of those merged into them."""
    visible = customers_of(viewer)
    return Order.objects.filter(Q(customer__in=visible) | Q(customer__merged_into__in=visible))


def coupons_of(viewer: Viewer) -> QuerySet[Coupon]:
    """Return the coupons of the customers the person sees, and of those merged into them."""
    visible = customers_of(viewer)
    return Coupon.objects.filter(Q(customer__in=visible) | Q(customer__merged_into__in=visible))


def coupon_for(viewer: Viewer, pk: int) -> Coupon:
    """Return one coupon of a customer whom the person sees, or answer 404."""
    return get_object_or_404(coupons_of(viewer).select_related("customer"), pk=pk)


def pool_of(viewer: Viewer) -> QuerySet[OwnershipPeriod]:
    """Return who rests in the pools that the person gives out as a manager; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return OwnershipPeriod.objects.none()
    stores = viewer.stores_for(Role.MANAGER)
    return resting() if stores is None else resting().filter(store__in=stores)


def offered_in_pool(viewer: Viewer, *, now: datetime) -> QuerySet[OwnershipPeriod]:
    """Return whom a guide may claim out of the pool of their store, in order; to others none."""
    if not viewer.has(Role.GUIDE) or viewer.staff.store_id is None:
        return OwnershipPeriod.objects.none()
    return offered_to(viewer.staff, rule_of(viewer.staff.store_id), now=now)


def customer_to_claim(viewer: Viewer, pk: int, *, now: datetime) -> Customer:
    """Return a customer of the pool out of which a guide may claim, or answer 404.

    Whoever has left it lately is found too, so that a guide who comes too late is told.
    """
    require_guide(viewer)
    store = viewer.staff.store_id
    if store is None or not rule_of(store).claiming:
        raise Http404
    return get_object_or_404(within_reach(store, now=now), pk=pk)


def losses_of(viewer: Viewer) -> QuerySet[Loss]:
    """Return the losses of the stores that a manager or administrator reaches; others see none."""
    if not viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
        return Loss.objects.none()
    stores = viewer.stores_for(Role.MANAGER)
    return Loss.objects.all() if stores is None else Loss.objects.filter(store__in=stores)


def loss_for(viewer: Viewer, pk: int) -> Loss:
    """Return one loss within the person's scope, or answer 404."""
    shown = losses_of(viewer).select_related("customer", "staff", "owner", "store")
    return get_object_or_404(shown, pk=pk)
