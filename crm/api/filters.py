"""Filters that several lists share."""

from typing import Any

import django_filters
from django.forms import IntegerField

from crm.api.pages import LARGEST_ID


class IdFilter(django_filters.Filter):
    """``?owner=12``: an id, within what the database can hold."""

    field_class = IntegerField

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, min_value=1, max_value=LARGEST_ID, **options)
