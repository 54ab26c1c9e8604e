"""What a marketer types to make a campaign, and when it shall go out."""

from datetime import datetime
from itertools import groupby
from typing import Any, cast

from django import forms
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns.actions.campaigns import create_campaign
from campaigns.models import Campaign, Content, Segment
from campaigns.segments import MOST_DAYS
from contacts.enums import Gender, Role
from contacts.models import Store, Tag
from crm.access import Viewer, stores_of
from crm.audiences import free_segment_name, narrowed

TEXT_BYTES = 4000
"""What one company message of WeCom takes, in bytes of UTF-8 (docs 92135)."""

SEGMENT_FIELDS = ("tags", "stores", "gender", "not_met_days")


class CampaignForm(forms.Form):
    """A campaign in one sheet: name, words, whom it is for.

    The rule it builds never reaches further than the marketer's own scope.
    """

    name = forms.CharField(label=_("Name"), max_length=120)
    text = forms.CharField(
        label=_("Message"),
        widget=forms.Textarea(attrs={"rows": 6, "data-bytes": TEXT_BYTES}),
        strip=True,
    )
    tags = forms.TypedMultipleChoiceField(
        label=_("Carries any of these tags"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    stores = forms.ModelMultipleChoiceField(
        label=_("Belongs to one of these stores"),
        queryset=Store.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    gender = forms.ChoiceField(
        label=_("Gender"),
        required=False,
        choices=[
            ("", _("any")),
            (Gender.FEMALE, Gender.FEMALE.label),
            (Gender.MALE, Gender.MALE.label),
        ],
    )
    not_met_days = forms.IntegerField(
        label=_("Not contacted for … days"), min_value=1, max_value=MOST_DAYS, required=False
    )
    channel = forms.ChoiceField(label=_("Channel"), choices=[("wecom", _("WeCom company message"))])

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer
        stores = cast("forms.ModelMultipleChoiceField[Store]", self.fields["stores"])
        stores.queryset = stores_of(viewer, Role.MARKETER).order_by("name", "pk")
        cast("forms.ChoiceField", self.fields["tags"]).choices = tag_choices()

    def taggrouped(self) -> list[Any]:
        """Return the tags to tick, group by group, as the widget lays them out."""
        return grouped(self["tags"])

    def storegrouped(self) -> list[Any]:
        """Return the stores to tick, in one group."""
        return grouped(self["stores"])

    def clean_text(self) -> str:
        """Refuse what the channel would refuse, and say by how much it is too long."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        size = len(text.encode())
        if size > TEXT_BYTES:
            raise forms.ValidationError(
                gettext(
                    "The text has %(size)s bytes; WeCom takes %(limit)s. Shorten it by %(over)s."
                )
                % {"size": size, "limit": TEXT_BYTES, "over": size - TEXT_BYTES}
            )
        return text

    def segment_is_sound(self) -> bool:
        """Whether everything that says whom it is for can be used, whatever the rest is like."""
        return not any(self.errors.get(field) for field in SEGMENT_FIELDS)

    def rule(self) -> dict[str, Any]:
        """Return the segment's rule, narrowed to the marketer's scope. Raises ``RuleBroken``."""
        data = self.cleaned_data
        conditions: list[dict[str, Any]] = []
        if data.get("tags"):
            conditions.append({"field": "tag", "op": "any", "value": data["tags"]})
        stores = [store.pk for store in data.get("stores", [])]
        if stores:
            conditions.append({"field": "store", "op": "in", "value": stores})
        if data.get("gender"):
            conditions.append({"field": "gender", "op": "is", "value": data["gender"]})
        if data.get("not_met_days"):
            days = data["not_met_days"]
            conditions.append({"field": "last_interaction", "op": "before_days", "value": days})
        return narrowed({"all": conditions}, self.viewer)

    def create(self, *, now: datetime) -> Campaign:
        """Draft the campaign with its content and segment, all or nothing. Raises ``RuleBroken``."""
        data = self.cleaned_data
        with transaction.atomic():
            content = Content.objects.create(name=data["name"], text=data["text"], created_at=now)
            segment = Segment.objects.create(
                name=free_segment_name(data["name"], now=now), rule=self.rule(), created_at=now
            )
            return create_campaign(
                name=data["name"],
                content=content,
                segment=segment,
                channel=data["channel"],
                actor=self.viewer.staff,
                now=now,
            )


def grouped(field: forms.BoundField) -> list[Any]:
    """Return the boxes of a field to tick, group by group, as the widget lays them out."""
    widget = cast("forms.CheckboxSelectMultiple", field.field.widget)
    ticked = [str(value) for value in field.value() or []]
    groups: list[Any] = widget.optgroups(field.html_name, ticked)
    return groups


def tag_choices() -> list[tuple[str, list[tuple[int, str]]]]:
    tags = Tag.objects.select_related("group").order_by(
        "group__position", "group_id", "position", "pk"
    )
    return [
        (group.name, [(tag.pk, tag.name) for tag in members])
        for group, members in groupby(tags, key=lambda tag: tag.group)
    ]


class ScheduleForm(forms.Form):
    """Now, or at a local time."""

    when = forms.ChoiceField(
        label=_("Send"),
        choices=[("now", _("now")), ("later", _("at a set time"))],
        initial="now",
        widget=forms.RadioSelect,
    )
    send_at = forms.DateTimeField(
        label=_("Date and time"),
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, now: datetime, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        self.fields["send_at"].help_text = gettext("Time in %(zone)s.") % {
            "zone": timezone.get_current_timezone_name()
        }

    def clean(self) -> dict[str, Any]:
        """Settle ``send_at``: this moment for *now*, else what was typed."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("when") == "now":
            self.errors.pop("send_at", None)
            cleaned["send_at"] = self.now
        elif not self.errors.get("send_at"):
            if not cleaned.get("send_at"):
                self.add_error("send_at", gettext("Say when."))
            elif cleaned["send_at"] <= self.now:
                self.add_error(
                    "send_at", gettext("This time has passed. Choose a later one, or send now.")
                )
        return cleaned
