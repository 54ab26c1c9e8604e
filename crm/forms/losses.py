"""Losses: the filters above the list, and what people may say of one."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from contacts.enums import LossKind, LossReason, LossState, StaffState
from contacts.models import Loss, Staff
from crm.access import Viewer, staff_of
from crm.paging import whole_number

USUAL_DAYS = 30
MOST_DAYS = 3660
OWNERS_OFFERED = 300


@dataclass(frozen=True, slots=True)
class LossFilter:
    """Which losses are looked at: those of a period, both days included; the usual is a month."""

    since: date
    until: date
    store: int | None = None
    staff: int | None = None
    kind: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: QueryDict, *, now: datetime) -> "LossFilter":
        """Read the filter from an address. Values that make no sense count as not given."""
        until = _day(query.get("until")) or timezone.localdate(now)
        since = _day(query.get("since")) or until - timedelta(days=USUAL_DAYS - 1)
        kind, state = query.get("kind", ""), query.get("state", "")
        return cls(
            since=max(min(since, until), until - timedelta(days=MOST_DAYS)),
            until=until,
            store=whole_number(query.get("store")),
            staff=whole_number(query.get("staff")),
            kind=kind if kind in LossKind.values else "",
            state=state if state in LossState.values else "",
        )

    @classmethod
    def of_days(cls, days: int, *, now: datetime) -> "LossFilter":
        """All losses of the last days, with today."""
        until = timezone.localdate(now)
        return cls(since=until - timedelta(days=days - 1), until=until)

    @property
    def begins(self) -> datetime:
        """The first moment of the period."""
        return timezone.make_aware(datetime.combine(self.since, time()))

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return timezone.make_aware(datetime.combine(self.until + timedelta(days=1), time()))

    def apply(self, losses: QuerySet[Loss]) -> QuerySet[Loss]:
        """Narrow the losses down; without a state, to those that count."""
        found = losses.filter(at__gte=self.begins, at__lt=self.ends)
        found = found.filter(state=self.state) if self.state else found.filter(is_last=True)
        wanted = {"store": self.store, "staff": self.staff, "kind": self.kind}
        return found.filter(**{name: value for name, value in wanted.items() if value})

    def address(self, **more: object) -> str:
        """The filter as the query of an address, with ``more`` behind it."""
        values = {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "store": self.store,
            "staff": self.staff,
            "kind": self.kind,
            "state": self.state,
        }
        return "?" + urlencode({name: value for name, value in (values | more).items() if value})


def _day(text: str | None) -> date | None:
    try:
        day = parse_date(text or "")
    except ValueError:
        return None
    return day if day and 2000 <= day.year < 2200 else None


class ReasonForm(forms.Form):
    """Why the customer left."""

    reason = forms.ChoiceField(label=_("Reason"), choices=LossReason.choices, required=False)
    note = forms.CharField(
        label=_("In a few words"),
        required=False,
        max_length=400,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class WinBackForm(forms.Form):
    """Who is to win the customer back; only people in the viewer's scope can be chosen."""

    staff = forms.ModelChoiceField(
        label=_("Colleague"),
        queryset=Staff.objects.none(),
        empty_label=_("Choose a colleague"),
        error_messages={"invalid_choice": _("This colleague is not at work. Choose another.")},
    )

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        at_work = staff_of(viewer).filter(state=StaffState.ACTIVE).order_by("name_key", "pk")
        self.fields["staff"].queryset = at_work  # type: ignore[attr-defined]  # a model choice field
