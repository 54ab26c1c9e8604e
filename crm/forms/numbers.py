"""Whole numbers that people type."""

from typing import Any

from django import forms
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.validators import BaseValidator
from django.utils.functional import lazy
from django.utils.translation import gettext


class WholeNumber(forms.IntegerField):
    """A whole number between two others; whatever else is typed is answered with these two."""

    def __init__(self, *, min_value: int, max_value: int, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)
        words = _said(min_value, max_value)
        self.error_messages["invalid"] = words
        for validator in self.validators:
            if isinstance(validator, BaseValidator):
                validator.message = words


def _say(least: int, most: int) -> str:
    words = gettext("Give a whole number from %(least)s to %(most)s.")
    return words % {"least": intcomma(least), "most": intcomma(most)}


_said = lazy(_say, str)
