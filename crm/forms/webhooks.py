"""What an administrator says of a webhook: where it is, and what it is told."""

from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from connectors.webhook.addresses import LONGEST
from crm.event_types import EventType
from crm.models import Webhook
from crm.models.webhooks import EVERYTHING
from crm.webhook_events import EVENTS, GROUPS


class WebhookForm(forms.Form):
    """The address and the events of one webhook. The rules of addresses are the action's."""

    url = forms.CharField(
        label=_("Address"),
        max_length=LONGEST,
        widget=forms.TextInput(
            attrs={
                "inputmode": "url",
                "placeholder": "https://example.com/liuke",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
        error_messages={"required": _("Enter the address that is to be called.")},
    )
    everything = forms.BooleanField(
        label=_("Everything, also what later versions add"), required=False
    )
    events = forms.MultipleChoiceField(
        label=_("Events"),
        choices=[(name, name) for name in EVENTS],
        required=False,
        error_messages={"invalid_choice": _("One of these events does not exist. Look again.")},
    )

    @classmethod
    def of(cls, webhook: Webhook, data: Any = None) -> "WebhookForm":
        """Return the form as the webhook is, or as somebody changed it."""
        initial = {
            "url": webhook.url,
            "everything": EVERYTHING in webhook.events,
            "events": webhook.events,
        }
        return cls(data, initial=initial)

    @property
    def groups(self) -> list[tuple[str | Promise, list[tuple[EventType, bool]]]]:
        """The events as people look for them, each with whether it is ticked."""
        ticked = set(self["events"].value() or ())
        return [
            (label, [(event, event.name in ticked) for event in events]) for label, events in GROUPS
        ]

    def clean(self) -> dict[str, Any]:
        """Something has to be told."""
        said = super().clean() or self.cleaned_data
        if not said.get("everything") and not said.get("events") and "events" not in self.errors:
            self.add_error("events", _("Choose at least one event."))
        return said

    @property
    def wanted(self) -> list[str]:
        """The events that are to be told."""
        said = self.cleaned_data
        return [EVERYTHING] if said["everything"] else list(said["events"])
