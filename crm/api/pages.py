"""Pages of a list: newest first, by key and never by offset, so every page costs the same."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

if TYPE_CHECKING:  # Django REST framework loads this module while it loads its own views
    from rest_framework.views import APIView

PAGE_SIZE = 50
MOST_ROWS = 200
LARGEST_ID = 2**63 - 1


class KeysetPages(BasePagination):
    """``?page_size=`` (at most 200) and ``?cursor=``, which comes from ``next`` of the page before.

    The cursor is the primary key of the last row, so rows that are added or removed meanwhile
    neither repeat nor hide others. Works for single and composite keys.
    """

    parameters = frozenset({"cursor", "page_size"})

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        """Return one page of rows; raises ``ValidationError`` for a bad cursor or size."""
        size = _size_from(request.query_params.get("page_size"))
        rows = queryset.order_by("-pk")
        if cursor := request.query_params.get("cursor"):
            rows = rows.filter(pk__lt=_key_from(cursor, width=_width(queryset)))
        found = list(rows[: size + 1])
        self.page = found[:size]
        more = len(found) > size
        self.next = _link(request, self.page[-1].pk) if more else None
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the address of the next one, or ``null`` at the end."""
        return Response({"next": self.next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        address = {
            "type": ["string", "null"],
            "format": "uri",
            "description": "The next page; null at the end.",
        }
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {"next": address, "results": schema},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        """Describe the two parameters."""
        return [
            _parameter("cursor", {"type": "string"}, "From `next` of the page before."),
            _parameter(
                "page_size",
                {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": PAGE_SIZE},
                "How many rows one page holds.",
            ),
        ]


class FigurePages(KeysetPages):
    """The same for figures that are reckoned and not stored: whose rows know their ``place``.

    A place is a pair of numbers, in the order of the list. The answer also says of when the
    figures are.
    """

    counted_at: datetime | None = None

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        """Return one page of a list; raises ``ValidationError`` for a bad cursor or size."""
        size = _size_from(request.query_params.get("page_size"))
        rows = queryset
        if cursor := request.query_params.get("cursor"):
            last = _key_from(cursor, width=2)
            rows = [row for row in rows if row.place > last]
        self.page = list(rows[:size])
        self.next = _link(request, self.page[-1].place) if len(rows) > size else None
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the address of the next one, or ``null`` at the end."""
        return Response({"counted_at": self.counted_at, "next": self.next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        page = super().get_paginated_response_schema(schema)
        page["required"] = ["counted_at", *page["required"]]
        page["properties"]["counted_at"] = {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "Of when the figures are; null if they are still to be counted.",
        }
        return page


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _size_from(text: str | None) -> int:
    if text is None:
        return PAGE_SIZE
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST_ROWS):
        message = _("A page holds between 1 and %(most)s rows.") % {"most": MOST_ROWS}
        raise ValidationError({"page_size": [message]})
    return int(text)


def _width(queryset: QuerySet[Any]) -> int:
    return len(getattr(queryset.model._meta.pk, "field_names", ("id",)))


def _key_from(cursor: str, *, width: int) -> int | tuple[int, ...]:
    try:
        words = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).split(b".")
        key = tuple(int(word) for word in words if len(word) < 20)
    except (binascii.Error, ValueError):
        key = ()
    if len(key) != width or not all(0 <= part <= LARGEST_ID for part in key):
        raise ValidationError(
            {"cursor": [_("This cursor does not come from a page of this list.")]}
        )
    return key if width > 1 else key[0]


def _link(request: Request, key: int | Sequence[int]) -> str:
    words = key if isinstance(key, tuple) else (key,)
    cursor = base64.urlsafe_b64encode(".".join(map(str, words)).encode()).decode()
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor)
