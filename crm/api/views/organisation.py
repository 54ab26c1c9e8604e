"""Stores, staff and history."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from contacts.actions.capacity import MOST_CAPACITY, set_capacity
from contacts.enums import Role, StaffState
from contacts.models import HistoryEntry, Staff, Store
from crm.access import (
    colleagues_of,
    customer_for,
    history_of,
    refusal_to_depart,
    require,
    staff_member_for,
    stores_of,
)
from crm.actions.departures import let_go
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.filters import IdFilter
from crm.api.shapes.people import DepartedShape, HistoryShape, StaffShape, StoreShape


class Stores(Listing):
    """List the stores you see."""

    resource = "stores"
    shape = StoreShape

    def rows(self) -> QuerySet[Store]:
        """Return the stores the person sees."""
        return stores_of(self.viewer)


class StaffFilters(django_filters.FilterSet):
    """How staff can be narrowed down."""

    store = IdFilter()
    state = django_filters.ChoiceFilter(choices=StaffState.choices)
    wecom_userid = django_filters.CharFilter(lookup_expr="iexact")


class StaffList(Listing):
    """List the colleagues you see, departed ones included."""

    resource = "staff"
    shape = StaffShape
    filterset_class = StaffFilters

    def rows(self) -> QuerySet[Staff]:
        """Return the colleagues the person sees."""
        return colleagues_of(self.viewer).select_related("store").prefetch_related("roles")


class StaffPage(Reading):
    """Read one colleague."""

    resource = "staff"
    shape = StaffShape

    def row(self, pk: int) -> Staff:
        """Return the colleague."""
        return get_object_or_404(colleagues_of(self.viewer).select_related("store"), pk=pk)


class Depart(StaffPage, Verb):
    """A departure."""

    shape = DepartedShape
    http_method_names = ["post"]

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Let a staff member go.

        In one transaction the account and its keys stop working, every customer goes to the
        pool of their store, and a handover is planned that holds them. Nobody records their own
        departure, and only administrators that of an administrator.
        """
        require(self.viewer, Role.MANAGER)
        person = staff_member_for(self.viewer, pk)
        refusal = refusal_to_depart(self.viewer, person)
        if refusal and person.is_employed:
            raise PermissionDenied(refusal)
        let_go(person.pk, actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class Capacity(StaffPage, Verb):
    """For how many customers somebody can answer."""

    http_method_names = ("post",)

    class Input(StrictInput):
        """The figure."""

        example: ClassVar = {"capacity": 300}

        capacity = serializers.IntegerField(min_value=0, max_value=MOST_CAPACITY)

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Say for how many customers a colleague can answer; those they have stay theirs."""
        require(self.viewer, Role.MANAGER)
        person = staff_member_for(self.viewer, pk)
        set_capacity(person, data["capacity"], actor=self.actor, now=self.now)
        return self.row(pk)


class HistoryFilters(django_filters.FilterSet):
    """How history can be narrowed down."""

    customer = IdFilter()
    actor = IdFilter()
    subject_kind = django_filters.CharFilter()
    subject_id = IdFilter()


class History(Listing):
    """List who did what to what, and when (administrators)."""

    resource = "history"
    shape = HistoryShape
    filterset_class = HistoryFilters

    def rows(self) -> QuerySet[HistoryEntry]:
        """Return what was done within an administrator's scope."""
        require(self.viewer)
        return history_of(self.viewer).select_related("actor")


class CustomerHistory(Listing):
    """List what was done to one of your customers."""

    resource = "history"
    shape = HistoryShape

    def rows(self) -> QuerySet[HistoryEntry]:
        """Return what was done to this customer."""
        customer = customer_for(self.viewer, self.kwargs["pk"])
        return HistoryEntry.objects.filter(customer=customer).select_related("actor")
