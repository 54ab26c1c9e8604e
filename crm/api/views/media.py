"""Files that go with messages."""

import base64
import binascii
from typing import Any, ClassVar

import django_filters
from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.media import keep_media
from campaigns.enums import MediaKind
from campaigns.media import LARGEST_UPLOAD
from campaigns.models import MediaFile
from contacts.enums import Role
from crm.access import media_for, media_of, require
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.shapes.messages import MediaShape

LARGEST_BODY = LARGEST_UPLOAD * 4 // 3 + 4096
"""Bytes of a request with the largest file in base64."""


class MediaFilters(django_filters.FilterSet):
    """How files can be narrowed down."""

    kind = django_filters.ChoiceFilter(choices=MediaKind.choices)


class Media(Listing, Verb):
    """List the files at hand."""

    resource = "contents"
    shape = MediaShape
    filterset_class = MediaFilters
    success = 201

    class Input(StrictInput):
        """A file: its name, and what is in it, in base64 (RFC 4648)."""

        example: ClassVar = {"name": "coat.pdf", "content": "JVBERi0xLjQKJSVFT0YK"}

        name = serializers.CharField(max_length=200)
        content = serializers.CharField(trim_whitespace=False)

        def validate_content(self, text: str) -> bytes:
            """Decode."""
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise serializers.ValidationError(_("This is not base64.")) from error

    def check_body(self, request: Request) -> None:
        """Let larger bodies in than elsewhere, and measure them before they are read."""
        if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
            raise RequestDataTooBig

    def rows(self) -> QuerySet[MediaFile]:
        """Return the files, to those who write messages."""
        return media_of(self.viewer)

    def post(self, request: Request, **ids: int) -> Response | HttpResponse:
        """Check and act, without looking for an idempotency key: none is needed."""
        checked = self.Input(data=request.data)
        checked.is_valid(raise_exception=True)
        return Response(self.show(self.act(checked.validated_data)), status=self.success)

    def act(self, data: dict[str, Any]) -> MediaFile:
        """Keep a file. The same one twice is found, not kept twice: no idempotency key is needed.

        Pictures (JPEG, PNG, WebP, GIF), MP4 videos of at most 10 MB, PDF and Office documents of
        at most 20 MB. Pictures are written anew, without whatever else was in the file.
        """
        require(self.viewer, Role.MARKETER)
        return keep_media(**data, actor=self.actor, now=self.now)


class MediaPage(Reading):
    """Read one file: what it is, and its public address."""

    resource = "contents"
    shape = MediaShape

    def row(self, pk: int) -> MediaFile:
        """Return the file."""
        return media_for(self.viewer, pk)
