"""Welcomes: what new contacts are greeted with, for those who write messages and those who lead."""

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404

from campaigns.models import WelcomeRule
from contacts.enums import Role
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
