"""What a person may say about a colleague's employment."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from connectors.spreadsheets import LARGEST


class LeavingForm(forms.Form):
    """Somebody's last day."""

    leaves_on = forms.DateField(
        label=_("Last day at work"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        input_formats=["%Y-%m-%d"],
        error_messages={
            "required": _("Choose the last day."),
            "invalid": _("Write the day like 2026-03-31."),
        },
    )

    def clean_leaves_on(self) -> Any:
        """The day may be today, and not before."""
        day = self.cleaned_data["leaves_on"]
        if day < timezone.localdate():
            raise forms.ValidationError(_("The last day cannot lie in the past."))
        return day


class StaffFileForm(forms.Form):
    """A file of the human resources department."""

    file = forms.FileField(
        label=_("File (CSV or XLSX, up to 5 MB)"),
        widget=forms.FileInput(attrs={"accept": ".csv,.xlsx,.txt"}),
        error_messages={
            "required": _("Choose a file."),
            "empty": _("The file is empty."),
            "missing": _("Choose a file."),
        },
    )

    def clean_file(self) -> Any:
        """Too large a file is refused before it is read."""
        file = self.cleaned_data["file"]
        if file.size > LARGEST:
            raise forms.ValidationError(_("The file is larger than 5 MB. Split it."))
        return file
