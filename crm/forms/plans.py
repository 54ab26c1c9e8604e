"""What a person may write into a plan: a step, words, a name, customers to move."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.models import Segment
from contacts.actions.sharing import Order, Strategy
from contacts.models import Handover, HandoverItem, Staff, Store
from contacts.plan_steps import MOST, MOST_DAYS
from crm.access import Viewer, stores_of
from crm.forms.handovers import ReceiversForm, choose_from, ticked_in
from crm.forms.ticking import MOVED_ON, TargetedForm, WhichForm, tag_choices
from crm.handover_queries import receivers_of
from crm.paging import whole_number
from crm.plan_lists import POOL

WHO = (
    ("everybody", _("everybody who is left")),
    ("tag any", _("who carry one of these tags")),
    ("tag all", _("who carry all of these tags")),
    ("segment is", _("of a segment")),
    ("last_interaction within_days", _("met within … days")),
    ("last_interaction before_days", _("not met for … days")),
    ("value at_least", _("of this value or more")),
    ("value at_most", _("of this value or less")),
    ("value top", _("the … of highest value")),
    ("value top_percent", _("the … % of highest value")),
    ("store in", _("of these stores")),
    ("connected yes", _("connected in WeCom")),
    ("connected no", _("not connected in WeCom")),
)
CHOSEN = "customer in"
FIGURES = {
    "last_interaction within_days": MOST_DAYS,
    "last_interaction before_days": MOST_DAYS,
    "value at_least": MOST,
    "value at_most": MOST,
    "value top": MOST,
    "value top_percent": 100,
}
WANTED = {"tag any": "tags", "tag all": "tags", "segment is": "segment", "store in": "stores"}


class Defaulted(forms.ChoiceField):
    """A choice that is made already: what is not said is the initial one."""

    def clean(self, value: Any) -> Any:
        """Return the choice."""
        return super().clean(value or self.initial)


class StepForm(TargetedForm, ReceiversForm):
    """One step of a plan: whom it takes, who gets them, and how they are spread."""

    step = forms.CharField(required=False, widget=forms.HiddenInput)
    who = Defaulted(label=_("Which customers"), choices=WHO, initial="everybody")
    tags = forms.TypedMultipleChoiceField(
        label=_("Tags"), coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    segment = forms.ModelChoiceField(
        label=_("Segment"), queryset=Segment.objects.none(), required=False
    )
    stores = forms.ModelMultipleChoiceField(
        label=_("Stores"),
        queryset=Store.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    figure = forms.IntegerField(label=_("Figure for the …"), min_value=0, required=False)
    strategy = forms.ChoiceField(
        label=_("Share out"),
        choices=Strategy.choices,
        initial=Strategy.EVENLY,
        widget=forms.RadioSelect,
    )
    order = Defaulted(label=_("Who first"), choices=Order.choices, initial=Order.RECENT)
    limit = forms.IntegerField(
        label=_("At most so many customers"), min_value=1, max_value=MOST, required=False
    )

    def __init__(self, viewer: Viewer, handover: Handover, *args: Any, **kwargs: Any) -> None:
        super().__init__(viewer, handover, *args, **kwargs)
        self.kept = _step_at(handover, self.place())
        choose_from(self, "segment", Segment.objects.order_by("name", "pk"))
        choose_from(self, "stores", stores_of(viewer).order_by("name", "pk"))
        self.offer("tags", tag_choices())
        if self.kept and self.kept["who"]["field"] == "customer":
            who = cast("forms.ChoiceField", self.fields["who"])
            who.choices = [(CHOSEN, _("those chosen one by one")), *WHO]

    def place(self) -> str:
        """Return the number of the step that is changed, ``new``, or nothing for the only one."""
        given = self.data if self.is_bound else self.initial
        return str(given.get("step") or "")

    def clean(self) -> dict[str, Any]:
        """Ask for what the chosen condition needs."""
        cleaned = super().clean() or self.cleaned_data
        who = cleaned.get("who", "")
        needed = WANTED.get(who)
        if needed and not cleaned.get(needed) and not self.errors.get(needed):
            self.add_error(needed, gettext("Choose at least one."))
        if who in FIGURES and not self.errors.get("figure"):
            self._check_figure(cleaned.get("figure"), FIGURES[who], who)
        one = cleaned.get("strategy") == Strategy.ONE
        if one and cleaned.get("receivers") is not None and len(cleaned["receivers"]) != 1:
            words = gettext("Choose exactly one colleague, or share out evenly.")
            self.add_error("receivers", words)
        return cleaned

    def step_json(self) -> dict[str, Any]:
        """Return the step as it is planned; call it when the form is valid."""
        data = self.cleaned_data
        return {
            "who": self._condition(),
            "receivers": [staff.pk for staff in data["receivers"]],
            "strategy": data["strategy"],
            "order": str(data["order"]),
            "limit": data["limit"],
        }

    def steps_json(self, handover: Handover) -> list[Any]:
        """Return all steps of the plan with this one in its place."""
        place = self.place()
        if place == "new":
            return [*handover.steps, self.step_json()]
        if self.kept is None:
            return [self.step_json()]
        at = int(place)
        return [*handover.steps[:at], self.step_json(), *handover.steps[at + 1 :]]

    def _check_figure(self, figure: int | None, most: int, who: str) -> None:
        least = 0 if who in {"value at_least", "value at_most"} else 1
        if figure is None or not least <= figure <= most:
            words = gettext("The figure lies between %(least)s and %(most)s.")
            self.add_error("figure", words % {"least": least, "most": f"{most:,}"})

    def _condition(self) -> dict[str, Any]:
        data = self.cleaned_data
        who = data["who"]
        if who == CHOSEN and self.kept:
            return dict(self.kept["who"])
        field, _space, operator = who.partition(" ")
        values: dict[str, Callable[[], Any]] = {
            "tag": lambda: data["tags"],
            "segment": lambda: data["segment"].pk,
            "store": lambda: [store.pk for store in data["stores"]],
            "last_interaction": lambda: data["figure"],
            "value": lambda: data["figure"],
            "connected": lambda: who == "connected yes",
        }
        if field not in values:
            return {"field": field}
        operator = "is" if field == "connected" else operator
        return {"field": field, "op": operator, "value": values[field]()}


def initial_step(handover: Handover, place: str) -> dict[str, Any]:
    """Return a step of the plan as the form shows it; for a new one nothing but its place."""
    step = _step_at(handover, place)
    if step is None:
        return {"step": place}
    who, value = step["who"], step["who"].get("value")
    field, operator = who["field"], who.get("op", "")
    if field == "connected":
        operator = "yes" if value else "no"
    return {
        "step": place,
        "who": f"{field} {operator}".strip(),
        "tags": value if field == "tag" else [],
        "segment": value if field == "segment" else None,
        "stores": value if field == "store" else [],
        "figure": value if field in {"last_interaction", "value"} else None,
        "receivers": step["receivers"],
        "strategy": step["strategy"],
        "order": step["order"],
        "limit": step["limit"],
    }


def _step_at(handover: Handover, place: str) -> Mapping[str, Any] | None:
    if not (place.isascii() and place.isdigit() and len(place) <= 3):
        return None
    at = int(place)
    return handover.steps[at] if at < len(handover.steps) else None


class StartForm(forms.Form):
    """What is said with the handover, how often a customer is offered, and the token to start it."""

    customer_message = forms.CharField(
        label=_("Words to the customer"),
        max_length=200,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    greeting = forms.CharField(
        label=_("Suggested greeting"),
        max_length=400,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("For the new owners: they find it with each customer, to send or to change."),
    )
    max_offers = forms.IntegerField(
        label=_("Offers per customer"),
        min_value=1,
        max_value=10,
        required=False,
        help_text=_("If the first colleague does not get a customer, so many are tried in all."),
    )
    token = forms.CharField(max_length=500, required=False, widget=forms.HiddenInput)

    def __init__(self, handover: Handover, *args: Any, **kwargs: Any) -> None:
        names = ("customer_message", "greeting", "max_offers")
        kwargs.setdefault("initial", {name: getattr(handover, name) for name in names})
        super().__init__(*args, **kwargs)

    def words(self) -> dict[str, Any]:
        """Return the greeting, and how often customers are offered if that was said."""
        data = self.cleaned_data
        offers = {"max_offers": data["max_offers"]} if data["max_offers"] else {}
        return {"greeting": data["greeting"]} | offers


class SaveForm(forms.Form):
    """The name under which a plan is kept."""

    name = forms.CharField(label=_("Name of the plan"), max_length=80)


class MoveForm(WhichForm):
    """Customers of a plan, ticked or all that match, and to whom they go."""

    OUT = "out"
    """Instead of a receiver: the customers stay with whoever keeps working."""

    items = forms.ModelMultipleChoiceField(
        queryset=HandoverItem.objects.none(),
        required=False,
        error_messages=MOVED_ON,
    )
    receiver = forms.CharField(
        label=_("To whom"), error_messages={"required": _("Choose at least one colleague.")}
    )

    def __init__(self, viewer: Viewer, handover: Handover, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.able = receivers_of(viewer, handover)
        choose_from(self, "items", HandoverItem.objects.filter(handover=handover))

    def leaves_out(self) -> bool:
        """Whether the customers are to be left out of the handover."""
        return bool(self.data.get("receiver") == self.OUT)

    def clean_receiver(self) -> Staff | None:
        """Return the colleague, or nothing for the pool and for whom is left out."""
        given = self.cleaned_data["receiver"]
        if given in {POOL, self.OUT}:
            return None
        found = self.able.filter(pk=whole_number(given) or 0).first()
        if found is None:
            raise forms.ValidationError(
                gettext("One of these colleagues cannot take customers any more. Look again.")
            )
        return found

    def ticked(self) -> set[int]:
        """Return the ids ticked so far, to show them ticked again."""
        return ticked_in(self, "items")
