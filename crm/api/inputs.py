"""Fields of requests that several verbs share."""

import re
from datetime import date, datetime
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from django.core.exceptions import ValidationError as DjangoError
from django.core.validators import validate_email
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from contacts.actions.customers import Address
from contacts.enums import IdentityKind
from crm.api.base import StrictInput

YEARS = range(1900, 2200)
_CRM = re.compile(r"crm:(?P<system>[\w-]{1,40}):(?P<value>.+)", re.DOTALL)


class MomentField(serializers.DateTimeField):
    """A time within two sane centuries; at the edges of the calendar time zones do not exist."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time; raises ``ValidationError``."""
        moment = super().to_internal_value(value)
        if moment.year not in YEARS:
            raise ValidationError(_("This time is out of range."))
        return moment


class BirthdayField(serializers.DateField):
    """A day that has been, in the last centuries."""

    def to_internal_value(self, value: Any) -> date:
        """Return the day; raises ``ValidationError``."""
        day = super().to_internal_value(value)
        if day.year not in YEARS or day > timezone.localdate():
            raise ValidationError(_("This day is out of range."))
        return day


class AttributesField(serializers.DictField):
    """Names with a text, a number, yes or no, or nothing; the action checks them."""

    child = serializers.JSONField(allow_null=True)


class TimeZoneField(serializers.CharField):
    """An IANA name, as Europe/Paris; empty for the company's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the name; raises ``ValidationError``."""
        name: str = super().to_internal_value(data)
        if name and name not in available_timezones():
            raise ValidationError(_("There is no time zone of this name."))
        return name


class IdentityInput(StrictInput):
    """``{"kind": "phone", "value": "+8613812345678"}``; of ``crm`` also the ``system``."""

    kind = serializers.ChoiceField(choices=IdentityKind.choices)
    system = serializers.RegexField(r"^[\w-]*$", max_length=40, required=False, allow_blank=True)
    value = serializers.CharField(max_length=255)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Bring the value into the one form in which it is stored."""
        kind, system = IdentityKind(attrs["kind"]), attrs.get("system", "")
        if (kind == IdentityKind.CRM) != bool(system):
            raise ValidationError(
                {"system": [_("Name the system for the kind crm, and for no other.")]}
            )
        return {"address": Address(kind, _normalised(kind, attrs["value"]), system)}


def address_from(text: str) -> Address:
    """Read an address as a query writes it: ``phone:+86…``, ``crm:<system>:<id>``.

    Raises ``ValidationError``. An unescaped + arrives as a blank; that is forgiven for phones.
    """
    if crm := _CRM.fullmatch(text):
        return Address(IdentityKind.CRM, crm["value"], crm["system"])
    for kind in IdentityKind:
        value = text.removeprefix(f"{kind.value}:")
        if kind != IdentityKind.CRM and value != text and value:
            plus = kind == IdentityKind.PHONE and value.startswith(" ")
            return Address(kind, _normalised(kind, f"+{value[1:]}" if plus else value))
    raise ValidationError(
        {"identity": [_("Write an identity as kind:value, like phone:+8613812345678.")]}
    )


def _normalised(kind: IdentityKind, value: str) -> str:
    if kind == IdentityKind.PHONE:
        return _phone(value)
    if kind == IdentityKind.EMAIL:
        return _email(value)
    return value


def _phone(value: str) -> str:
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValidationError(
            {"value": [_("Write a phone number with its country: +8613812345678.")]}
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _email(value: str) -> str:
    try:
        validate_email(value)
    except DjangoError as error:
        raise ValidationError({"value": [_("This is not an e-mail address.")]}) from error
    return value.lower()
