"""Shapes of what customers agreed to, and of what the company allows itself."""

from rest_framework import serializers

from campaigns.models import MessagingRules
from contacts.models import Consent, ConsentEntry, Customer


class StandingShape(serializers.ModelSerializer[Consent]):
    """A customer's last word on a channel and a purpose; empty means all of them."""

    class Meta:
        model = Consent
        fields = ("channel", "purpose", "granted", "at")
        read_only_fields = fields


class ConsentEntryShape(serializers.ModelSerializer[ConsentEntry]):
    """One thing that a customer said about messages."""

    class Meta:
        model = ConsentEntry
        fields = ("id", "channel", "purpose", "granted", "source", "evidence", "at")
        read_only_fields = fields


class ConsentsShape(serializers.Serializer[Customer]):
    """What holds, the latest word that covers a message deciding, and the last 200 entries."""

    standing = StandingShape(many=True, read_only=True)
    ledger = ConsentEntryShape(many=True, read_only=True)


class MessagingRulesShape(serializers.ModelSerializer[MessagingRules]):
    """How often, when and with whose consent the company writes."""

    channel_caps = serializers.DictField(read_only=True)
    consent_required = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = MessagingRules
        fields = (
            "cap_messages", "cap_days", "channel_caps", "quiet_from", "quiet_to",
            "consent_required", "skip_over_quota", "approval_above",
        )  # fmt: skip
        read_only_fields = fields
