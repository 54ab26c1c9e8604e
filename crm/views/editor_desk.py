"""What lies before a person in the campaign editor: everything typed, and the forms that judge it."""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.datastructures import MultiValueDict

from campaigns.actions.drafts import draft_of
from campaigns.actions.experiments import Trial
from campaigns.actions.rewriting import is_still
from campaigns.channels import available_channels
from campaigns.models import Campaign, CampaignDraft
from campaigns.splitting import seed_of, seed_of_draft
from crm.access import Viewer
from crm.forms.campaigns import CampaignForm, EditorStep
from crm.forms.experiments import TrialForm, typed_trial
from crm.forms.schedule import ScheduleForm
from crm.forms.typed import SEVERAL, typed_of, unfolded

CLOCK = ("send_at", "zone")
"""What counts only once a set time is chosen."""


@dataclass(slots=True)
class Desk:
    """Who edits what, and everything that was typed so far."""

    viewer: Viewer
    campaign: Campaign | None
    draft: CampaignDraft | None
    typed: dict[str, list[str]]
    window: str

    @property
    def version(self) -> int:
        """The version of the draft that this page shows."""
        return self.draft.version if self.draft else 0

    @property
    def data(self) -> MultiValueDict[str, str]:
        """Everything typed, as a form takes it."""
        return MultiValueDict(self.typed)

    @property
    def initial(self) -> dict[str, Any]:
        """Everything typed, to be shown without judging it."""
        return unfolded(self.typed)

    @property
    def seed(self) -> int:
        """What the recipients are split with, so that what is counted is what will be sent."""
        if self.campaign:
            return seed_of(self.campaign)
        return seed_of_draft(self.draft) if self.draft else 0

    @property
    def is_stale(self) -> bool:
        """Whether somebody else has changed the campaign since this draft of it began."""
        return bool(self.campaign and self.draft and not is_still(self.campaign, self.draft.base))

    @property
    def is_ahead(self) -> bool:
        """Whether something was typed that is written nowhere else, and could be thrown away."""
        if self.draft is None or self.campaign is None:
            return self.draft is not None
        written = typed_of(self.campaign) | typed_trial(self.campaign) | {"when": ["now"]}
        return any(
            _said(name, written.get(name, [])) != _said(name, values)
            for name, values in self.draft.fields.items()
            if name not in CLOCK
        )

    def address(self, step: str) -> str:
        """Return the address of a step."""
        if self.campaign is None:
            return reverse("campaign_new_step", args=[step])
        return reverse("campaign_edit_step", args=[self.campaign.pk, step])


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything that was typed, in the forms that judge it."""

    form: CampaignForm
    trial: TrialForm
    schedule: ScheduleForm

    def on(self, step: EditorStep) -> CampaignForm | TrialForm | ScheduleForm:
        """Return the form that judges a step."""
        if step.name == "test":
            return self.trial
        return self.schedule if step.name == "when" else self.form

    def split(self) -> Trial:
        """Return how the recipients are split, once all is sound."""
        wording = self.form.wording()
        text = self.form.cleaned_data["text"]
        return self.trial.trial(text=text, subject=wording.subject, html=wording.html)


def open_desk(request: HttpRequest, viewer: Viewer, campaign: Campaign | None) -> Desk:
    """Lay out the campaign, or an empty one, with what the person has typed over it."""
    draft = draft_of(viewer.staff, campaign)
    typed: dict[str, list[str]] = (
        typed_of(campaign) | typed_trial(campaign)
        if campaign
        else {"channel": available_channels()[:1], "track_clicks": ["on"], "track_opens": ["on"]}
    )
    if draft:
        typed |= draft.fields
    window = request.POST.get("window", "")[:32] or token_hex(8)
    return Desk(viewer, campaign, draft, typed, window)


def _said(name: str, values: Sequence[str]) -> list[str]:
    """Return what these inputs say, without how it was typed."""
    said = [" ".join(value.split()) for value in values if value.strip()]
    return sorted(said) if name in SEVERAL else said
