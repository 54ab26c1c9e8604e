"""Welcomes: what new contacts are greeted with, for those who write messages and those who lead."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from campaigns.enums import WelcomeState
from campaigns.models import Welcome, WelcomeRule
from contacts.enums import Role
from crm.access.customers import customers_of
from crm.access.viewer import Viewer, require


def welcome_rules_of(viewer: Viewer, *roles: Role) -> QuerySet[WelcomeRule]:
    """Return the welcomes of the stores that these roles reach; to others answer 403.

    Without roles, marketers and managers see them. The company's own is seen and changed by those
    who reach all of it.
    """
    roles = roles or (Role.MARKETER, Role.MANAGER)
    require(viewer, *roles)
    stores = viewer.stores_for(*roles)
    rules = WelcomeRule.objects.select_related("content", "contact_code__store", "staff", "store")
    if stores is None:
        return rules
    return rules.filter(
        Q(store__in=stores) | Q(staff__store__in=stores) | Q(contact_code__store__in=stores)
    )


def welcome_rule_for(viewer: Viewer, pk: int, *roles: Role) -> WelcomeRule:
    """Return one of them, or answer 404."""
    return get_object_or_404(welcome_rules_of(viewer, *roles), pk=pk)


def welcomes_without_files(viewer: Viewer) -> QuerySet[Welcome]:
    """Return the welcomes that went without a file, to those who see the rules; to others 403.

    They are of colleagues in the stores that marketers and managers reach, and of customers in
    sight.
    """
    roles = (Role.MARKETER, Role.MANAGER)
    require(viewer, *roles)
    visible = customers_of(viewer, *roles)
    rows = Welcome.objects.filter(
        Q(customer__in=visible) | Q(customer__merged_into__in=visible),
        state=WelcomeState.SENT,
        left_out__gt=0,
    ).select_related("customer__merged_into", "staff__store")
    stores = viewer.stores_for(*roles)
    return rows if stores is None else rows.filter(staff__store__in=stores)
