"""What a marketer types to make a series of campaigns."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.actions.series import base_of, change_series, create_series
from campaigns.calendar import LAST_DAY, LONGEST_MONTH, MOST_DAYS, MOST_EVERY
from campaigns.enums import SeriesKind
from campaigns.models import Series
from campaigns.models.experiments import MOST_CONTROL
from campaigns.models.series import LONGEST_SENDING
from contacts.enums import Purpose
from crm.access import Viewer
from crm.forms.campaigns import CampaignForm, content_for, segment_for
from crm.forms.clocks import DayField, ZoneField
from crm.forms.numbers import WholeNumber
from crm.forms.ticking import grouped
from crm.forms.typed import typed_segment

FREQUENCIES = [
    ("daily", _("daily")),
    ("weekly", _("weekly")),
    ("monthly", _("monthly")),
]
MOST_DAYS_BEFORE = 60
USUAL_PAUSE = 30
OPTIONS = (
    "skip_if_in_another",
    "track_clicks",
    "track_opens",
    "conversion_days",
    "send_for_hours",
    "control_share",
)
"""What each run passes on to its campaign."""

ASKED = {
    SeriesKind.REPEAT: ("freq", "every", "weekdays", "day"),
    SeriesKind.BIRTHDAY: ("days_before",),
    SeriesKind.AFTER_PURCHASE: ("days", "pause_days"),
}
"""What is asked about a series of one kind only."""


class SeriesForm(CampaignForm):
    """The message and the audience of a campaign, and the days on which it goes out.

    Attachments are not asked for: a series keeps those that it has.
    """

    says_nothing = _("Write a text.")

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        error_messages={"required": _("Give the series a name.")},
    )
    kind = forms.ChoiceField(
        label=_("When it goes out"),
        choices=SeriesKind.choices,
        initial=SeriesKind.REPEAT,
        widget=forms.RadioSelect,
    )
    freq = forms.ChoiceField(
        label=_("Repeated"), choices=FREQUENCIES, initial="weekly", required=False
    )
    every = WholeNumber(
        label=_("Only every … time"),
        min_value=1,
        max_value=MOST_EVERY,
        initial=1,
        required=False,
        help_text=_("2 is every other day, week or month."),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("On these days of the week"),
        coerce=int,
        choices=list(WEEKDAYS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    day = forms.TypedChoiceField(
        label=_("On this day of the month"),
        coerce=int,
        choices=[
            *((day, str(day)) for day in range(1, LONGEST_MONTH + 1)),
            (LAST_DAY, _("the last day")),
        ],
        initial=1,
        required=False,
        help_text=_("In a shorter month its last day."),
    )
    days_before = WholeNumber(
        label=_("Days before the birthday"),
        min_value=0,
        max_value=MOST_DAYS_BEFORE,
        initial=0,
        required=False,
    )
    days = WholeNumber(
        label=_("Days after the purchase"),
        min_value=1,
        max_value=MOST_DAYS,
        initial=7,
        required=False,
    )
    pause_days = WholeNumber(
        label=_("Not again to the same customer within … days"),
        min_value=0,
        max_value=MOST_DAYS,
        initial=USUAL_PAUSE,
        required=False,
    )
    at_time = forms.TimeField(
        label=_("At"),
        initial="10:00",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
    )
    zone = ZoneField()
    starts_on = DayField(label=pgettext_lazy("date", "From"))
    until = DayField(label=_("Last day"), required=False)
    send_for_hours = WholeNumber(
        label=_("Do not send after … hours"),
        min_value=1,
        max_value=LONGEST_SENDING,
        required=False,
        help_text=_("What has not gone out so long after a run began is not sent."),
    )
    control_share = WholeNumber(
        label=_("Control group, per cent"),
        min_value=0,
        max_value=MOST_CONTROL,
        required=False,
        help_text=_("So many of each run get nothing, to see what they do without it."),
    )
    base = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, viewer: Viewer, *args: Any, kept: Series | None = None, **kwargs: Any
    ) -> None:
        super().__init__(viewer, *args, **kwargs)
        self.kept = kept
        del self.fields["send_until"]

    def attachments_said(self) -> list[dict[str, Any]]:
        """Return the attachments that the series has."""
        return self.kept.content.attachments if self.kept else []

    def weekday_groups(self) -> list[Any]:
        """Return the days of the week to tick, in one group."""
        return grouped(self["weekdays"])

    def clean(self) -> dict[str, Any]:
        """Ask for what the kind of series needs, and for an end after the beginning."""
        cleaned = super().clean()
        for error in self.errors.pop("attachments", []):  # the channel is what can be changed here
            self.add_error("channel", error)
        kind = cleaned.get("kind", SeriesKind.REPEAT)
        for other in set(ASKED) - {kind}:
            for name in ASKED[other]:
                self.errors.pop(name, None)
        if kind == SeriesKind.REPEAT and cleaned.get("freq") == "weekly":
            self._need("weekdays", gettext("Tick at least one day."))
        if kind == SeriesKind.AFTER_PURCHASE:
            self._need("days", gettext("Say how many days."))
        first, last = cleaned.get("starts_on"), cleaned.get("until")
        if first and last and last < first:
            self.add_error("until", gettext("A series ends after it begins."))
        return cleaned

    def _need(self, name: str, words: str) -> None:
        if name not in self.errors and not self.cleaned_data.get(name):
            self.add_error(name, words)

    def day_rule(self) -> dict[str, Any]:
        """Return on which days it runs, as ``campaigns.calendar`` reads it."""
        data = self.cleaned_data
        if data["kind"] == SeriesKind.BIRTHDAY:
            return {"days_before": data["days_before"] or 0}
        if data["kind"] == SeriesKind.AFTER_PURCHASE:
            return {"days": data["days"], "pause_days": data["pause_days"] or 0}
        rule: dict[str, Any] = {"freq": data["freq"] or "daily", "every": data["every"] or 1}
        if rule["freq"] == "weekly":
            rule["weekdays"] = sorted(data["weekdays"])
        elif rule["freq"] == "monthly":
            rule["day"] = data["day"] or 1
        return rule

    def keep(self, series: Series | None, *, now: datetime) -> Series:
        """Begin the series, or change it from its next run on. Raises as the actions do."""
        data, actor = self.cleaned_data, self.viewer.staff
        wording = self.wording()
        values = {
            "name": data["name"],
            "content": content_for(series, data["name"], data["text"], now=now),
            "segment": segment_for(series, data["name"], self.rule(), now=now),
            "channel": data["channel"],
            "purpose": data["purpose"] or Purpose.CAMPAIGN,
            "subject": wording.subject.strip(),
            "html": wording.html,
            "kind": data["kind"],
            "rule": self.day_rule(),
            "zone": data["zone"],
            "at_time": data["at_time"],
            "starts_on": data["starts_on"],
            "until": data["until"],
            "skip_if_in_another": data["skip_if_in_another"],
            "track_clicks": data["track_clicks"],
            "track_opens": data["track_opens"],
            "conversion_days": data["conversion_days"],
            "send_for_hours": data["send_for_hours"],
            "control_share": data["control_share"] or 0,
        }
        if series is None:
            return create_series(values, actor=actor, now=now)
        change_series(series, values, actor=actor, now=now, base=data["base"])
        return series


def typed_series(series: Series) -> dict[str, Any]:
    """Return a series as the inputs of its form."""
    own = ("name", "channel", "purpose", "subject", "html", "kind", "zone", "at_time", *OPTIONS)
    typed: dict[str, Any] = {name: getattr(series, name) for name in own}
    typed |= {"starts_on": series.starts_on, "until": series.until, "base": base_of(series)}
    typed["text"] = series.content.text
    for name, values in typed_segment(series.segment).items():
        typed[name] = values if name in {"tags", "stores"} else values[0]
    return typed | dict(series.rule)
