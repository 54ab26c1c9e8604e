"""Adding a task, moving it to another day, giving it to somebody else."""

from typing import Any, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from contacts.enums import StaffState, TaskKind
from contacts.models import Staff
from crm.access import Viewer, staff_of

DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class DueForm(forms.Form):
    """The day by which something is to be done."""

    due_on = forms.DateField(label=_("Due on"), required=False, widget=DAY)


class TaskForm(DueForm):
    """What there is to do, and until when."""

    text = forms.CharField(
        label=_("What is there to do?"),
        max_length=400,
        widget=forms.TextInput(attrs={"placeholder": _("Put the coat aside, call back …")}),
    )

    field_order = ["text", "due_on"]


class CustomerTaskForm(TaskForm):
    """The same about a customer, to whom it may have been promised."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind.value, kind.label) for kind in (TaskKind.TO_DO, TaskKind.PROMISE)],
        initial=TaskKind.TO_DO,
        widget=forms.RadioSelect,
    )

    field_order = ["kind", "text", "due_on"]


class GiveForm(forms.Form):
    """To whom a task is given; without anybody, to whoever manages the store."""

    staff = forms.ModelChoiceField(
        label=_("Colleague"),
        queryset=Staff.objects.none(),
        required=False,
        empty_label=_("whoever manages the store"),
    )

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = staff_of(viewer).filter(state=StaffState.ACTIVE).order_by("name_key", "pk")
        field = cast("forms.ModelChoiceField[Staff]", self.fields["staff"])
        field.queryset = people
