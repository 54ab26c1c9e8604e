"""Logging an interaction: what kind, what was said."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.enums import InteractionKind

NEEDS_WORDS = frozenset({InteractionKind.NOTE, InteractionKind.COMPLAINT})


class InteractionForm(forms.Form):
    """Three taps: a kind, a few words, save. A note or a complaint is nothing without words."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What happened"),
        choices=InteractionKind.choices,
        initial=InteractionKind.CHAT,
        widget=forms.RadioSelect,
    )
    text = forms.CharField(
        label=gettext_lazy("What was said"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 2, "placeholder": gettext_lazy("What they said, liked, want next")}
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for words where the kind alone says nothing."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") in NEEDS_WORDS and not cleaned.get("text"):
            self.add_error("text", _("Write what it was about."))
        return cleaned
