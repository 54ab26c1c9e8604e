"""Contents: what is said."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers

from campaigns.actions.contents import create_content
from campaigns.models import Content
from contacts.enums import Role
from crm.access import require
from crm.api.base import Listing, Reading, StrictInput, Verb
from crm.api.shapes.messages import ContentShape

MESSAGE_LENGTH = 4000


class Contents(Listing, Verb):
    """List the messages of the company."""

    resource = "contents"
    shape = ContentShape
    success = 201

    class Input(StrictInput):
        """A name to find it by, and the text, with placeholders like {guide}."""

        example: ClassVar = {
            "name": "Spring coats",
            "text": "Our spring coats are here. Yours, {guide}",
        }

        name = serializers.CharField(max_length=120)
        text = serializers.CharField(max_length=MESSAGE_LENGTH)

    def rows(self) -> QuerySet[Content]:
        """Return all messages, to those who write them."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return Content.objects.all()

    def act(self, data: dict[str, Any]) -> Content:
        """Write a message."""
        require(self.viewer, Role.MARKETER)
        return create_content(**data, actor=self.actor, now=self.now)


class ContentPage(Reading):
    """Read one message."""

    resource = "contents"
    shape = ContentShape

    def row(self, pk: int) -> Content:
        """Return the message."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return get_object_or_404(Content, pk=pk)
