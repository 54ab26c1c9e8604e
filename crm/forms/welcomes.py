"""What a marketer types to say what new contacts are greeted with."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext, gettext_lazy

from campaigns.actions.contents import LONGEST_TEXT
from campaigns.actions.welcome_rules import check_welcome
from contacts.errors import RuleBroken
from crm.forms.attachments import attachments_typed, lists_in


class WelcomeForm(forms.Form):
    """For whom, while that is open, and the words. ``attachments`` come from inputs of their own."""

    level = forms.ChoiceField(
        label=gettext_lazy("For whom"),
        error_messages={"required": gettext_lazy("Choose whom it greets.")},
    )
    text = forms.CharField(
        label=gettext_lazy("Message"),
        widget=forms.Textarea(attrs={"rows": 6}),
        required=False,
        max_length=LONGEST_TEXT,
    )
    attachments = forms.Field(label=gettext_lazy("Attachments"), required=False)
    seen = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, levels: Mapping[str, str] | None, **kwargs: Any) -> None:
        """Offer these levels, ``None`` where it is settled; ``has_levels`` says if there are any."""
        super().__init__(*args, **kwargs)
        self.has_levels = bool(levels)
        if levels is None:
            del self.fields["level"]
        else:
            cast("forms.ChoiceField", self.fields["level"]).choices = [
                ("", gettext("choose")),
                *levels.items(),
            ]

    def clean_text(self) -> str:
        """Take line ends as WeCom does."""
        text: str = self.cleaned_data["text"]
        return text.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Judge words and attachments together, as WeCom will."""
        cleaned = super().clean() or self.cleaned_data
        cleaned["attachments"] = attachments_typed(lists_in(self.data))
        if "text" in self.errors:
            return cleaned
        try:
            check_welcome(cleaned.get("text", ""), cleaned["attachments"])
        except RuleBroken as error:
            about_words = not cleaned["attachments"] or not cleaned.get("text", "").strip()
            self.add_error("text" if about_words else "attachments", str(error))
        return cleaned
