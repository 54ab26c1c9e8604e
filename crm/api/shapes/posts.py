"""Shapes of posts to group chats, and of moments."""

from rest_framework import serializers

from campaigns.models import Post
from campaigns.queries import PostProgress, PostTargetRow
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


class PostTargetShape(serializers.Serializer[PostTargetRow]):
    """One group chat, or one colleague who is to publish a moment."""

    staff = serializers.CharField(source="staff_name")
    chat = serializers.CharField(source="chat_name", help_text="Empty for a moment.")
    state = serializers.CharField()
    reason = serializers.CharField()
    sent_at = serializers.DateTimeField(allow_null=True)


class PostProgressShape(serializers.Serializer[PostProgress]):
    """How far a post got; ``states`` adds up to ``total``."""

    total = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    targets = PostTargetShape(many=True)
