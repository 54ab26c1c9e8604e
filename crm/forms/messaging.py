"""What the company allows itself in messages, as a form; and one word of a customer on them."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from campaigns.actions.messaging_rules import MOST_DAYS, MOST_MESSAGES, MOST_RECIPIENTS
from campaigns.channels import LABELS, REACHING
from campaigns.models import MessagingRules
from contacts.enums import Purpose
from crm.forms.numbers import WholeNumber


def _count(label: Any, most: int, *, required: bool = False) -> WholeNumber:
    return WholeNumber(label=label, min_value=1, max_value=most, required=required)


def _clock(label: Any) -> forms.TimeField:
    return forms.TimeField(
        label=label, required=False, widget=forms.TimeInput({"type": "time"}, "%H:%M")
    )


def _consents() -> list[tuple[str, str]]:
    return [
        (f"{channel}:{purpose}", f"{label} · {purpose.label}")
        for channel, label in REACHING.items()
        for purpose in Purpose
    ]


class MessagingRulesForm(forms.Form):
    """The company's rules."""

    cap_messages = _count(_("Messages per customer at most"), MOST_MESSAGES)
    cap_days = _count(_("In so many days"), MOST_DAYS, required=True)
    quiet_from = _clock(pgettext_lazy("time of day", "From"))
    quiet_to = _clock(pgettext_lazy("time of day", "Until"))
    consent_required = forms.MultipleChoiceField(
        label=_("Only with consent given beforehand"),
        choices=_consents,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    skip_over_quota = forms.BooleanField(
        label=_("Leave out customers whose receive limit in WeCom is reached"), required=False
    )
    approval_above = WholeNumber(
        label=_("Approval for more recipients than"),
        help_text=_("Empty: never. 0: always."),
        min_value=0,
        max_value=MOST_RECIPIENTS,
        required=False,
    )

    def __init__(self, rules: MessagingRules, data: Any = None) -> None:
        values = {name: getattr(rules, name) for name in self.base_fields}
        for channel, cap in rules.channel_caps.items():
            values |= {f"{channel}_messages": cap["messages"], f"{channel}_days": cap["days"]}
        super().__init__(data, initial=values)
        for channel, label in LABELS.items():
            self.fields[f"{channel}_messages"] = _count(label, MOST_MESSAGES)
            self.fields[f"{channel}_days"] = _count(_("In so many days"), MOST_DAYS)

    @property
    def channel_pairs(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The two fields of every channel."""
        return [(self[f"{name}_messages"], self[f"{name}_days"]) for name in LABELS]

    def clean(self) -> dict[str, Any]:
        """A limit of a channel has both of its numbers."""
        values = super().clean() or {}
        for channel in LABELS:
            messages, days = values.get(f"{channel}_messages"), values.get(f"{channel}_days")
            if (messages is None) != (days is None) and not self.errors:
                self.add_error(f"{channel}_days", _("Give both numbers, or neither."))
        return values

    def changes(self) -> dict[str, Any]:
        """Return the rules as the action takes them."""
        values = {name: self.cleaned_data[name] for name in self.base_fields}
        if "approval_above" not in self.data:  # not asked is not the same as "never"
            del values["approval_above"]
        values["channel_caps"] = {
            channel: {
                "messages": self.cleaned_data[f"{channel}_messages"],
                "days": self.cleaned_data[f"{channel}_days"],
            }
            for channel in LABELS
            if self.cleaned_data[f"{channel}_messages"]
        }
        return values


class ConsentForm(forms.Form):
    """A customer's word on a channel and a purpose; empty means all of them."""

    channel = forms.ChoiceField(choices=[("", _("all channels")), *LABELS.items()], required=False)
    purpose = forms.ChoiceField(choices=[("", _("all purposes")), *Purpose.choices], required=False)
    granted = forms.ChoiceField(choices=[("yes", "yes"), ("no", "no")])
