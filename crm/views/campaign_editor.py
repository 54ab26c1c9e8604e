"""The campaign editor: one page a step, and a draft that keeps everything typed."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaigns.actions.drafts import drop_draft, follow_campaign, keep_draft
from campaigns.actions.experiments import Trial, set_experiment
from campaigns.actions.rewriting import base_of
from campaigns.channels import abilities_of, available_channels
from campaigns.enums import CampaignState
from campaigns.models import Campaign
from campaigns.placeholders import unknown_in
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, campaign_for, viewer_as
from crm.actions.attaching import after_button, is_about_attachments
from crm.actions.scheduling import schedule as schedule_as
from crm.campaign_queries import words_of_schedule
from crm.forms.campaigns import (
    EDITOR_STEPS,
    CampaignForm,
    EditorStep,
)
from crm.forms.experiments import TrialForm, shown_split, trial_of
from crm.forms.schedule import ScheduleForm
from crm.paging import storable, whole_number
from crm.views.audience_counts import counted
from crm.views.campaign_preview import preview_part, send_test_of
from crm.views.contents import attachment_context
from crm.views.editor_desk import Desk, Judged, open_desk

COUNTING = ("audience", "options", "test")
"""Steps beside which the audience is counted while it is chosen."""


@login_required
@require_http_methods(["GET", "POST"])
def campaign_new(request: HttpRequest, step: str = "message") -> HttpResponse:
    """Show or keep one step of a new campaign."""
    viewer = viewer_as(request, Role.MARKETER)
    return _edit(request, viewer, None, step)


@login_required
@require_http_methods(["GET", "POST"])
def campaign_edit(request: HttpRequest, pk: int, step: str = "message") -> HttpResponse:
    """Show or keep one step of changing a campaign that is a draft."""
    viewer = viewer_as(request, Role.MARKETER)
    campaign = campaign_for(viewer, pk)
    if campaign.state != CampaignState.DRAFT or campaign.handover_id:
        messages.warning(request, _("Only a draft can be changed."))
        return redirect("campaign_page", pk=pk)
    return _edit(request, viewer, campaign, step)


def _edit(
    request: HttpRequest, viewer: Viewer, campaign: Campaign | None, name: str
) -> HttpResponse:
    step = next((step for step in EDITOR_STEPS if step.name == name), None)
    if step is None:
        raise Http404
    desk = open_desk(request, viewer, campaign)
    if request.method == "POST":
        return _take(request, desk, step, request.POST.get("go", ""))
    if "preview" in request.GET:
        return preview_part(request, viewer, desk.data)
    return _counted(request, desk) if "count" in request.GET else _page(request, desk, step)


def _take(request: HttpRequest, desk: Desk, step: EditorStep, go: str) -> HttpResponse:
    """Keep what was typed on a step, then do what was pressed."""
    if go == "discard":
        return _discard(request, desk)
    if step.fields:
        desk.typed |= {
            field: [storable(text) for text in request.POST.getlist(field)]
            for field in (*step.fields, *step.more)
        }
        try:
            _keep(request, desk)
        except MovedOn as error:
            return _elsewhere(request, desk, step, str(error))
    if go == "keep":
        return _kept(request, desk, step)
    attaches = is_about_attachments(go) or request.FILES
    if attaches and (refused := _attach(request, desk, step, go)):
        return refused
    if go == "test":
        return _send_test(request, desk, step)
    if go in {"save", "schedule"}:
        return _finish(request, desk, at_once=go == "schedule")
    return _move(request, desk, step, go)


def _attach(request: HttpRequest, desk: Desk, step: EditorStep, go: str) -> HttpResponse | None:
    """Add an attachment, or take one away; everything else stays as typed.

    Returns ``None``, or the page that says why not.
    """
    try:
        desk.typed |= after_button(go, desk.typed, request, desk.viewer, now=timezone.now())
        _keep(request, desk, seen=desk.version)
    except RuleBroken as error:
        return _page(request, desk, step, status=400, attaching=str(error))
    except MovedOn as error:
        return _elsewhere(request, desk, step, str(error))
    return None


def _send_test(request: HttpRequest, desk: Desk, step: EditorStep) -> HttpResponse:
    """Send what is typed to oneself."""
    try:
        address = send_test_of(desk.viewer, desk.data, now=timezone.now())
    except RuleBroken as error:
        return _page(request, desk, step, status=400, refusal=str(error))
    messages.success(request, _("A test is on its way to %(address)s.") % {"address": address})
    return redirect(desk.address(step.name))


def _discard(request: HttpRequest, desk: Desk) -> HttpResponse:
    drop_draft(desk.viewer.staff, desk.campaign)
    messages.success(request, _("What was typed is thrown away."))
    return (
        redirect("campaign_page", desk.campaign.pk) if desk.campaign else redirect("campaign_list")
    )


def _keep(request: HttpRequest, desk: Desk, *, seen: int | None = None) -> None:
    if seen is None:
        seen = whole_number(request.POST.get("version")) or 0
    desk.draft = keep_draft(
        desk.viewer.staff,
        desk.campaign,
        desk.typed,
        seen=seen,
        window=desk.window,
        now=timezone.now(),
    )


def _elsewhere(request: HttpRequest, desk: Desk, step: EditorStep, why: str) -> HttpResponse:
    """Say that another window has saved; the page keeps what was typed here beside it."""
    context = {"desk": desk, "elsewhere": why, "here": desk.address(step.name)}
    if request.headers.get("HX-Request"):
        seen = whole_number(request.POST.get("version")) or 0
        context |= {"version": seen}
        return render(request, "crm/parts/_draft_kept.html", context, status=409)
    return _page(request, desk, step, status=409, elsewhere=why)


def _kept(request: HttpRequest, desk: Desk, step: EditorStep) -> HttpResponse:
    context = {"desk": desk, "version": desk.version, "here": desk.address(step.name)}
    if step.name in COUNTING:
        context |= {"count_too": True, **_audience(desk)}
    answer = render(request, "crm/parts/_draft_kept.html", context)
    answer["HX-Trigger"] = "draft-kept"
    return answer


def _move(request: HttpRequest, desk: Desk, step: EditorStep, go: str) -> HttpResponse:
    """Go to another step; forward only when this one is sound, back and sideways always."""
    names = [step.name for step in EDITOR_STEPS]
    here = names.index(step.name)
    if go not in {*names, "next"}:
        return redirect(desk.address(step.name))
    if go == "next":
        if _errors_on(desk, step):
            return _page(request, desk, step, status=400, judged=True)
        go = names[min(here + 1, len(names) - 1)]
    return redirect(desk.address(go))


def _errors_on(desk: Desk, step: EditorStep) -> dict[str, Any]:
    """Return what is wrong with the inputs of one step."""
    form = _judged(desk).on(step)
    return {name: form.errors[name] for name in form.errors if name in step.fields}


def _judged(desk: Desk) -> Judged:
    return Judged(CampaignForm(desk.viewer, desk.data), TrialForm(desk.data), _schedule(desk))


def _schedule(desk: Desk) -> ScheduleForm:
    data = desk.data
    data.setdefault("when", "now")
    return ScheduleForm(timezone.now(), data)


def _page(
    request: HttpRequest,
    desk: Desk,
    step: EditorStep,
    *,
    status: int = 200,
    judged: bool = False,
    elsewhere: str = "",
    refusal: str = "",
    attaching: str = "",
) -> HttpResponse:
    names = [step.name for step in EDITOR_STEPS]
    here = names.index(step.name)
    now = timezone.now()
    form = (
        CampaignForm(desk.viewer, desk.data)
        if judged
        else CampaignForm(desk.viewer, initial=desk.initial)
    )
    schedule = (
        _schedule(desk) if judged else ScheduleForm(now, initial={"when": "now"} | desk.initial)
    )
    context = {
        "desk": desk,
        "version": desk.version,
        "step": step,
        "steps": [
            {"step": one, "number": n + 1, "url": desk.address(one.name), "is_here": n == here}
            for n, one in enumerate(EDITOR_STEPS)
        ],
        "before": names[here - 1] if here else "",
        "form": form,
        "schedule": schedule,
        "trial": TrialForm(desk.data) if judged else TrialForm(initial=desk.initial),
        "here": desk.address(step.name),
        "elsewhere": elsewhere,
        "refusal": refusal,
        "attaching": attaching,
        "limits": {name: abilities_of(name).text_bytes for name in available_channels()},
        "zone": timezone.get_current_timezone_name(),
        "part": f"crm/parts/_editor_{step.name}.html",
    }
    if step.name == "message":
        context |= attachment_context(desk.viewer, desk.typed)
    if step.name in COUNTING:
        context |= _audience(desk)
    if step.name == "check":
        context |= _check(desk)
    return render(request, "crm/campaign_editor.html", context, status=status)


def _check(desk: Desk) -> dict[str, Any]:
    """Judge everything typed: what is wrong, step by step, or what will go out."""
    everything = _judged(desk)
    wrong = []
    for step in EDITOR_STEPS[:-1]:
        judged = everything.on(step)
        errors = [
            (judged.fields[name].label, error)
            for name in step.fields
            for error in judged.errors.get(name, [])
        ]
        if errors:
            wrong.append({"step": step, "url": desk.address(step.name), "errors": errors})
    split = None if wrong else everything.split()
    return {
        "checked": everything.form,
        "checked_time": everything.schedule,
        "split": split and shown_split(split),
        "unknown": split and _unknown_in(everything.form, split),
        "wrong": wrong,
    }


def _unknown_in(form: CampaignForm, split: Trial) -> list[str]:
    """Return what looks like a placeholder and is none, in any wording."""
    wording = form.wording()
    said = [wording.subject, form.cleaned_data["text"], wording.html]
    for words in split.variants:
        said += [words.subject, words.text, words.html]
    return unknown_in("\n".join(said))


def _counted(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Return whom everything typed so far would reach."""
    return render(request, "crm/parts/_campaign_audience.html", _audience(desk))


def _audience(desk: Desk) -> dict[str, Any]:
    form, schedule = CampaignForm(desk.viewer, desk.data), _schedule(desk)
    send_at = schedule.cleaned_data["send_at"] if schedule.is_valid() else None
    return counted(form, TrialForm(desk.data).split(desk.seed), send_at=send_at)


def _finish(request: HttpRequest, desk: Desk, *, at_once: bool) -> HttpResponse:
    """Write the campaign, and let it go out if asked; refused, everything stays as typed."""
    now = timezone.now()
    everything = _judged(desk)
    schedule = everything.schedule
    check = EDITOR_STEPS[-1]
    if request.POST.get("version") != str(desk.version):
        why = _("This draft was changed in another window. Look through it once more.")
        return _page(request, desk, check, status=409, elsewhere=why)
    sound = everything.form.is_valid() and everything.trial.is_valid()
    if not sound or (at_once and not schedule.is_valid()):
        return _page(request, desk, check, status=400)
    try:
        with transaction.atomic():
            campaign = _write(desk, everything, now=now)
            if at_once:
                when = schedule.cleaned_data["send_at"]
                schedule_as(campaign, desk.viewer, send_at=when, wall=schedule.wall, now=now)
                drop_draft(desk.viewer.staff, desk.campaign)
            elif desk.draft:
                follow_campaign(desk.draft, campaign)
    except RuleBroken as error:
        return _page(request, desk, check, status=400, refusal=str(error))
    except MovedOn as error:
        return _page(request, desk, check, status=409, refusal=str(error))
    if at_once:
        later = schedule.cleaned_data["send_at"] > now
        messages.success(request, words_of_schedule(campaign, is_later=later))
    else:
        messages.success(request, _("Kept as a draft. Nothing goes out yet."))
    return redirect("campaign_page", pk=campaign.pk)


def _write(desk: Desk, everything: Judged, *, now: datetime) -> Campaign:
    """Write the campaign and how its recipients are split. Raises ``RuleBroken``, ``MovedOn``."""
    base = desk.draft.base if desk.draft and desk.campaign else {}
    base = base or (base_of(desk.campaign) if desk.campaign else {})
    campaign = everything.form.write(desk.campaign, base=base, now=now)
    split = everything.split()
    if split != trial_of(campaign):
        seed = None if desk.campaign else desk.seed
        set_experiment(campaign, split, actor=desk.viewer.staff, now=now, seed=seed)
    return campaign
