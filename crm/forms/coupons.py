"""Giving a customer a coupon by hand."""

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from crm.models.orders import CURRENCY

AMOUNT, PERCENT = "amount", "percent"
LONGEST_DAYS = 5 * 365


class CouponForm(forms.Form):
    """What is promised, what it is worth, and until which day; the code is made."""

    title = forms.CharField(
        label=gettext_lazy("What the coupon is for"),
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": gettext_lazy("A birthday treat, sorry …")}),
    )
    worth = forms.ChoiceField(
        label=gettext_lazy("What it is worth"),
        choices=[
            (AMOUNT, gettext_lazy("an amount")),
            (PERCENT, gettext_lazy("a share in percent")),
        ],
        initial=AMOUNT,
        widget=forms.RadioSelect,
    )
    value = forms.DecimalField(
        label=gettext_lazy("Amount, or percent off"),
        max_digits=12,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    last_day = forms.DateField(
        label=gettext_lazy("Last day"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def clean_last_day(self) -> Any:
        """A day that has not passed, and within what a coupon may last."""
        day, today = self.cleaned_data["last_day"], timezone.localdate()
        if day < today:
            raise forms.ValidationError(_("That day has passed. Choose today or a later day."))
        if day > today + timedelta(days=LONGEST_DAYS):
            raise forms.ValidationError(_("Choose a day within the next five years."))
        return day

    def clean(self) -> dict[str, Any]:
        """An amount above nothing, or whole percent up to 100."""
        cleaned = super().clean() or {}
        value: Decimal | None = cleaned.get("value")
        if value is None:
            return cleaned
        if cleaned.get("worth") == PERCENT:
            if not 1 <= value <= 100 or value != int(value):
                self.add_error("value", _("Give whole percent from 1 to 100."))
        elif value <= 0:
            self.add_error("value", _("Give an amount greater than 0."))
        return cleaned

    def promised(self) -> dict[str, Any]:
        """Return what the form says, as the action takes it: until the end of the last day."""
        data = self.cleaned_data
        after = data["last_day"] + timedelta(days=1)
        midnight = timezone.make_aware(datetime.combine(after, time.min))
        is_share = data["worth"] == PERCENT
        return {
            "title": data["title"],
            "amount": None if is_share else data["value"],
            "currency": "" if is_share else CURRENCY,
            "percent": int(data["value"]) if is_share else None,
            "expires_at": midnight - timedelta(seconds=1),
        }
