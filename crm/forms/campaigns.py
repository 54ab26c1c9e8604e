"""What a marketer types to make a campaign."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from campaigns.actions.campaigns import create_campaign
from campaigns.actions.changes import change_campaign
from campaigns.actions.rewriting import rewrite_campaign
from campaigns.actions.wordings import Wording
from campaigns.attachments import check_for_channel
from campaigns.channels import LABELS, abilities_of, available_channels
from campaigns.models import Campaign, Content, Segment, Series
from campaigns.models.campaigns import MOST_CONVERSION_DAYS, USUAL_CONVERSION_DAYS
from campaigns.segments import MOST_DAYS
from contacts.enums import Gender, Purpose, Role
from contacts.errors import RuleBroken
from contacts.models import Store
from crm.access import Viewer, campaigns_of, segments_of, stores_of
from crm.audiences import free_segment_name, narrowed
from crm.forms.attachments import INPUTS, attachments_typed, lists_in
from crm.forms.clocks import LOCAL_TIME
from crm.forms.experiments import TRIAL_FIELDS
from crm.forms.numbers import WholeNumber
from crm.forms.ticking import TargetedForm, tag_choices
from crm.forms.words import cannot_fill, over_limit
from crm.paging import whole_number

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as StrPromise

SEGMENTS_OFFERED = 200


@dataclass(frozen=True, slots=True)
class EditorStep:
    """One page of the campaign editor, with the inputs on it."""

    name: str
    label: "StrPromise"
    icon: str
    fields: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    """Inputs that are no fields of the form: lists that one of them is read from."""


EDITOR_STEPS = (
    EditorStep(
        "message",
        _("Message"),
        "message",
        ("name", "channel", "subject", "text", "html", "attachments"),
        tuple(INPUTS),
    ),
    EditorStep(
        "audience", _("Audience"), "users", ("saved", "tags", "stores", "gender", "not_met_days")
    ),
    EditorStep(
        "options",
        _("Options"),
        "settings",
        (
            "purpose",
            "skip_if_in_another",
            "send_until",
            "track_clicks",
            "track_opens",
            "conversion_days",
        ),
    ),
    EditorStep("test", pgettext_lazy("step", "Test"), "trophy", TRIAL_FIELDS),
    EditorStep("when", pgettext_lazy("step", "When"), "calendar-time", ("when", "send_at", "zone")),
    EditorStep("check", _("Check"), "checks"),
)
SEGMENT_FIELDS = EDITOR_STEPS[1].fields
TRACKING = ("track_clicks", "track_opens", "conversion_days")
COUNTED_FIELDS = (*SEGMENT_FIELDS, "channel", "purpose", "skip_if_in_another")
"""What the number of recipients depends on."""


class CampaignForm(TargetedForm):
    """Everything that the campaign editor asks, over all its steps.

    The rule it builds never reaches further than the marketer's own scope.
    """

    says_nothing = _("Write a text, or add an attachment.")

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        error_messages={"required": _("Give the campaign a name.")},
    )
    text = forms.CharField(
        label=_("Message"),
        widget=forms.Textarea(attrs={"rows": 8}),
        strip=True,
        required=False,
    )
    attachments = forms.Field(label=_("Attachments"), required=False)
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
    not_met_days = WholeNumber(
        label=_("Not contacted for … days"), min_value=1, max_value=MOST_DAYS, required=False
    )
    channel = forms.ChoiceField(label=_("Channel"))
    subject = forms.CharField(label=_("Subject"), max_length=200, required=False)
    html = forms.CharField(
        label=_("HTML version"), required=False, widget=forms.Textarea(attrs={"rows": 6})
    )
    saved = forms.ChoiceField(label=_("Saved segment"), required=False)
    purpose = forms.ChoiceField(
        label=_("Purpose"), choices=Purpose.choices, initial=Purpose.CAMPAIGN, required=False
    )
    skip_if_in_another = forms.BooleanField(
        label=_("Leave out who is in another campaign under way"), required=False
    )
    track_clicks = forms.BooleanField(
        label=_("Count who follows links"), required=False, initial=True
    )
    track_opens = forms.BooleanField(
        label=_("Count who opens e-mails"), required=False, initial=True
    )
    conversion_days = WholeNumber(
        label=_("Count orders within … days"),
        min_value=0,
        max_value=MOST_CONVERSION_DAYS,
        initial=USUAL_CONVERSION_DAYS,
        required=False,
    )
    send_until = forms.DateTimeField(
        label=_("Do not send after"),
        required=False,
        input_formats=LOCAL_TIME,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=LOCAL_TIME[0]),
    )

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer
        stores = cast("forms.ModelMultipleChoiceField[Store]", self.fields["stores"])
        stores.queryset = stores_of(viewer, Role.MARKETER).order_by("name", "pk")
        self.offer("tags", tag_choices())
        self.offer("channel", [(name, LABELS[name]) for name in available_channels()])
        self.offer("saved", [("", _("none: by the conditions below")), *self._segments()])
        self.fields["send_until"].help_text = gettext(
            "What has not gone out by then is not sent. Time in %(zone)s."
        ) % {"zone": timezone.get_current_timezone_name()}

    def _segments(self) -> list[tuple[int, str]]:
        """The newest at hand; an older or archived one only if it is chosen already."""
        at_hand = segments_of(self.viewer)
        newest = list(at_hand.order_by("-pk").values_list("pk", "name")[:SEGMENTS_OFFERED])
        chosen = whole_number(str(self["saved"].value() or ""))
        if chosen is None or chosen in dict(newest):
            return newest
        drafted = campaigns_of(self.viewer).values("segment")
        kept = Segment.objects.filter(Q(pk__in=at_hand.values("pk")) | Q(pk__in=drafted), pk=chosen)
        return [*newest, *kept.values_list("pk", "name")]

    @property
    def channel_label(self) -> str:
        """The channel in words, once the form is sound."""
        return str(LABELS[self.cleaned_data["channel"]])

    @property
    def purpose_label(self) -> str:
        """The purpose in words, once the form is sound."""
        return str(Purpose(self.cleaned_data["purpose"] or Purpose.CAMPAIGN).label)

    def clean_text(self) -> str:
        """Take line ends as the channel does; ``clean`` asks for the length."""
        text: str = self.cleaned_data["text"].replace("\r\n", "\n")
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse what the channel would refuse, and say by how much a text is too long."""
        cleaned = super().clean() or self.cleaned_data
        channel, text = cleaned.get("channel"), cleaned.get("text")
        cleaned["attachments"] = self.attachments_said()
        if not text and not cleaned["attachments"]:
            self.add_error("text", str(self.says_nothing))
        if not channel:
            return cleaned
        if wrong := over_limit(text or "", channel) or cannot_fill(text or "", channel):
            self.add_error("text", wrong)
        try:
            check_for_channel(cleaned["attachments"], abilities_of(channel))
        except RuleBroken as error:
            self.add_error("attachments", str(error))
        if channel == "email" and not cleaned.get("subject"):
            self.add_error("subject", gettext("An e-mail needs a subject."))
        return cleaned

    def attachments_said(self) -> list[dict[str, Any]]:
        """Return the attachments that the inputs say."""
        return attachments_typed(lists_in(self.data))

    def clean_send_until(self) -> datetime | None:
        """Refuse a time that has passed while its input is still on the screen."""
        until: datetime | None = self.cleaned_data["send_until"]
        if until and until <= timezone.now():
            raise forms.ValidationError(
                gettext("This time has passed. Choose a later one, or leave it empty.")
            )
        return until

    def clean_conversion_days(self) -> int:
        """Take an empty field for the usual number of days."""
        days: int | None = self.cleaned_data["conversion_days"]
        return USUAL_CONVERSION_DAYS if days is None else days

    def wording(self) -> Wording:
        """Return subject and HTML, as far as the channel has them."""
        data = self.cleaned_data
        abilities = abilities_of(data["channel"])
        return Wording(
            subject=data["subject"] if abilities.has_subject else "",
            html=data["html"] if abilities.has_html else "",
        )

    def rule(self) -> dict[str, Any]:
        """Return the segment's rule, narrowed to the marketer's scope. Raises ``RuleBroken``."""
        data = self.cleaned_data
        if data.get("saved"):
            kept = Segment.objects.filter(pk=data["saved"]).first()
            if kept is None:
                raise RuleBroken(gettext("This segment is gone. Choose another."))
            return narrowed(kept.rule, self.viewer)
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

    def write(
        self, campaign: Campaign | None, *, base: Mapping[str, Any], now: datetime
    ) -> Campaign:
        """Draft the campaign, or change the one that is a draft: all or nothing.

        Raises ``RuleBroken``; ``MovedOn`` if it is not the draft any more that ``base`` tells of.
        """
        data = self.cleaned_data
        rule = self.rule()
        with transaction.atomic():
            content = content_for(
                campaign, data["name"], data["text"], data["attachments"], now=now
            )
            segment = segment_for(campaign, data["name"], rule, now=now)
            parts: dict[str, Any] = {
                "name": data["name"],
                "content": content,
                "segment": segment,
                "channel": data["channel"],
                "wording": self.wording(),
                "send_until": data["send_until"],
                "purpose": data["purpose"] or Purpose.CAMPAIGN,
                "skip_if_in_another": data["skip_if_in_another"],
            }
            actor = self.viewer.staff
            if campaign is None:
                written = create_campaign(**parts, actor=actor, now=now)
            else:
                written = rewrite_campaign(campaign, base=base, **parts, actor=actor, now=now)
            tracking = {
                name: data[name] for name in TRACKING if data[name] != getattr(written, name)
            }
            if tracking:
                change_campaign(written, tracking, actor=actor, now=now)
            return written


def content_for(
    kept: Campaign | Series | None,
    name: str,
    text: str,
    attachments: list[dict[str, Any]] | None = None,
    *,
    now: datetime,
) -> Content:
    """Return the content that it has if that says this already, else a new one.

    Without ``attachments`` those that it has stay.
    """
    before = kept.content if kept else None
    if attachments is None:
        attachments = before.attachments if before else []
    if before and (before.text, before.attachments) == (text, attachments):
        return before
    return Content.objects.create(name=name, text=text, attachments=attachments, created_at=now)


def segment_for(
    kept: Campaign | Series | None, name: str, rule: dict[str, Any], *, now: datetime
) -> Segment:
    """Return the segment that it has if that has this rule already, else a new one."""
    if kept and kept.segment and kept.segment.rule == rule:
        return kept.segment
    return Segment.objects.create(name=free_segment_name(name, now=now), rule=rule, created_at=now)
