"""When a campaign shall go out."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.actions.campaigns import LATEST_START
from campaigns.calendar import WallTime
from crm.forms.clocks import WallClockField, ZoneField


class ScheduleForm(forms.Form):
    """Now, or when a clock in some time zone shows a time."""

    when = forms.ChoiceField(
        label=_("Send"),
        choices=[("now", _("now")), ("later", _("at a set time"))],
        initial="now",
        widget=forms.RadioSelect,
    )
    send_at = WallClockField(label=_("Date and time"), required=False)
    zone = ZoneField()

    def __init__(self, now: datetime, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.wall: WallTime | None = None

    def clean(self) -> dict[str, Any]:
        """Settle ``send_at``: this moment for *now*, else what the clock ``wall`` means."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("when") == "now":
            self.errors.pop("send_at", None)
            self.errors.pop("zone", None)
            cleaned["send_at"] = self.now
        elif not self.errors:
            if not cleaned.get("send_at"):
                self.add_error("send_at", gettext("Say when."))
                return cleaned
            self.wall = WallTime(cleaned["send_at"], cleaned["zone"])
            cleaned["send_at"] = self.wall.moment
            if cleaned["send_at"] <= self.now:
                self.add_error(
                    "send_at", gettext("This time has passed. Choose a later one, or send now.")
                )
            elif cleaned["send_at"] > self.now + LATEST_START:
                self.add_error("send_at", gettext("Choose a time within the next year."))
        return cleaned

    @property
    def moved_to(self) -> str:
        """Say what the clock shows instead, if it never shows this time; empty if it does."""
        moved = self.wall.moved_to if self.wall else None
        if moved is None:
            return ""
        return gettext(
            "Clocks are put forward then: %(zone)s never shows this time. It goes out at %(at)s."
        ) % {"zone": self.cleaned_data["zone"], "at": f"{moved:%H:%M}"}
