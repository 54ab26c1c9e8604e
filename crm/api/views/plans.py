"""The plan of a handover: preview, steps, moves by hand, saved plans, and the start."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from contacts.actions.chat_plans import chat_shares
from contacts.actions.plans import keep_words, leave_out, move_customers, save_plan
from contacts.actions.sharing import Order, Strategy
from contacts.enums import HandoverState
from contacts.errors import RuleBroken
from contacts.models import Handover, HandoverItem, HandoverPlan
from contacts.plan_steps import MOST, MOST_RECEIVERS
from crm.access import handover_for, staff_of
from crm.actions.plans import plan_by_steps, plan_token, start_plan, take_saved
from crm.api.base import ApiView, IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.shapes.plans import PlanPreviewShape, SavedPlanShape
from crm.api.views.handovers import HandoverVerb
from crm.plan_lists import CASES, POOL, PlanFilter, items_in
from crm.plan_queries import plan_figures, plan_preview, sample_words

WORDS = ("greeting", "max_offers")


class Preview(Reading):
    """Read what a plan would do."""

    resource = "handovers"
    shape = PlanPreviewShape

    def row(self, pk: int) -> dict[str, Any]:
        """Return the shares, what speaks against them, the words, and the token for the start."""
        return _preview(self, pk)


class StepInput(StrictInput):
    """One step: whom it takes, and who gets them."""

    who = serializers.JSONField(
        default=lambda: {"field": "everybody"},
        help_text="A condition: field, op and value. Without it everybody.",
    )
    receivers = IdsField(min_length=1, max_length=MOST_RECEIVERS)
    strategy = serializers.ChoiceField(choices=Strategy.choices, default=Strategy.EVENLY)
    order = serializers.ChoiceField(choices=Order.choices, default=Order.RECENT)
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST, default=None, allow_null=True, help_text="At most so many."
    )


class PlanVerb(Reading, Verb):
    """Something that changes a plan; the answer is the new preview."""

    http_method_names = ["post"]
    resource = "handovers"
    shape = PlanPreviewShape

    def row(self, pk: int) -> Any:
        """Return the preview."""
        return _preview(self, pk)


class Plan(PlanVerb):
    """Change the steps of a plan."""

    class Input(StrictInput):
        """The steps in order, or a saved plan to take up again."""

        example: ClassVar = {
            "steps": [
                {"who": {"field": "tag", "op": "any", "value": [3]}, "receivers": [6]},
                {"receivers": [6, 7], "strategy": "capacity", "order": "value"},
            ]
        }

        steps = StepInput(many=True, required=False)
        saved = IdField(required=False)
        keep_moves = serializers.BooleanField(
            default=True, help_text="Leave customers moved by hand where they are."
        )
        customer_message = serializers.CharField(max_length=200, required=False, allow_blank=True)

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Either steps or a saved plan."""
            if ("steps" in attrs) == ("saved" in attrs):
                raise ValidationError(_("Give either steps or saved."))
            return attrs

    def act(self, data: dict[str, Any], pk: int) -> Any:
        """Let steps say who gets whom; what no step gives stays where it is.

        May be repeated until the handover starts; the last steps hold.
        """
        handover = handover_for(self.viewer, pk)
        if "saved" in data:
            saved = pick(handover.plans.all(), [data["saved"]], "saved")[0]
            take_saved(saved, actor=self.actor, now=self.now)
        else:
            steps = [dict(step) for step in data["steps"]]
            pick(staff_of(self.viewer), [pk for step in steps for pk in step["receivers"]], "steps")
            plan_by_steps(
                handover,
                steps,
                keep_moves=data["keep_moves"],
                actor=self.actor,
                now=self.now,
            )
        if "customer_message" in data:
            keep_words(handover, customer_message=data["customer_message"])
        return self.row(pk)


class LeaveOut(PlanVerb):
    """Leave customers out of the plan of a colleague who keeps working."""

    class Input(StrictInput):
        """Which customers, by item or all that match."""

        example: ClassVar[dict[str, Any]] = {"match": {"to": "pool"}, "but": [811]}

        items = IdsField(required=False, min_length=1, help_text="Ids of items.")
        match = serializers.JSONField(
            required=False,
            help_text=f"All who match: to (an id or {POOL!r}), q, tag, case ({', '.join(CASES)}).",
        )
        but = IdsField(required=False, help_text="Ids of items that match and are left out.")

        def validate_match(self, value: Any) -> PlanFilter:
            """A filter; what it does not know is an error, never everybody."""
            if not isinstance(value, dict):
                raise ValidationError(_("A match has to, q, tag and case."))
            try:
                return PlanFilter.check(value)
            except RuleBroken as error:
                raise ValidationError(str(error)) from error

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Either the items, or all that match."""
            if ("items" in attrs) == ("match" in attrs):
                raise ValidationError(_("Give either items or match."))
            return attrs

    def act(self, data: dict[str, Any], pk: int) -> Any:
        """Let customers stay where they are, as if they had never been planned."""
        handover = handover_for(self.viewer, pk)
        leave_out(handover, self.chosen(handover, data), actor=self.actor, now=self.now)
        return self.row(pk)

    def chosen(self, handover: Handover, data: dict[str, Any]) -> QuerySet[HandoverItem]:
        """Return the items that the input describes."""
        if "items" in data:
            pick(handover.items.all(), data["items"], "items")
            return handover.items.filter(pk__in=data["items"])
        found = items_in(handover, data["match"], now=self.now)
        return found.exclude(pk__in=data.get("but", []))


class Move(LeaveOut):
    """Move customers of a plan by hand."""

    class Input(LeaveOut.Input):
        """Which customers, by item or all that match, and to whom; null is nobody."""

        example: ClassVar = {"match": {"to": "6", "case": "known"}, "but": [811], "to": 7}

        to = IdField(allow_null=True)

    def act(self, data: dict[str, Any], pk: int) -> Any:
        """Give customers of a plan to somebody else; the steps leave them there from now on."""
        handover = handover_for(self.viewer, pk)
        receiver = pick(staff_of(self.viewer), [data["to"]], "to")[0] if data["to"] else None
        items = self.chosen(handover, data)
        move_customers(handover, items, receiver, actor=self.actor, now=self.now)
        return self.row(pk)


class Plans(Listing, Verb):
    """List the plans that were kept."""

    resource = "handovers"
    shape = SavedPlanShape
    success = 201

    class Input(StrictInput):
        """Under which name."""

        example: ClassVar = {"name": "Evenly over the store"}

        name = serializers.CharField(max_length=80)

    def rows(self) -> QuerySet[HandoverPlan]:
        """Return the saved plans of this handover."""
        handover = handover_for(self.viewer, self.kwargs["pk"])
        return HandoverPlan.objects.filter(handover=handover).select_related("created_by")

    def act(self, data: dict[str, Any], pk: int) -> HandoverPlan:
        """Keep the plan as it stands under a name, with its figures."""
        handover = handover_for(self.viewer, pk)
        figures = plan_figures(plan_preview(handover, self.viewer, now=self.now))
        return save_plan(handover, data["name"], figures=figures, actor=self.actor, now=self.now)


class Start(HandoverVerb):
    """Start a handover."""

    class Input(StrictInput):
        """The token of a preview, and what is said to customers and receivers."""

        example: ClassVar = {
            "token": "eyJoYW5kb3ZlciI6N…",
            "customer_message": "From today {guide} is there for you.",
            "max_offers": 3,
        }

        token = serializers.CharField(default="", allow_blank=True, max_length=500)
        customer_message = serializers.CharField(max_length=200, required=False, allow_blank=True)
        greeting = serializers.CharField(max_length=400, required=False, allow_blank=True)
        max_offers = serializers.IntegerField(
            min_value=1, max_value=10, required=False, help_text="Colleagues asked in all."
        )

    def act(self, data: dict[str, Any], pk: int) -> Handover:
        """Start a handover exactly as its preview has promised.

        The receivers answer for their customers from now on. If things have changed since the
        preview, the answer is 409 with a fresh preview and its token.
        """
        handover = handover_for(self.viewer, pk)
        start_plan(
            handover,
            data["token"],
            actor=self.actor,
            now=self.now,
            customer_message=data.get("customer_message", handover.customer_message),
            words={name: data[name] for name in WORDS if name in data},
        )
        return self.row(pk)

    def fresh(self) -> Any:
        """Return the plan as it stands now, or the handover once somebody else has started it."""
        handover = handover_for(self.viewer, self.kwargs["pk"])
        if handover.state != HandoverState.PLANNED:
            return super().fresh()
        return PlanPreviewShape(_preview(self, handover.pk), context={"viewer": self.viewer}).data


def _preview(view: ApiView, pk: int) -> dict[str, Any]:
    handover = handover_for(view.viewer, pk)
    token = plan_token(handover)  # first, so that what changes while we count makes it stale
    preview = plan_preview(handover, view.viewer, now=view.now)
    return {
        "handover": handover.pk,
        "steps": handover.steps,
        "shares": preview.shares,
        "chats": chat_shares(handover, now=view.now),
        "conflicts": preview.conflicts,
        "words": sample_words(handover, handover.customer_message),
        "token": token,
    }
