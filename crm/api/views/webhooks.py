"""Webhooks: which systems are told what happens, and what became of each event."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.webhook.addresses import LONGEST
from crm.access import require_company, webhook_for, webhooks_of
from crm.actions.webhooks import (
    change_webhook,
    create_webhook,
    failed_since,
    pause_webhook,
    remove_webhook,
    replay_events,
    resume_webhook,
    rotate_secret,
    send_test,
)
from crm.api.base import IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.inputs import MomentField
from crm.api.shapes.webhooks import (
    EventTypesShape,
    ReplayedShape,
    WebhookDeliveryShape,
    WebhookShape,
    WebhookWithSecretShape,
)
from crm.enums import EventState, WebhookState
from crm.models import Webhook, WebhookEvent
from crm.webhook_events import EVENTS

SECRET = ("secret",)


class EventNames(serializers.ListField):
    """Names of events out of the catalogue, or ``*`` for all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            child=serializers.CharField(max_length=40), min_length=1, max_length=100, **options
        )


class WebhookFilters(django_filters.FilterSet):
    """How webhooks can be narrowed down."""

    state = django_filters.ChoiceFilter(
        choices=[(s.value, s.label) for s in WebhookState if s != WebhookState.REMOVED]
    )


class Webhooks(Listing, Verb):
    """List the webhooks (administrators of the whole company)."""

    resource = "webhooks"
    shape = WebhookShape
    filterset_class = WebhookFilters
    success = 201
    unsaved = SECRET

    class Input(StrictInput):
        """What to tell, and where."""

        example: ClassVar = {
            "url": "https://example.com/liuke",
            "events": ["staff.departed", "handover.finished"],
        }

        url = serializers.CharField(max_length=LONGEST)
        events = EventNames()

    @property
    def verb_shape(self) -> type[serializers.BaseSerializer[Any]]:
        """The answer holds the secret."""
        return WebhookWithSecretShape

    def rows(self) -> QuerySet[Webhook]:
        """Return the webhooks."""
        return webhooks_of(self.viewer).select_related("created_by")

    def act(self, data: dict[str, Any]) -> Webhook:
        """Tell an address of events from now on.

        The answer holds the secret this once; an answer repeated for an idempotency key does not.
        """
        require_company(self.viewer)
        webhook, secret = create_webhook(**data, actor=self.actor, now=self.now)
        webhook.new_secret = secret  # type: ignore[attr-defined]  # for the shape, this once
        return webhook


class WebhookPage(Reading):
    """Read one webhook."""

    resource = "webhooks"
    shape = WebhookShape

    class Change(StrictInput):
        """What is to be different."""

        example: ClassVar = {"events": ["*"]}

        url = serializers.CharField(max_length=LONGEST, required=False)
        events = EventNames(required=False)

    def row(self, pk: int) -> Webhook:
        """Return the webhook."""
        return webhook_for(self.viewer, pk)

    def patch(self, request: Request, pk: int) -> Response:
        """Call another address, or tell of other events from now on."""
        webhook = self.row(pk)
        checked = self.Change(data=request.data)
        checked.is_valid(raise_exception=True)
        wanted = {"url": webhook.url, "events": webhook.events} | checked.validated_data
        change_webhook(webhook, **wanted, actor=self.actor, now=self.now)
        return Response(self.show(self.row(pk)))


class WebhookVerb(Verb):
    """What can be done with one webhook."""

    resource = "webhooks"
    shape: ClassVar[type[serializers.BaseSerializer[Any]]] = WebhookShape

    def row(self, pk: int) -> Webhook:
        """Return the webhook."""
        return webhook_for(self.viewer, pk)

    def fresh(self) -> Any:
        """Return the webhook as it is now, for somebody who came too late."""
        return WebhookShape(self.row(**self.kwargs)).data


class PauseWebhook(WebhookVerb):
    """A pause."""

    def act(self, data: dict[str, Any], pk: int) -> Webhook:
        """Send nothing for now; what happens is kept for a week."""
        webhook = self.row(pk)
        pause_webhook(webhook, actor=self.actor, now=self.now)
        return webhook


class ResumeWebhook(WebhookVerb):
    """The end of a pause."""

    def act(self, data: dict[str, Any], pk: int) -> Webhook:
        """Send again, beginning with what has waited."""
        webhook = self.row(pk)
        resume_webhook(webhook, actor=self.actor, now=self.now)
        return webhook


class RemoveWebhook(WebhookVerb):
    """The end of a webhook."""

    def act(self, data: dict[str, Any], pk: int) -> Webhook:
        """End a webhook for good; what waits is dropped."""
        webhook = self.row(pk)
        remove_webhook(webhook, actor=self.actor, now=self.now)
        return webhook


class RotateSecret(WebhookVerb):
    """Another secret."""

    shape = WebhookWithSecretShape
    unsaved = SECRET

    class Input(StrictInput):
        """Whether the old one got into wrong hands."""

        at_once = serializers.BooleanField(
            default=False, help_text="End the old secret now, and not in 24 hours."
        )

    def act(self, data: dict[str, Any], pk: int) -> Webhook:
        """Make a new secret; for 24 hours calls are signed with the old one as well.

        The answer holds it this once; an answer repeated for an idempotency key does not.
        """
        webhook = self.row(pk)
        secret = rotate_secret(webhook, **data, actor=self.actor, now=self.now)
        webhook.new_secret = secret  # type: ignore[attr-defined]  # for the shape, this once
        return webhook


class TestWebhook(WebhookVerb):
    """A trial."""

    shape = WebhookDeliveryShape
    success = 201

    def act(self, data: dict[str, Any], pk: int) -> WebhookEvent:
        """Send an event `webhook.test`; look at the deliveries for what became of it."""
        return send_test(self.row(pk), now=self.now)


class DeliveryFilters(django_filters.FilterSet):
    """How deliveries can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=EventState.choices)
    type = django_filters.ChoiceFilter(choices=[(name, name) for name in EVENTS])


class WebhookDeliveries(Listing):
    """List the events of a webhook and what became of them, for 30 days."""

    resource = "webhooks"
    shape = WebhookDeliveryShape
    filterset_class = DeliveryFilters

    def rows(self) -> QuerySet[WebhookEvent]:
        """Return the events."""
        return webhook_for(self.viewer, self.kwargs["pk"]).deliveries.all()


class ReplayWebhook(WebhookVerb):
    """Another try."""

    shape = ReplayedShape

    class Input(StrictInput):
        """Either some events, or whatever failed or was dropped since a moment."""

        example: ClassVar = {"failed_since": "2026-03-01T00:00:00+08:00"}

        events = IdsField(required=False, min_length=1)
        failed_since = MomentField(required=False)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """One of the two."""
            if len(attrs) != 1:
                raise ValidationError({"events": [_("Give events or failed_since.")]})
            return attrs

    def act(self, data: dict[str, Any], pk: int) -> dict[str, int]:
        """Send events once more, under the ids they had."""
        webhook = self.row(pk)
        if "events" in data:
            chosen = [
                event.pk for event in pick(webhook.deliveries.all(), data["events"], "events")
            ]
            events = webhook.deliveries.filter(pk__in=chosen)
        else:
            events = failed_since(webhook, data["failed_since"])
        return {"replayed": replay_events(webhook, events, actor=self.actor, now=self.now)}


class EventTypes(Reading):
    """Read which events there are (administrators of the whole company)."""

    resource = "webhooks"
    shape = EventTypesShape

    def row(self) -> dict[str, Any]:
        """Return the catalogue."""
        require_company(self.viewer)
        return {"events": list(EVENTS.values())}
