"""What customers agreed to, channel by channel, and what the company allows itself."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.actions.messaging_rules import (
    MOST_DAYS,
    MOST_MESSAGES,
    MOST_RECIPIENTS,
    change_messaging_rules,
)
from campaigns.channels import LABELS
from campaigns.models import MessagingRules
from campaigns.restraint import company_rules
from contacts.actions.consent import opt_in, opt_out
from contacts.enums import Purpose, Role
from contacts.models import Consent, ConsentEntry, Customer
from crm.access import customer_for, require, require_company
from crm.api.base import Reading, StrictInput, Verb
from crm.api.shapes.consents import ConsentsShape, MessagingRulesShape
from crm.api.views.customers import CustomerPage

MOST_ENTRIES = 200


class Consents(Reading):
    """Read what a customer agreed to and refused."""

    resource = "customers"
    shape = ConsentsShape

    def row(self, pk: int) -> dict[str, Any]:
        """Return the standing words and the ledger, newest first."""
        customer = customer_for(self.viewer, pk)
        return {
            "standing": Consent.objects.filter(customer=customer).order_by("channel", "purpose"),
            "ledger": ConsentEntry.objects.filter(customer=customer).order_by("-at", "-pk")[
                :MOST_ENTRIES
            ],
        }


class Word(StrictInput):
    """About which channel and purpose, and where the customer said so; empty means all."""

    channel = serializers.ChoiceField(choices=[*LABELS], default="", allow_blank=True)
    purpose = serializers.ChoiceField(choices=Purpose.choices, default="", allow_blank=True)
    source = serializers.CharField(  # type: ignore[assignment]  # a field of the request
        max_length=40, default="api"
    )
    evidence = serializers.CharField(max_length=2000, default="", allow_blank=True)


class OptOut(CustomerPage, Verb):
    """Opt a customer out."""

    http_method_names = ["post"]

    class Input(Word):
        """About what, and where the customer said so."""

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Send this customer no more of this from now on; without channel and purpose, nothing."""
        require(self.viewer, Role.GUIDE, Role.MANAGER, Role.MARKETER)
        customer = customer_for(self.viewer, pk)
        opt_out(customer, **data, now=self.now, actor=self.actor)
        return self.row(pk)


class OptIn(CustomerPage, Verb):
    """Note that a customer agreed to messages."""

    http_method_names = ["post"]

    class Input(Word):
        """About what, and where the customer said so."""

    def act(self, data: dict[str, Any], pk: int) -> Customer:
        """Let this customer get this again; what they refused beside it stays refused."""
        require(self.viewer, Role.GUIDE, Role.MANAGER, Role.MARKETER)
        customer = customer_for(self.viewer, pk)
        opt_in(customer, **data, now=self.now, actor=self.actor)
        return self.row(pk)


class CapInput(StrictInput):
    """At most so many messages in so many days."""

    messages = serializers.IntegerField(min_value=1, max_value=MOST_MESSAGES)
    days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS)


class RulesInput(StrictInput):
    """The rules to change; what is left out stays as it is."""

    cap_messages = serializers.IntegerField(
        min_value=1, max_value=MOST_MESSAGES, required=False, allow_null=True
    )
    cap_days = serializers.IntegerField(min_value=1, max_value=MOST_DAYS, required=False)
    channel_caps = serializers.DictField(child=CapInput(), required=False)
    quiet_from = serializers.TimeField(required=False, allow_null=True)
    quiet_to = serializers.TimeField(required=False, allow_null=True)
    consent_required = serializers.ListField(
        child=serializers.CharField(max_length=40),
        max_length=50,
        required=False,
        help_text="As `email:campaign`: channel and purpose.",
    )
    skip_over_quota = serializers.BooleanField(required=False)
    approval_above = serializers.IntegerField(
        min_value=0,
        max_value=MOST_RECIPIENTS,
        required=False,
        allow_null=True,
        help_text="Campaigns to more recipients wait for somebody's approval; 0: all, null: none.",
    )


class Rules(Reading):
    """Read what the company allows itself in messages."""

    resource = "campaigns"
    shape = MessagingRulesShape

    Change = RulesInput
    Input = RulesInput

    def row(self) -> MessagingRules:
        """Return the rules."""
        require(self.viewer, Role.MARKETER, Role.MANAGER)
        return company_rules()

    def put(self, request: Request) -> Response:
        """Change what the company allows itself, for campaigns under way as well."""
        require_company(self.viewer)
        checked = RulesInput(data=request.data)
        checked.is_valid(raise_exception=True)
        values: dict[str, Any] = checked.validated_data
        rules = change_messaging_rules(values, actor=self.actor, now=self.now)
        return Response(self.show(rules))
