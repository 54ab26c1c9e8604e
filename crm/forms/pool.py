"""What a person may ask of a pool: customers to assign, and what goes for it."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from contacts.actions.capacity import MOST_CAPACITY
from contacts.actions.pools import ASSIGN_BY
from contacts.enums import Assignment, PoolOrder
from contacts.models import Customer, PoolRule, Staff
from contacts.models.pools import MOST_OFFERED
from contacts.pools import receivers_in
from crm.access import Viewer, pool_of, staff_of
from crm.forms.handovers import choose_from, ticked_in
from crm.forms.ticking import MOVED_ON, WhichForm
from crm.pool_queries import customers_of_pool

MOST_DAYS = 3650
MOST_HOURS = 24 * 365
MOST_A_DAY = 1000


class AssignForm(WhichForm):
    """Customers of a pool, ticked or all that match, to whom they go, and how they are spread."""

    customers = forms.ModelMultipleChoiceField(
        queryset=Customer.objects.none(),
        required=False,
        error_messages=MOVED_ON,
    )
    receivers = forms.ModelMultipleChoiceField(
        label=_("To whom"),
        queryset=Staff.objects.none(),
        error_messages={
            "required": _("Choose at least one colleague."),
            "invalid_choice": _(
                "One of these colleagues cannot take customers any more. Look again."
            ),
        },
    )
    strategy = forms.ChoiceField(
        label=_("Share out"),
        choices=[(strategy.value, strategy.label) for strategy in ASSIGN_BY],
        initial=ASSIGN_BY[0].value,
        widget=forms.RadioSelect,
    )

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = staff_of(viewer)
        choose_from(self, "customers", customers_of_pool(pool_of(viewer)))
        choose_from(self, "receivers", receivers_in(mine.values("store")).filter(pk__in=mine))

    def clean(self) -> dict[str, Any]:
        """Somebody has to be chosen."""
        cleaned = super().clean() or self.cleaned_data
        if not self.is_of_all() and "customers" in cleaned and not cleaned["customers"]:
            self.add_error(None, _("Tick customers, or choose all that match."))
        return cleaned

    def ticked(self, name: str) -> set[int]:
        """Return the ids ticked so far, to show them ticked again."""
        return ticked_in(self, name)


def _days(label: Any, hint: Any = "", *, least: int = 0) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=hint, min_value=least, max_value=MOST_DAYS)


class RuleForm(forms.Form):
    """What goes for a pool."""

    claiming = forms.BooleanField(label=_("Guides may claim customers of the pool"), required=False)
    claims_per_day = forms.IntegerField(
        label=_("Claims per guide and day"), min_value=0, max_value=MOST_A_DAY
    )
    first = forms.ChoiceField(label=_("Who comes first"), choices=PoolOrder.choices)
    offered = forms.IntegerField(
        label=_("Guides choose among the first"),
        help_text=_("1 lets nobody choose: everybody gets the next one."),
        min_value=1,
        max_value=MOST_OFFERED,
    )
    not_back_days = _days(
        _("Days before a former guide gets a customer back"),
        _("Goes for claims and for automatic assignment. 0: at once."),
    )
    new_days = _days(
        _("Days that new ones are yours"),
        _("So long only you can give out who has just come into the pool. 0: no time at all."),
    )

    assignment = forms.ChoiceField(
        label=_("Assign by itself"), choices=Assignment.choices, widget=forms.RadioSelect
    )
    assign_after_hours = forms.IntegerField(
        label=_("After so many hours in the pool"), min_value=0, max_value=MOST_HOURS
    )
    only_in_hours = forms.BooleanField(label=_("Only in working hours"), required=False)
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Working days"),
        coerce=int,
        choices=[(number + 1, name) for number, name in WEEKDAYS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    opens_at = forms.TimeField(
        label=pgettext_lazy("time of day", "From"),
        widget=forms.TimeInput({"type": "time"}, "%H:%M"),
    )
    closes_at = forms.TimeField(
        label=pgettext_lazy("time of day", "Until"),
        widget=forms.TimeInput({"type": "time"}, "%H:%M"),
    )

    recycle_after_days = _days(
        _("Days without any contact"),
        _("Then a customer goes back to the pool. 0: customers stay with their guide."),
    )
    warn_days = _days(
        _("Tell the guide so many days before"),
        _("Nobody goes back before their guide was told. 0: without telling."),
    )
    recycle_per_day = forms.IntegerField(
        label=_("At most so many of one guide in a day"), min_value=1, max_value=MOST_A_DAY
    )

    def __init__(self, rule: PoolRule, data: QueryDict | None = None) -> None:
        initial = {name: getattr(rule, name) for name in self.base_fields}
        super().__init__(data, initial=initial)


class CapacityForm(forms.Form):
    """For how many customers a person can answer."""

    capacity = forms.IntegerField(label=_("Capacity"), min_value=0, max_value=MOST_CAPACITY)
    was = forms.IntegerField(min_value=0, max_value=MOST_CAPACITY, required=False)
