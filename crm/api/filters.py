"""Filters that several lists share."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.forms import IntegerField

from contacts.models import Customer
from crm.api.pages import LARGEST_ID


class IdFilter(django_filters.Filter):
    """``?owner=12``: an id, within what the database can hold."""

    field_class = IntegerField

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, min_value=1, max_value=LARGEST_ID, **options)


class CustomerFilter(IdFilter):
    """``?customer=12``: what is about this customer, or about a record merged into theirs."""

    def filter(self, qs: QuerySet[Any], value: int | None) -> QuerySet[Any]:
        """Narrow the rows down, where a customer is asked for."""
        if value is None:
            return qs
        return qs.filter(customer__in=Customer.objects.same_as(Customer(pk=value)))
