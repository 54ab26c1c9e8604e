"""Making sure that the right person is erased."""

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Customer


class EraseForm(forms.Form):
    """The name of who is to be erased, typed once more; of the nameless, their number."""

    name = forms.CharField(
        max_length=255,
        error_messages={"required": gettext_lazy("Type it to confirm.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, customer: Customer, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.wanted = customer.name or str(customer.pk)
        self.fields["name"].label = _("Type “%(name)s” to confirm") % {"name": self.wanted}

    def clean_name(self) -> str:
        """Compare without regard to capitals and spaces around."""
        typed: str = self.cleaned_data["name"]
        if " ".join(typed.split()).casefold() != " ".join(self.wanted.split()).casefold():
            raise forms.ValidationError(_("That is not the name of this customer."))
        return typed
