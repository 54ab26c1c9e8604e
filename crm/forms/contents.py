"""What a marketer types to keep a message in the library, or brings as a file."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.actions.contents import LONGEST_TEXT
from campaigns.attachments import check_attachments
from campaigns.media import LARGEST_UPLOAD, MEGABYTE
from campaigns.models import Folder
from contacts.errors import RuleBroken
from crm.forms.attachments import attachments_typed, lists_in


class ContentForm(forms.Form):
    """A message of the library. ``attachments`` come from inputs of their own."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=120,
        error_messages={"required": gettext_lazy("Give the message a name.")},
    )
    folder = forms.CharField(
        label=gettext_lazy("Folder"),
        max_length=80,
        help_text=gettext_lazy("A new name makes a new folder."),
        error_messages={"required": gettext_lazy("Choose a folder, or name a new one.")},
        widget=forms.TextInput(attrs={"list": "folders", "autocomplete": "off"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Message"),
        widget=forms.Textarea(attrs={"rows": 8}),
        required=False,
        max_length=LONGEST_TEXT,
    )
    attachments = forms.Field(label=gettext_lazy("Attachments"), required=False)

    def clean_text(self) -> str:
        """Take line ends as channels do."""
        text: str = self.cleaned_data["text"]
        return text.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        """Judge the attachments, and ask for a text or one of them."""
        cleaned = super().clean() or self.cleaned_data
        typed = attachments_typed(lists_in(self.data))
        cleaned["attachments"] = typed
        try:
            check_attachments(typed)
        except RuleBroken as error:
            self.add_error("attachments", str(error))  # which takes them out of what is sound
        if not cleaned.get("text") and not typed and "text" not in self.errors:
            self.add_error("text", _("Write a text, or add an attachment."))
        return cleaned

    @staticmethod
    def folders() -> list[str]:
        """Return the names of the folders that there are."""
        return list(Folder.objects.order_by("name").values_list("name", flat=True))


class MediaForm(forms.Form):
    """A file to send."""

    new_file = forms.FileField(
        label=gettext_lazy("File"),
        allow_empty_file=True,
        error_messages={"required": gettext_lazy("Choose a file first.")},
    )

    def clean_new_file(self) -> Any:
        """Refuse what is too large before it is read."""
        upload = self.cleaned_data["new_file"]
        if upload.size > LARGEST_UPLOAD:
            raise forms.ValidationError(
                _("The file is too large: at most %(limit)s MB can be sent.")
                % {"limit": LARGEST_UPLOAD // MEGABYTE}
            )
        return upload
