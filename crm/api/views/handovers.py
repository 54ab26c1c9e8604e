"""Handovers: plan, propose, start, watch, re-assign, finish."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from contacts.actions.handovers import (
    RETRYABLE,
    cancel_handover,
    plan_handover,
    propose_receivers,
    reassign_items,
)
from contacts.actions.settlement import ask_now
from contacts.actions.sharing import Order, Strategy
from contacts.actions.undo import Undoing, undo_handover
from contacts.enums import HandoverKind, HandoverState, ItemState, Role
from contacts.models import Handover, HandoverItem, Staff
from contacts.plan_steps import MOST
from contacts.queries import HandoverProgress, handover_progress
from crm.access import handover_for, handovers_of, require, staff_of
from crm.actions.announcing import finish
from crm.actions.plans import selection_of
from crm.api.base import IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.shapes.handovers import (
    HandoverItemShape,
    HandoverPageShape,
    HandoverProgressShape,
    HandoverShape,
    UndoingShape,
)


class HandoverFilters(django_filters.FilterSet):
    """How handovers can be narrowed down."""

    from_staff = IdFilter()
    store = IdFilter()
    state = django_filters.ChoiceFilter(choices=HandoverState.choices)
    kind = django_filters.ChoiceFilter(choices=HandoverKind.choices)


class SelectInput(StrictInput):
    """Some of a person's customers: those who meet a condition, so many, or down to a load."""

    who = serializers.JSONField(required=False, help_text="A condition, as in the steps of a plan.")
    at_most = serializers.IntegerField(required=False, min_value=1, max_value=MOST)
    down_to = serializers.IntegerField(
        required=False, min_value=0, max_value=MOST, help_text="Leave them with this many."
    )
    order = serializers.ChoiceField(choices=Order.choices, default=Order.QUIET)

    def validate_order(self, value: str) -> Order:
        """Return the order that actions know."""
        return Order(value)


class Handovers(Listing, Verb):
    """List the handovers of the people you manage."""

    resource = "handovers"
    shape = HandoverShape
    filterset_class = HandoverFilters
    success = 201

    class Input(StrictInput):
        """Whose customers, why, and which of them. A departure plans its own handover."""

        example: ClassVar = {"from_staff": 5, "kind": "rebalance", "select": {"down_to": 300}}

        from_staff = IdField()
        kind = serializers.ChoiceField(choices=[HandoverKind.LEAVE, HandoverKind.REBALANCE])
        select = SelectInput(required=False, help_text="Without it everybody.")
        with_chats = serializers.BooleanField(
            default=False, help_text="Whether their group chats go along."
        )

    @property
    def verb_shape(self) -> type[HandoverPageShape]:
        """Show the plan as well."""
        return HandoverPageShape

    def rows(self) -> QuerySet[Handover]:
        """Return the handovers the person sees."""
        return handovers_of(self.viewer).select_related("from_staff", "store", "planned_by")

    def act(self, data: dict[str, Any]) -> Handover:
        """Plan to hand over those whom a colleague owns, all or some; nothing moves yet."""
        require(self.viewer, Role.MANAGER)
        giver = pick(staff_of(self.viewer), [data["from_staff"]], "from_staff")[0]
        kind = HandoverKind(data["kind"])
        chosen = {"with_chats": data["with_chats"]}
        if "select" in data:
            chosen["select"] = selection_of(giver, now=self.now, **data["select"])
        return plan_handover(giver, kind=kind, actor=self.actor, now=self.now, **chosen)


class HandoverPage(Reading):
    """Read one handover, with what is still planned."""

    resource = "handovers"
    shape = HandoverPageShape

    def row(self, pk: int) -> Handover:
        """Return the handover."""
        return handover_for(self.viewer, pk)


class HandoverItemFilters(django_filters.FilterSet):
    """How the customers of a handover can be narrowed down."""

    state = django_filters.ChoiceFilter(choices=ItemState.choices)
    to_staff = IdFilter()


class HandoverItems(Listing):
    """List the customers of one handover, and how far each got."""

    resource = "handovers"
    shape = HandoverItemShape
    filterset_class = HandoverItemFilters

    def rows(self) -> QuerySet[HandoverItem]:
        """Return the items of this handover."""
        handover = handover_for(self.viewer, self.kwargs["pk"])
        return HandoverItem.objects.filter(handover=handover).select_related("customer", "to_staff")


class Progress(Reading):
    """Read where the customers of a handover stand; the figures always add up to its size."""

    resource = "handovers"
    shape = HandoverProgressShape

    def row(self, pk: int) -> HandoverProgress:
        """Return the figures."""
        return handover_progress(handover_for(self.viewer, pk))


class HandoverVerb(HandoverPage, Verb):
    """Something that is done to a handover."""

    http_method_names = ["post"]

    def receivers(self, ids: list[int]) -> list[Staff]:
        """Return the colleagues who are to take the customers."""
        return pick(staff_of(self.viewer), ids, "receivers")


class Propose(HandoverVerb):
    """Propose who takes whom."""

    class Input(StrictInput):
        """The colleagues, and how customers are spread over them."""

        example: ClassVar = {"receivers": [6, 7], "strategy": "capacity"}

        receivers = IdsField(min_length=1)
        strategy = serializers.ChoiceField(choices=Strategy.choices, default=Strategy.EVENLY)

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Spread the customers of a plan over these colleagues.

        May be repeated until the handover starts; the last proposal holds. `shares` shows it.
        """
        handover = handover_for(self.viewer, pk)
        receivers, strategy = self.receivers(data["receivers"]), Strategy(data["strategy"])
        propose_receivers(handover, receivers, strategy=strategy, actor=self.actor, now=self.now)
        return self.row(pk)


class Cancel(HandoverVerb):
    """Cancel a handover."""

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Undo of a handover what the channel has not been asked yet."""
        cancel_handover(handover_for(self.viewer, pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Reassign(HandoverVerb):
    """Offer customers to others."""

    class Input(StrictInput):
        """Which items, by id or by state, and to whom."""

        example: ClassVar = {"state": "refused", "receivers": [8]}

        items = IdsField(required=False, min_length=1)
        state = serializers.ChoiceField(choices=RETRYABLE, required=False)
        receivers = IdsField(min_length=1)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Either the items or their state."""
            if ("items" in attrs) == ("state" in attrs):
                raise ValidationError(_("Give either items or state."))
            return attrs

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Offer refused, over-capacity and failed customers to other colleagues."""
        handover = handover_for(self.viewer, pk)
        if "items" in data:
            items = [item.pk for item in pick(handover.items.all(), data["items"], "items")]
        else:
            found = handover.items.filter(state=data["state"], closed_at=None)
            items = list(found.values_list("pk", flat=True))
        receivers = self.receivers(data["receivers"])
        reassign_items(handover, items, receivers, actor=self.actor, now=self.now)
        return self.row(pk)


class Finish(HandoverVerb):
    """Finish a handover."""

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Close a handover: what nobody accepted rests in the pool."""
        finish(handover_for(self.viewer, pk), actor=self.actor, now=self.now)
        return self.row(pk)


class Undo(HandoverVerb):
    """An undo."""

    @property
    def verb_shape(self) -> type[UndoingShape]:
        """Show what the undo does."""
        return UndoingShape

    class Input(StrictInput):
        """Which items; all of them if none are named."""

        example: ClassVar = {"items": [41, 42]}

        items = IdsField(required=False, min_length=1)

    def act(self, data: dict[str, Any], pk: int) -> Undoing:
        """Give customers of a handover back.

        Before customers were asked everything can be undone. Those who were taken over within the
        last seven days go back to the giver if at work, through WeCom where WeCom moved them, else
        to the pool. Whoever has changed hands since, or is being asked, stays: `undo_note` of the
        item says why.
        """
        handover = handover_for(self.viewer, pk)
        items = None
        if "items" in data:
            items = [item.pk for item in pick(handover.items.all(), data["items"], "items")]
        return undo_handover(handover, actor=self.actor, now=self.now, items=items)


class Refresh(HandoverVerb):
    """Ask the channel."""

    calls_outside = True

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Ask the channel now how the customers of a handover decided."""
        ask_now(handover_for(self.viewer, pk), now=self.now)
        return self.row(pk)
