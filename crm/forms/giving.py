"""To whom one customer is given."""

from typing import Any

from django import forms
from django.db.models import Case, QuerySet, Value, When
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Customer, Staff
from contacts.pools import receivers_in, room_of
from crm.access import Viewer, staff_of
from crm.forms.handovers import choose_from


class ColleagueField(forms.ModelChoiceField):
    """A colleague, with their store and how many customers they have room for."""

    room: dict[int, int]

    def label_from_instance(self, obj: Any) -> str:
        """Return what helps to choose between people."""
        store = obj.store.name if obj.store else ""
        return _("%(name)s · %(store)s · room for %(n)s") % {
            "name": obj.name,
            "store": store,
            "n": self.room.get(obj.pk, 0),
        }


class GiveCustomerForm(forms.Form):
    """Who is to answer for a customer; ``owner`` is who did when the form was shown."""

    to = ColleagueField(
        label=gettext_lazy("Colleague"),
        queryset=Staff.objects.none(),
        empty_label=gettext_lazy("Choose a colleague"),
        error_messages={
            "required": gettext_lazy("Choose a colleague."),
            "invalid_choice": gettext_lazy(
                "This colleague cannot take customers any more. Choose somebody else."
            ),
        },
    )
    owner = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, viewer: Viewer, customer: Customer, data: QueryDict | None = None) -> None:
        super().__init__(data, initial={"owner": customer.owner_id})
        people = _receivers(viewer, customer)
        choose_from(self, "to", people)
        self.fields["to"].room = room_of(people)  # type: ignore[attr-defined]  # a ColleagueField


def _receivers(viewer: Viewer, customer: Customer) -> QuerySet[Staff]:
    """Return whom the viewer may give the customer to: those of the customer's store first."""
    mine = staff_of(viewer)
    able = receivers_in(mine.values("store")).filter(pk__in=mine)
    others = able.exclude(pk=customer.owner_id) if customer.owner_id else able
    elsewhere = Case(When(store=customer.store_id, then=Value(0)), default=Value(1))
    return others.select_related("store").order_by(elsewhere, "store__name", "name_key", "pk")
