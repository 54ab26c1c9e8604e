"""Contact codes: QR codes through which people become customers."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.codes import MOST_ON_DUTY, create_code, order_qr_code
from campaigns.attachments import MOST
from contacts.enums import Role
from contacts.models import ContactCode, Tag
from crm.access import require, staff_of, stores_of
from crm.api.base import IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.shapes.people import ContactCodeShape


class CodeFilters(django_filters.FilterSet):
    """How codes can be narrowed down."""

    store = IdFilter()
    staff = IdFilter(field_name="staff_on_duty")


class ContactCodes(Listing, Verb):
    """List the contact codes of your stores."""

    resource = "contact-codes"
    shape = ContactCodeShape
    filterset_class = CodeFilters
    success = 201

    class Input(StrictInput):
        """Where the code hangs, who greets, which tags it gives, and what is said with what.

        `attachments` are those of contents; WeCom wants files, not their addresses.
        """

        example: ClassVar = {
            "name": "Entrance",
            "store": 1,
            "staff": [5, 6],
            "tags": [3],
            "welcome": "Welcome! I am {guide} of {store}.",
        }

        name = serializers.CharField(max_length=80)
        store = IdField()
        staff = IdsField(min_length=1, max_length=MOST_ON_DUTY)
        tags = IdsField(default=list)
        welcome = serializers.CharField(max_length=4000, default="", allow_blank=True)
        attachments = serializers.ListField(
            child=serializers.DictField(), max_length=MOST, default=list
        )

    def rows(self) -> QuerySet[ContactCode]:
        """Return the codes of visible stores."""
        codes = ContactCode.objects.filter(store__in=stores_of(self.viewer))
        return codes.select_related("store").prefetch_related("staff_on_duty", "tags")

    def post(self, request: Request, **ids: int) -> Response | HttpResponse:
        """Make the code, then have the channel draw it: outside of the transaction."""
        answer = super().post(request, **ids)
        if isinstance(answer, Response):
            code = self.rows().get(pk=answer.data["id"])
            order_qr_code(code)
            answer.data = self.show(code)
        return answer

    def act(self, data: dict[str, Any]) -> ContactCode:
        """Make a contact code.

        Where WeCom is connected its QR code is ordered at once; `qr_code_url` stays empty if
        that did not work.
        """
        require(self.viewer, Role.MANAGER)
        return create_code(
            name=data["name"],
            store=pick(stores_of(self.viewer, Role.MANAGER), [data["store"]], "store")[0],
            staff=pick(staff_of(self.viewer), data["staff"], "staff"),
            tags=pick(Tag.objects.all(), data["tags"], "tags"),
            welcome=data["welcome"],
            attachments=data["attachments"],
            actor=self.actor,
            now=self.now,
        )


class ContactCodePage(Reading):
    """Read one contact code."""

    resource = "contact-codes"
    shape = ContactCodeShape

    def row(self, pk: int) -> ContactCode:
        """Return the code."""
        codes = ContactCode.objects.filter(store__in=stores_of(self.viewer))
        return get_object_or_404(codes.select_related("store"), pk=pk)
