"""Contents: what is said, and the library that keeps it."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers

from campaigns.actions.contents import (
    LONGEST_TEXT,
    archive_content,
    create_content,
    revise_content,
)
from campaigns.actions.trial_sends import send_trial
from campaigns.attachments import MOST, check_for_channel
from campaigns.channels import abilities_of, available_channels
from campaigns.models import Content
from campaigns.previews import Preview, Words, preview_for
from contacts.enums import Role
from contacts.errors import RuleBroken
from contacts.models import Customer
from crm.access import Viewer, content_for, contents_of, customers_of, require
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.shapes.messages import ContentShape, MessagePreviewShape

MESSAGE_LENGTH = 4000


class AttachmentsField(serializers.ListField):
    """What goes with the words."""

    child = serializers.DictField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MOST, **kwargs)


class ContentInput(StrictInput):
    """A name to find it by, the text with placeholders like {guide}, and what goes with it.

    An attachment is `{"kind": "link", "title", "url", "description"?, "picture"?}`,
    `{"kind": "image" | "video" | "file", "media"}` or
    `{"kind": "mini_program", "title", "app_id", "page", "cover"}`; `media`, `picture` and `cover`
    are ids of files. With a `folder` the message is in the library.
    """

    example: ClassVar = {
        "name": "Spring coats",
        "text": "Our spring coats are here. Yours, {guide}",
        "attachments": [{"kind": "link", "title": "Coats", "url": "https://example.com/coats"}],
    }

    name = serializers.CharField(max_length=120)
    text = serializers.CharField(max_length=LONGEST_TEXT, allow_blank=True, default="")
    attachments = AttachmentsField(default=list)
    folder = serializers.CharField(max_length=80, allow_blank=True, default="")


class ContentFilters(django_filters.FilterSet):
    """How messages can be narrowed down."""

    folder = django_filters.CharFilter(field_name="folder__name")


class Contents(Listing, Verb):
    """List the messages of the company."""

    resource = "contents"
    shape = ContentShape
    filterset_class = ContentFilters
    success = 201

    class Input(ContentInput):
        __doc__ = ContentInput.__doc__

    def rows(self) -> QuerySet[Content]:
        """Return all messages, to those who write them."""
        return contents_of(self.viewer).select_related("folder")

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
        return content_for(self.viewer, pk)


class ContentVerb(Verb):
    """Do something with one message."""

    resource = "contents"
    shape: ClassVar[type[serializers.BaseSerializer[Any]]] = ContentShape

    def row(self, pk: int) -> Content:
        """Return the message, to those who write."""
        require(self.viewer, Role.MARKETER)
        return content_for(self.viewer, pk)


class ReviseContent(ContentVerb):
    """Write the next version of a message in the library."""

    success = 201

    class Input(ContentInput):
        __doc__ = ContentInput.__doc__

    def act(self, data: dict[str, Any], pk: int) -> Content:
        """Write it; 409 if somebody else has written one since. Campaigns keep the one they have."""
        return revise_content(self.row(pk), **data, actor=self.actor, now=self.now)


class ArchiveContent(ContentVerb):
    """Put a message of the library away."""

    def act(self, data: dict[str, Any], pk: int) -> Content:
        """Put it away; what was sent with it stays."""
        content = self.row(pk)
        archive_content(content, actor=self.actor, now=self.now)
        return content


def customer_named(viewer: Viewer, data: dict[str, Any]) -> Customer | None:
    """Return the ``customer`` of a request, if it names one. Raises ``ValidationError``."""
    if "customer" not in data:
        return None
    found = customers_of(viewer, Role.MARKETER).select_related("owner", "store")
    return pick(found, [data["customer"]], "customer")[0]


class PreviewInput(StrictInput):
    """For which channel and customer; without a customer nothing personal is filled in."""

    example: ClassVar = {"channel": "wecom"}

    channel = serializers.CharField(max_length=20, default="wecom")
    customer = IdField(required=False)

    def validate_channel(self, name: str) -> str:
        """One that is set up here."""
        if name not in available_channels():
            raise serializers.ValidationError(", ".join(available_channels()))
        return name


class PreviewContent(ContentVerb):
    """Show a message as one customer gets it."""

    shape = MessagePreviewShape

    class Input(PreviewInput):
        __doc__ = PreviewInput.__doc__

    def act(self, data: dict[str, Any], pk: int) -> Preview:
        """Fill in the words; nothing is sent."""
        return self.preview(data, pk)

    def preview(self, data: dict[str, Any], pk: int, *, is_test: bool = False) -> Preview:
        """Return the message as the customer would get it. Raises ``RuleBroken``."""
        content = self.row(pk)
        words = Words(data["channel"], content.text, attachments=content.attachments)
        abilities = abilities_of(words.channel)
        check_for_channel(words.attachments, abilities)
        return preview_for(
            customer_named(self.viewer, data),
            words,
            personal=abilities.personal_text,
            is_test=is_test,
        )


class SendTest(PreviewContent):
    """Send a message to yourself."""

    calls_outside = True

    def act(self, data: dict[str, Any], pk: int) -> Preview:
        """Send it to your own address in the channel; at most twenty an hour."""
        preview = self.preview(data, pk, is_test=True)
        if data["channel"] == "email":
            raise RuleBroken(_("An e-mail has a subject: send its campaign to yourself."))
        send_trial(preview, channel=data["channel"], to=self.actor, now=self.now)
        return preview
