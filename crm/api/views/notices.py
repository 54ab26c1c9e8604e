"""Notices, and warnings of what may cost customers soon."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework.response import Response

from contacts.actions.notices import mark_read
from contacts.enums import NoticeKind, Role
from contacts.models import Notice
from contacts.notice_words import SHOWN
from crm.access import notices_of, require
from crm.api.base import IdsField, Listing, Reading, StrictInput, Verb
from crm.api.shapes.notices import NoticeShape, ReadShape, WarningsShape
from crm.warning_queries import USUAL_DAYS, quiet_by_owner, unusual_among_staff

MOST = 100


class NoticeFilters(django_filters.FilterSet):
    """How notices can be narrowed down."""

    kind = django_filters.ChoiceFilter(choices=NoticeKind.choices)
    unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull")


class Notices(Listing):
    """List what you have been told."""

    resource = "notices"
    shape = NoticeShape
    filterset_class = NoticeFilters

    def rows(self) -> QuerySet[Notice]:
        """Return the person's own notices."""
        return notices_of(self.viewer).select_related(*SHOWN)


class ReadNotices(Verb):
    """Having read notices."""

    resource = "notices"
    shape = ReadShape

    class Input(StrictInput):
        """Which ones; all, if not said."""

        notices = IdsField(required=False)

    def act(self, data: dict[str, Any]) -> Response:
        """Mark notices as read: these, or all."""
        found = notices_of(self.viewer)
        if "notices" in data:
            found = found.filter(pk__in=data["notices"])
        return Response(ReadShape({"read": mark_read(found, now=self.now)}).data)


class Warnings(Reading):
    """Read what may cost you customers soon (managers).

    Who was not contacted for 30 days, by owner and store, at most 100; and which colleagues
    removed or exported unusually many customers in the last seven days.
    """

    resource = "losses"
    shape = WarningsShape

    def row(self) -> dict[str, Any]:
        """Return the warnings."""
        require(self.viewer, Role.MANAGER)
        return {
            "days": USUAL_DAYS,
            "quiet": quiet_by_owner(self.viewer, days=USUAL_DAYS, now=self.now)[:MOST],
            "unusual": unusual_among_staff(self.viewer, now=self.now),
        }
