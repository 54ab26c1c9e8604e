"""Notices and warnings, as the outside sees them."""

from typing import Any

from rest_framework import serializers

from contacts.models import Notice
from contacts.notice_words import sentence
from crm.api.shapes.people import CustomerRef, StaffRef


class NoticeShape(serializers.ModelSerializer[Notice]):
    """One thing that you should know, as a sentence and as what it is about."""

    customer = CustomerRef(read_only=True, allow_null=True)
    about = StaffRef(read_only=True, allow_null=True)
    text = serializers.SerializerMethodField()

    class Meta:
        model = Notice
        fields = ("id", "kind", "text", "customer", "handover", "about", "created_at", "read_at")
        read_only_fields = fields

    def get_text(self, notice: Notice) -> str:
        """Return the sentence."""
        return sentence(notice)


class ReadShape(serializers.Serializer[Any]):
    """How many notices were new."""

    read = serializers.IntegerField()


class QuietShape(serializers.Serializer[Any]):
    """Customers of one owner in one store; without an owner they are in its pool."""

    owner = serializers.IntegerField(allow_null=True)
    store = serializers.IntegerField()
    customers = serializers.IntegerField()
    never = serializers.IntegerField(help_text="Of these, never contacted at all.")


class UnusualShape(serializers.Serializer[Any]):
    """What one colleague did in the last seven days, beside what is usual for all."""

    staff = StaffRef()
    what = serializers.ChoiceField(choices=["removals", "exports"])
    number = serializers.IntegerField()
    usual = serializers.IntegerField()


class WarningsShape(serializers.Serializer[Any]):
    """What may cost you customers soon."""

    days = serializers.IntegerField(help_text="Not contacted for so many.")
    quiet = QuietShape(many=True)
    unusual = UnusualShape(many=True)
