"""Shapes of group chats, and of their part in a handover."""

from rest_framework import serializers

from contacts.models import ChatItem, GroupChat
from crm.api.shapes.people import StaffRef, StoreRef


class GroupChatShape(serializers.ModelSerializer[GroupChat]):
    """A group chat; ``left_by`` has departed, and it waits for an owner."""

    owner = StaffRef(read_only=True, allow_null=True)
    left_by = StaffRef(read_only=True, allow_null=True)
    store = StoreRef(read_only=True)

    class Meta:
        model = GroupChat
        fields = (
            "id", "chat_id", "name", "owner", "left_by", "store", "members", "known_at",
            "dismissed_at",
        )  # fmt: skip
        read_only_fields = fields


class ChatItemShape(serializers.ModelSerializer[ChatItem]):
    """One group chat of a handover: to whom, and how far it got."""

    chat = serializers.CharField(source="chat.chat_id", read_only=True)
    name = serializers.CharField(source="chat.name", read_only=True)
    to_staff = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = ChatItem
        fields = (
            "id", "chat", "name", "to_staff", "state", "state_at", "reason", "errcode",
            "attempts", "next_attempt_at", "closed_at", "undone_at",
        )  # fmt: skip
        read_only_fields = fields
