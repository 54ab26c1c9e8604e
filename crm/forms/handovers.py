"""What a person may ask for in a handover."""

from typing import Any, cast

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from contacts.enums import ItemState
from contacts.models import Handover, HandoverItem, Staff
from contacts.queries import UNDECIDED
from crm.access import Viewer
from crm.handover_queries import receivers_of
from crm.paging import whole_number


class ReceiversForm(forms.Form):
    """Colleagues who take customers over; only people in the viewer's scope can be chosen."""

    receivers = forms.ModelMultipleChoiceField(
        label=_("Colleagues"),
        queryset=Staff.objects.none(),
        error_messages={
            "required": _("Choose at least one colleague."),
            "invalid_choice": _(
                "One of these colleagues cannot take customers any more. Look again."
            ),
        },
    )

    def __init__(self, viewer: Viewer, handover: Handover, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self, "receivers", receivers_of(viewer, handover))

    def ticked(self, name: str = "receivers") -> set[int]:
        """Return the ids ticked so far, sound or not, to show them ticked again."""
        return ticked_in(self, name)


class ReassignForm(ReceiversForm):
    """Who gets a second offer: the ticked items, or all of one state."""

    items = forms.ModelMultipleChoiceField(
        queryset=HandoverItem.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": _(
                "Some of these customers have moved on in the meantime. Look again."
            )
        },
    )
    all_of = forms.ChoiceField(
        required=False,
        choices=[("", "")]
        + [(state.value, state.label) for state in ItemState if state in UNDECIDED],
    )

    def __init__(self, viewer: Viewer, handover: Handover, *args: Any, **kwargs: Any) -> None:
        super().__init__(viewer, handover, *args, **kwargs)
        self.open_items = HandoverItem.objects.filter(
            handover=handover, state__in=UNDECIDED, closed_at=None
        )
        choose_from(self, "items", self.open_items)

    def clean(self) -> dict[str, Any]:
        """Turn either way of choosing into ``item_ids``."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors.get("items"):
            return cleaned
        if cleaned.get("all_of"):
            chosen = self.open_items.filter(state=cleaned["all_of"])
            cleaned["item_ids"] = list(chosen.values_list("pk", flat=True))
        else:
            cleaned["item_ids"] = [item.pk for item in cleaned.get("items", [])]
        if not cleaned["item_ids"]:
            self.add_error(None, _("Tick customers, or choose all of a state."))
        return cleaned


def choose_from(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    """Let these rows, and no others, be chosen in the field."""
    field = cast("forms.ModelMultipleChoiceField[Any]", form.fields[name])
    field.queryset = rows


def ticked_in(form: forms.Form, name: str) -> set[int]:
    """Return the ids ticked so far in a field, sound or not."""
    if isinstance(form.data, QueryDict):
        given = form.data.getlist(name)
    else:
        given = form.initial.get(name, [])
    ids = (whole_number(str(value)) for value in given)
    return {pk for pk in ids if pk}
