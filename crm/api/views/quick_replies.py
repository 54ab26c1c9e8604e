"""Quick replies: content at hand."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers

from campaigns.actions.quick_replies import archive_quick_reply, create_quick_reply
from campaigns.models import QuickReply
from contacts.enums import Role
from crm.access import quick_replies_of, quick_reply_for, require, stores_of
from crm.api.base import IdField, Listing, Reading, StrictInput, Verb, pick
from crm.api.shapes.messages import QuickReplyShape


class QuickReplies(Listing, Verb):
    """List the quick replies at hand: your own, your stores', the company's."""

    resource = "quick-replies"
    shape = QuickReplyShape
    success = 201

    class Input(StrictInput):
        """The words, and for whom: yourself, or a store."""

        example: ClassVar = {"title": "Opening hours", "text": "We are open from 10 to 22."}

        title = serializers.CharField(max_length=80)
        text = serializers.CharField(max_length=4000)
        store = IdField(required=False)

    def rows(self) -> QuerySet[QuickReply]:
        """Return the quick replies at hand."""
        return quick_replies_of(self.viewer).select_related("content", "owner", "store")

    def act(self, data: dict[str, Any]) -> QuickReply:
        """Keep words at hand."""
        store = data.pop("store", None)
        place = pick(stores_of(self.viewer), [store], "store")[0] if store else None
        return create_quick_reply(**data, store=place, actor=self.actor, now=self.now)


class QuickReplyPage(Reading):
    """Read one quick reply."""

    resource = "quick-replies"
    shape = QuickReplyShape

    def row(self, pk: int) -> QuickReply:
        """Return the quick reply."""
        return quick_reply_for(self.viewer, pk)


class ArchiveQuickReply(QuickReplyPage, Verb):
    """The end of a quick reply."""

    http_method_names = ["post"]

    def act(self, data: dict[str, Any], pk: int) -> QuickReply:
        """Put a quick reply away; only its owner or a manager of its store does."""
        reply = quick_reply_for(self.viewer, pk)
        if reply.owner_id != self.actor.pk:
            require(self.viewer, Role.MANAGER)
        archive_quick_reply(reply, actor=self.actor, now=self.now)
        return reply
