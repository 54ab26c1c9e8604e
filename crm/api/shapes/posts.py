"""Shapes of posts to group chats, and of moments."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.models import Post, PostReaction, PostTarget
from campaigns.queries import PostProgress
from connectors.wecom.api.moments import Reactions
from crm.api.shapes.people import CustomerRef, StaffRef


class PostShape(serializers.ModelSerializer[Post]):
    """One message to group chats, or one moment. Text and attachments are fixed when it goes out."""

    created_by = StaffRef(read_only=True, allow_null=True)
    text = serializers.CharField(source="words", read_only=True)
    attachments = serializers.ListField(
        source="enclosed", child=serializers.DictField(), read_only=True
    )

    class Meta:
        model = Post
        fields = (
            "id", "kind", "name", "content", "text", "attachments", "state", "state_at", "send_at", "planned_at",
            "closed_at", "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class ReactionsShape(serializers.Serializer[Reactions]):
    """Comments and likes of what a colleague has published, by whose they are."""

    customer_comments = serializers.IntegerField()
    staff_comments = serializers.IntegerField()
    customer_likes = serializers.IntegerField()
    staff_likes = serializers.IntegerField()


class PostTargetShape(serializers.ModelSerializer[PostTarget]):
    """One group chat, or one colleague who is to publish a moment."""

    staff = serializers.CharField(source="staff.name", read_only=True)
    chat = serializers.SerializerMethodField(help_text="Empty for a moment.")
    reactions = ReactionsShape(
        source="*", read_only=True, help_text="All 0 for a chat, and until they are read."
    )

    class Meta:
        model = PostTarget
        fields = (
            "id", "staff", "chat", "state", "reason", "sent_at", "reactions", "reactions_read_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_chat(self, row: PostTarget) -> str:
        """Return the name of the chat."""
        return str(row.chat) if row.chat else ""


class PostProgressShape(serializers.Serializer[PostProgress]):
    """How far a post got; `states` adds up to `total`."""

    total = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    targets = PostTargetShape(
        many=True, help_text="The first 50; all are in `/posts/{id}/targets`."
    )


class PostReactionShape(serializers.ModelSerializer[PostReaction]):
    """Who commented on what a colleague has published, or likes it. What was said WeCom keeps.

    One of `staff` and `customer` says who it is; neither if nobody of that `address` is known.
    """

    moment_of = StaffRef(source="target.staff", read_only=True)
    staff = serializers.SerializerMethodField()
    customer = serializers.SerializerMethodField()

    class Meta:
        model = PostReaction
        fields = (
            "id", "kind", "moment_of", "by_staff", "staff", "customer", "address", "times", "at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(StaffRef(allow_null=True))
    def get_staff(self, row: Any) -> dict[str, Any] | None:
        """Return the colleague whose it is."""
        known = row.by_staff and row.who_staff
        return {"id": row.who_staff, "name": row.who_staff_name} if known else None

    @extend_schema_field(CustomerRef(allow_null=True))
    def get_customer(self, row: Any) -> dict[str, Any] | None:
        """Return the customer whose it is."""
        known = not row.by_staff and row.who_customer
        return {"id": row.who_customer, "name": row.who_customer_name} if known else None
