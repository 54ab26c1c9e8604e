"""What is typed about a segment beside its rule."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from connectors.spreadsheets import LARGEST

LONGEST_PASTE = 500_000


class SegmentForm(forms.Form):
    """Name and sharing."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        error_messages={"required": _("Give the segment a name.")},
    )
    shared = forms.BooleanField(
        label=_("Shared: other marketers find it too"), required=False, initial=True
    )


class FreezeForm(forms.Form):
    """The name of the list that a segment becomes."""

    name = forms.CharField(
        label=_("Name of the list"),
        max_length=120,
        error_messages={"required": _("Give the list a name.")},
    )


class MembersForm(forms.Form):
    """Whom to put on a static list: pasted, from a file, or both."""

    pasted = forms.CharField(
        label=_("Customer ids or phone numbers"),
        required=False,
        max_length=LONGEST_PASTE,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=_("One on each line: 12345, 13800000001 or +8613800000001."),
    )
    file = forms.FileField(
        label=_("File (CSV or XLSX, up to 5 MB)"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt"}),
        error_messages={"empty": _("The file is empty.")},
    )

    def clean_file(self) -> Any:
        """Too large a file is refused before it is read."""
        file = self.cleaned_data["file"]
        if file and file.size > LARGEST:
            raise forms.ValidationError(_("The file is larger than 5 MB. Split it."))
        return file

    def clean(self) -> dict[str, Any]:
        """One of the two is needed."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("pasted") and not cleaned.get("file"):
            self.add_error("pasted", _("Paste some lines, or choose a file."))
        return cleaned


class NewListForm(SegmentForm, MembersForm):
    """A static list with its customers."""

    field_order = ("name", "pasted", "file", "shared")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].error_messages["required"] = _("Give the list a name.")
