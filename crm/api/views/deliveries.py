"""Batches, and the recipients in them."""

from typing import Any

import django_filters
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field

from campaigns.enums import BatchState, DeliveryReason, DeliveryState
from campaigns.models import Batch, Delivery
from campaigns.models.experiments import LETTERS
from crm.access import batches_of, deliveries_of
from crm.api.base import Listing
from crm.api.filters import IdFilter
from crm.api.shapes.messages import (
    BatchShape,
    DeliveryShape,
)


@extend_schema_field({"type": "string", "enum": [*LETTERS.lower()]})
class VariantFilter(django_filters.ChoiceFilter):
    """``?variant=a``: one of the wordings that are compared."""

    def __init__(self) -> None:
        letters = LETTERS.lower()
        super().__init__(choices=[(letter, letter) for letter in letters])

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Look for the number that the letter stands for."""
        return qs.filter(variant=LETTERS.lower().index(value)) if value else qs


class BatchFilters(django_filters.FilterSet):
    """How batches can be narrowed down."""

    campaign = IdFilter()
    sender = IdFilter()
    variant = VariantFilter()
    state = django_filters.ChoiceFilter(choices=BatchState.choices)


class Batches(Listing):
    """List the batches of the campaigns you see, and those you have to confirm."""

    resource = "batches"
    shape = BatchShape
    filterset_class = BatchFilters

    def rows(self) -> QuerySet[Batch]:
        """Return the batches the person sees."""
        return batches_of(self.viewer).select_related("sender")


class DeliveryFilters(django_filters.FilterSet):
    """How deliveries can be narrowed down."""

    campaign = IdFilter()
    customer = IdFilter()
    batch = IdFilter()
    sender = IdFilter(field_name="batch__sender", label="Who sends it.")
    store = IdFilter(
        method="of_store", label="The store of who sends it; where nobody does, the customer's."
    )
    variant = VariantFilter()
    state = django_filters.ChoiceFilter(choices=DeliveryState.choices)
    reason = django_filters.ChoiceFilter(choices=[c for c in DeliveryReason.choices if c[0]])

    def of_store(self, rows: QuerySet[Delivery], _name: str, value: int) -> QuerySet[Delivery]:
        """Say whose it is as the figures by store do."""
        sent = Q(batch__sender__store=value)
        return rows.filter(sent | Q(batch__sender=None, customer__store=value))


class Deliveries(Listing):
    """List the recipients of the campaigns you see, and what became of each message."""

    resource = "deliveries"
    shape = DeliveryShape
    filterset_class = DeliveryFilters

    def rows(self) -> QuerySet[Delivery]:
        """Return the deliveries the person sees."""
        return deliveries_of(self.viewer)
