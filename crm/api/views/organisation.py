"""Stores, staff and history."""

from typing import Any, ClassVar

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from contacts.actions.capacity import MOST_CAPACITY, set_capacity
from contacts.actions.staff import (
    announce_leaving,
    call_off_leaving,
    rehire_staff,
    resume_staff,
    suspend_staff,
)
from contacts.enums import Role, StaffState
from contacts.models import Customer, HistoryEntry, Staff, Store
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


class StaffVerb(StaffPage, Verb):
    """Something that is done about a colleague's employment."""

    http_method_names = ["post"]

    def person(self, pk: int, *, lets_go: bool = False) -> Staff:
        """Return the colleague, if the person may decide about them."""
        require(self.viewer, Role.MANAGER)
        person = staff_member_for(self.viewer, pk)
        refusal = refusal_to_depart(self.viewer, person) if lets_go else ""
        if refusal and person.is_employed:
            raise PermissionDenied(refusal)
        return person


class Depart(StaffVerb):
    """A departure."""

    shape = DepartedShape

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Let a staff member go.

        In one transaction the account and its keys stop working, sends in their name stop, every
        customer goes to the pool of their store, a handover is planned that holds them, and what
        else the person had is handed on. Nobody records their own departure, and only
        administrators that of an administrator.
        """
        person = self.person(pk, lets_go=True)
        let_go(person.pk, actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class AnnounceLeaving(StaffVerb):
    """A last day."""

    class Input(StrictInput):
        """The last day at work."""

        example: ClassVar = {"leaves_on": "2026-12-31"}

        leaves_on = serializers.DateField()

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Set a colleague's last day, or another one; on the day after they depart by themselves."""
        person = self.person(pk, lets_go=True)
        announce_leaving(person, **data, actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class CallOff(StaffVerb):
    """Staying after all."""

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Call a colleague's leaving off."""
        call_off_leaving(self.person(pk), actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class Suspend(StaffVerb):
    """A long leave."""

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Send a colleague on a long leave: access ends, customers stay until handed over."""
        person = self.person(pk, lets_go=True)
        suspend_staff(person, actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class Resume(StaffVerb):
    """The end of a long leave."""

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Let a colleague work again after a long leave."""
        resume_staff(self.person(pk), actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class Rehire(StaffVerb):
    """A re-hire."""

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Take a departed colleague back onto their old row; customers stay where they are."""
        rehire_staff(self.person(pk), actor=self.actor, now=self.now, source="api")
        return self.row(pk)


class Capacity(StaffVerb):
    """For how many customers somebody can answer."""

    class Input(StrictInput):
        """The figure."""

        example: ClassVar = {"capacity": 300}

        capacity = serializers.IntegerField(min_value=0, max_value=MOST_CAPACITY)

    def act(self, data: dict[str, Any], pk: int) -> Staff:
        """Say for how many customers a colleague can answer; those they have stay theirs."""
        person = self.person(pk)
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
        """Return what was done to this customer, and to records merged into them."""
        theirs = Customer.objects.same_as(customer_for(self.viewer, self.kwargs["pk"]))
        return HistoryEntry.objects.filter(customer__in=theirs).select_related("actor")
