"""Interactions: what happened with a customer."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from contacts.actions.interactions import log_interaction
from contacts.enums import InteractionKind, Role
from contacts.models import Customer, Interaction
from crm.access import customer_for, customers_of, interactions_of, require
from crm.api.base import IdField, Listing, StrictInput, Verb, pick
from crm.api.filters import CustomerFilter, IdFilter
from crm.api.inputs import MomentField
from crm.api.shapes.people import InteractionShape


class InteractionInput(StrictInput):
    """What happened, and when; without a time, now."""

    kind = serializers.ChoiceField(choices=InteractionKind.choices)
    text = serializers.CharField(max_length=4000, default="", allow_blank=True)
    happened_at = MomentField(required=False)


class InteractionFilters(django_filters.FilterSet):
    """How interactions can be narrowed down."""

    customer = CustomerFilter()
    staff = IdFilter()
    kind = django_filters.ChoiceFilter(choices=InteractionKind.choices)


class Interactions(Listing, Verb):
    """List what happened with the customers you see, newest entry first."""

    resource = "interactions"
    shape = InteractionShape
    filterset_class = InteractionFilters
    success = 201

    class Input(InteractionInput):
        """With whom it happened."""

        example: ClassVar = {"customer": 12, "kind": "visit", "text": "Tried the blue coat"}

        customer = IdField()

    def rows(self) -> QuerySet[Interaction]:
        """Return the interactions with visible customers, and with records merged into them."""
        return interactions_of(self.viewer).select_related("staff")

    def act(self, data: dict[str, Any]) -> Interaction:
        """Log an interaction with a customer."""
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        mine = customers_of(self.viewer, Role.GUIDE, Role.MANAGER)
        customer = pick(mine, [data.pop("customer")], "customer")[0]
        return log_interaction(
            customer, **{"happened_at": None} | data, actor=self.actor, now=self.now
        )


class CustomerInteractions(Listing, Verb):
    """List what happened with one customer, newest entry first."""

    resource = "interactions"
    shape = InteractionShape
    success = 201

    class Input(InteractionInput):
        """What happened."""

    def rows(self) -> QuerySet[Interaction]:
        """Return the interactions with this customer, and with records merged into them."""
        customer = customer_for(self.viewer, self.kwargs["pk"])
        theirs = Customer.objects.same_as(customer)
        return Interaction.objects.filter(customer__in=theirs).select_related("staff")

    def act(self, data: dict[str, Any], pk: int) -> Interaction:
        """Log an interaction with this customer."""
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        customer = customer_for(self.viewer, pk, Role.GUIDE, Role.MANAGER)
        return log_interaction(
            customer, **{"happened_at": None} | data, actor=self.actor, now=self.now
        )
