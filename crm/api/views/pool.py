"""The pool: who rests there, claiming, assigning, its rules."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from contacts.actions.giving import transfer_customer
from contacts.actions.pool_rules import save_rule
from contacts.actions.pools import assign_from_pool, claim_customer, preview_assignment
from contacts.actions.sharing import Strategy
from contacts.enums import Assignment, PoolOrder, Role
from contacts.errors import RuleBroken
from contacts.models import Customer, OwnershipPeriod, PoolRule, Store
from contacts.models.pools import EVERY_DAY, MOST_OFFERED
from contacts.pools import company_rule, rule_of
from crm.access import (
    customer_for,
    customer_to_claim,
    customers_of,
    offered_in_pool,
    pool_of,
    require,
    staff_of,
    stores_of,
)
from crm.api.base import IdField, IdsField, Listing, Reading, StrictInput, Verb, pick
from crm.api.filters import IdFilter
from crm.api.shapes.people import CustomerShape
from crm.api.shapes.pool import AssignedShape, PoolRowShape, PoolRuleShape
from crm.api.views.customers import CustomerPage
from crm.api.views.customers import shown as customers_shown
from crm.pool_queries import PoolFilter, shown

MOST_DAYS = 3650
MOST_HOURS = 24 * 365


class PoolFilters(django_filters.FilterSet):
    """How a pool can be narrowed down."""

    store = IdFilter()
    min_value = django_filters.NumberFilter(
        field_name="customer__spent", lookup_expr="gte", max_digits=14
    )
    tag = IdFilter(field_name="customer__carried_tags__tag")


class Pool(Listing):
    """List who rests in the pool.

    A manager sees the pools of their stores. A guide sees whom they may claim now, and nobody
    where guides may not claim.
    """

    resource = "pool"
    shape = PoolRowShape
    filterset_class = PoolFilters

    def rows(self) -> QuerySet[OwnershipPeriod]:
        """Return the rows the person may see."""
        require(self.viewer, Role.GUIDE, Role.MANAGER)
        if self.viewer.has(Role.MANAGER, Role.ADMINISTRATOR):
            return shown(pool_of(self.viewer))
        offered = offered_in_pool(self.viewer, now=self.now).values("pk")
        return shown(OwnershipPeriod.objects.filter(pk__in=offered))


class Claim(Verb):
    """Claim a customer."""

    resource = "customers"
    shape = CustomerShape
    http_method_names = ("post",)

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Answer for a customer of your store's pool from now on.

        409 if somebody else was faster; 400 if the rule of the pool, your capacity or the day's
        limit speaks against it.
        """
        customer = customer_to_claim(self.viewer, pk, now=self.now)
        claim_customer(customer, staff=self.actor, now=self.now)
        return customers_shown(customers_of(self.viewer)).get(pk=pk)


class Transfer(CustomerPage, Verb):
    """Give a customer to a colleague."""

    http_method_names = ("post",)

    class Input(StrictInput):
        """The colleague."""

        example: ClassVar = {"to": 7}

        to = IdField()

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Give one customer to a colleague at once; who is connected in WeCom stays connected.

        Refused while an open handover holds the customer.
        """
        require(self.viewer, Role.MANAGER)
        customer = customer_for(self.viewer, pk, Role.MANAGER)
        receiver = pick(staff_of(self.viewer), [data["to"]], "to")[0]
        transfer_customer(customer, receiver, actor=self.actor, now=self.now)
        # Whoever gave away their own customer of another store sees this answer and no more.
        return customers_shown(Customer.objects.filter(pk=customer.pk)).get()


class Assign(Verb):
    """Assign customers of the pool."""

    resource = "pool"
    shape = AssignedShape

    class Input(StrictInput):
        """Which customers, by id or all who match, to whom, and how they are spread."""

        example: ClassVar = {
            "match": {"store": 2, "days": 7},
            "but": [811],
            "receivers": [6, 7],
            "strategy": "capacity",
            "dry_run": True,
        }

        customers = IdsField(required=False, min_length=1)
        match = serializers.JSONField(
            required=False,
            help_text="All who match: store, days (waiting), value (at least), former, tag, q.",
        )
        but = IdsField(required=False, help_text="Ids of customers who match and are left out.")
        receivers = IdsField(min_length=1)
        strategy = serializers.ChoiceField(
            choices=[Strategy.EVENLY.value, Strategy.CAPACITY.value],
            default=Strategy.EVENLY.value,
        )
        dry_run = serializers.BooleanField(default=False, help_text="Only say who would get whom.")

        def validate_match(self, value: Any) -> PoolFilter:
            """A filter; what it does not know is an error, never everybody."""
            if not isinstance(value, dict):
                raise ValidationError(_("A match is an object."))
            try:
                return PoolFilter.check(value)
            except RuleBroken as error:
                raise ValidationError(str(error)) from error

        def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
            """Either the customers, or all who match."""
            if ("customers" in attrs) == ("match" in attrs):
                raise ValidationError(_("Give either customers or match."))
            return attrs

    def act(self, data: dict[str, Any]) -> dict[str, Any]:
        """Give customers of the pool to colleagues of its store (managers).

        Nobody gets more than they have room for; the rest stays in the pool.
        """
        require(self.viewer, Role.MANAGER)
        pooled = self.chosen(data)
        receivers = pick(staff_of(self.viewer), data["receivers"], "receivers")
        strategy = Strategy(data["strategy"])
        if data["dry_run"]:
            shares = preview_assignment(pooled, receivers, strategy=strategy)
        else:
            shares = assign_from_pool(
                pooled, receivers, strategy=strategy, actor=self.actor, now=self.now
            )
        return {"dry_run": data["dry_run"], "shares": shares}

    def chosen(self, data: dict[str, Any]) -> QuerySet[OwnershipPeriod]:
        """Return who of the pool the input describes."""
        pool = pool_of(self.viewer)
        if "customers" in data:
            pick(customers_of(self.viewer, Role.MANAGER), data["customers"], "customers")
            return pool.filter(customer__in=data["customers"])
        match: PoolFilter = data["match"]
        found = match.apply(pool, now=self.now)
        return found.exclude(customer__in=data.get("but", []))


class RuleInput(StrictInput):
    """What goes for a pool; what is left out stays as it is."""

    claiming = serializers.BooleanField(required=False)
    claims_per_day = serializers.IntegerField(min_value=0, max_value=1000, required=False)
    first = serializers.ChoiceField(choices=PoolOrder.choices, required=False)
    offered = serializers.IntegerField(min_value=1, max_value=MOST_OFFERED, required=False)
    not_back_days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False)
    new_days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False)
    assignment = serializers.ChoiceField(choices=Assignment.choices, required=False)
    assign_after_hours = serializers.IntegerField(min_value=0, max_value=MOST_HOURS, required=False)
    only_in_hours = serializers.BooleanField(required=False)
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=len(EVERY_DAY)),
        max_length=len(EVERY_DAY),
        required=False,
        help_text="Monday is 1.",
    )
    opens_at = serializers.TimeField(required=False)
    closes_at = serializers.TimeField(required=False)
    recycle_after_days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False)
    recycle_per_day = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    warn_days = serializers.IntegerField(min_value=0, max_value=MOST_DAYS, required=False)


class Rule(Reading):
    """Read what goes for the pool of a store; with ``store`` null it is the company's rule."""

    resource = "pool"
    shape = PoolRuleShape

    Change = RuleInput
    Input = RuleInput

    def store(self, pk: int) -> Store:
        """Return the store, for its managers."""
        require(self.viewer, Role.MANAGER)
        found: Store = get_object_or_404(stores_of(self.viewer, Role.MANAGER), pk=pk)
        return found

    def row(self, pk: int) -> PoolRule:
        """Return the rule."""
        return rule_of(self.store(pk))

    def put(self, request: Request, pk: int) -> Response:
        """Set what goes for the pool of a store, from now on by a rule of its own."""
        store = self.store(pk)
        save_rule(store, _checked(request), actor=self.actor, now=self.now)
        return Response(self.show(self.row(pk)))


class CompanyRule(Reading):
    """Read what goes for the pools of all stores without a rule of their own."""

    resource = "pool"
    shape = PoolRuleShape

    Change = RuleInput
    Input = RuleInput

    def row(self) -> PoolRule:
        """Return the rule, for who manages the whole company."""
        require(self.viewer, Role.MANAGER)
        if self.viewer.stores_for(Role.MANAGER) is not None:
            raise Http404
        return company_rule()

    def put(self, request: Request) -> Response:
        """Set what goes for the pools of all stores without a rule of their own."""
        self.row()
        save_rule(None, _checked(request), actor=self.actor, now=self.now)
        return Response(self.show(self.row()))


def _checked(request: Request) -> dict[str, Any]:
    checked = RuleInput(data=request.data)
    checked.is_valid(raise_exception=True)
    values: dict[str, Any] = checked.validated_data
    return values
