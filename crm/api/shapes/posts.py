"""Shapes of posts to group chats, and of moments."""

from rest_framework import serializers

from campaigns.models import Post
from campaigns.queries import PostProgress, PostTargetRow
from connectors.wecom.api.moments import Reactions
from crm.api.shapes.people import StaffRef


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


class PostTargetShape(serializers.Serializer[PostTargetRow]):
    """One group chat, or one colleague who is to publish a moment."""

    staff = serializers.CharField(source="staff_name")
    chat = serializers.CharField(source="chat_name", help_text="Empty for a moment.")
    state = serializers.CharField()
    reason = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)
    reactions = ReactionsShape(help_text="All 0 for a chat, and until they are read.")
    reactions_read_at = serializers.DateTimeField(allow_null=True)


class PostProgressShape(serializers.Serializer[PostProgress]):
    """How far a post got; ``states`` adds up to ``total``."""

    total = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    targets = PostTargetShape(many=True)
