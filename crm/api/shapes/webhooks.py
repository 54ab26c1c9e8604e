"""Shapes of webhooks, their events, and the catalogue of events."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crm.api.shapes.people import StaffRef
from crm.models import Webhook, WebhookEvent


class WebhookShape(serializers.ModelSerializer[Webhook]):
    """An address that is told what happens. `failures` counts calls that failed in a row."""

    created_by = StaffRef(read_only=True, allow_null=True)

    class Meta:
        model = Webhook
        fields: tuple[str, ...] = (
            "id", "url", "events", "state", "reason", "state_at", "failures", "failing_since",
            "rest_until", "old_secret_until", "created_by", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class WebhookWithSecretShape(WebhookShape):
    """A webhook and its new secret, which is shown this once."""

    secret = serializers.SerializerMethodField(help_text="Shown this once: keep it.")

    class Meta(WebhookShape.Meta):
        fields = (*WebhookShape.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, webhook: Webhook) -> str:
        """Return the secret that has just been made."""
        return str(getattr(webhook, "new_secret", ""))


class WebhookDeliveryShape(serializers.ModelSerializer[WebhookEvent]):
    """One event on its way to one webhook."""

    message_id = serializers.CharField(read_only=True, help_text="The header `webhook-id`.")
    body = serializers.SerializerMethodField(help_text="What is sent.")

    class Meta:
        model = WebhookEvent
        fields = (
            "id", "message_id", "type", "body", "state", "state_at", "attempts",
            "next_attempt_at", "status", "error",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.DictField())
    def get_body(self, event: WebhookEvent) -> dict[str, Any]:
        """Return what is sent."""
        return event.body


class EventTypeShape(serializers.Serializer[Any]):
    """One kind of event: when it is sent, and what it looks like."""

    name = serializers.CharField()
    description = serializers.CharField(source="words")
    example = serializers.DictField()


class EventTypesShape(serializers.Serializer[Any]):
    """All kinds of events."""

    events = EventTypeShape(many=True)


class ReplayedShape(serializers.Serializer[Any]):
    """How many events are sent once more."""

    replayed = serializers.IntegerField()
