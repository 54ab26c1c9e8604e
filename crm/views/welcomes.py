"""Welcomes: what new contacts are greeted with, and whether its files are ready."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns.actions.welcome_rules import drop_welcome, set_welcome
from campaigns.models import Content, WelcomeRule
from connectors.wecom.api.attachments import MAX_TEXT_BYTES
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import (
    Viewer,
    viewer_as,
    viewer_of,
    welcome_rule_for,
    welcome_rules_of,
    welcomes_without_files,
)
from crm.actions.attaching import after_button, is_about_attachments
from crm.forms.attachments import Typed, inputs_of
from crm.forms.welcomes import WelcomeForm
from crm.paging import page_of, whole_number
from crm.views.contents import attachment_context
from crm.views.refusals import press
from crm.welcomes import LATELY, Level, lately, level_of, levels_left, words_for

ROWS = 50


@login_required
@require_GET
def welcome_list(request: HttpRequest) -> HttpResponse:
    """Show the welcomes, the newest first, and what became of those of the last days."""
    viewer = viewer_of(request)
    rows = welcome_rules_of(viewer).order_by("-pk")
    after = whole_number(request.GET.get("after"))
    if after:
        rows = rows.filter(pk__lt=after)
    page = page_of(rows, ROWS)
    context = {
        "rows": [(rule, words_for(level_of(rule))) for rule in page.rows],
        "last": page.last,
        "lately": lately(viewer, now=timezone.now()),
        "may_write": viewer.has(Role.MARKETER, Role.ADMINISTRATOR),
    }
    return render(request, "crm/welcome_list.html", context)


@login_required
@require_GET
def welcome_without_files(request: HttpRequest) -> HttpResponse:
    """List who was greeted without a file in the last days, when and why, the latest first."""
    viewer = viewer_of(request)
    since = timezone.now() - LATELY
    rows = welcomes_without_files(viewer).filter(received_at__gt=since).order_by("-pk")
    after = whole_number(request.GET.get("after"))
    if after:
        rows = rows.filter(pk__lt=after)
    page = page_of(rows, ROWS)
    context = {"rows": page.rows, "last": page.last}
    return render(request, "crm/welcome_without_files.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def welcome_new(request: HttpRequest) -> HttpResponse:
    """Say what people are greeted with, where nothing is said yet."""
    viewer = viewer_as(request, Role.MARKETER)
    return _write(request, viewer, None)


@login_required
@require_http_methods(["GET", "POST"])
def welcome_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something else."""
    viewer = viewer_as(request, Role.MARKETER)
    return _write(request, viewer, welcome_rule_for(viewer, pk, Role.MARKETER))


@login_required
@require_POST
def welcome_drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Greet by a rule no more."""
    viewer = viewer_as(request, Role.MARKETER)
    rule = welcome_rule_for(viewer, pk, Role.MARKETER)
    act = partial(drop_welcome, rule, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Put away."), back=reverse("welcome_list"))


def _write(request: HttpRequest, viewer: Viewer, rule: WelcomeRule | None) -> HttpResponse:
    left = None if rule else levels_left(viewer)
    levels = None if left is None else {name: words_for(level) for name, level in left.items()}
    if request.method != "POST":
        form = WelcomeForm(initial=_said_so_far(rule), levels=levels)
        typed = inputs_of(rule.content.attachments) if rule else {}
        return _form_page(request, viewer, rule, form, typed)
    go, now = request.POST.get("go", ""), timezone.now()
    typed = {name: [str(value) for value in values] for name, values in request.POST.lists()}
    form = WelcomeForm(initial=request.POST.dict(), levels=levels)
    try:
        typed |= after_button(go, typed, request, viewer, now=now)
    except RuleBroken as error:
        return _form_page(request, viewer, rule, form, typed, attaching=str(error), status=400)
    if is_about_attachments(go):
        return _form_page(request, viewer, rule, form, typed)
    form = WelcomeForm(MultiValueDict(typed), levels=levels)
    if not form.is_valid():
        return _form_page(request, viewer, rule, form, typed, status=400)
    level = level_of(rule) if rule else (left or {})[form.cleaned_data["level"]]
    try:
        _keep(form, level, viewer)
    except RuleBroken as error:
        return _form_page(request, viewer, rule, form, typed, refusal=str(error), status=400)
    except MovedOn as error:
        return _form_page(request, viewer, rule, form, typed, refusal=str(error), status=409)
    messages.success(request, _("Saved. New contacts are greeted with it from now on."))
    return redirect("welcome_list")


def _keep(form: WelcomeForm, level: Level, viewer: Viewer) -> None:
    seen = form.cleaned_data["seen"]
    set_welcome(
        **level,
        text=form.cleaned_data["text"],
        attachments=form.cleaned_data["attachments"],
        seen=Content(pk=seen) if seen else None,
        actor=viewer.staff,
        now=timezone.now(),
    )


def _said_so_far(rule: WelcomeRule | None) -> dict[str, Any]:
    return {"text": rule.content.text, "seen": rule.content_id} if rule else {}


def _form_page(
    request: HttpRequest,
    viewer: Viewer,
    rule: WelcomeRule | None,
    form: WelcomeForm,
    typed: Typed,
    *,
    refusal: str = "",
    attaching: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "rule": rule,
        "for_whom": words_for(level_of(rule)) if rule else "",
        "is_left": rule is not None or form.has_levels,
        "form": form,
        "text_limit": MAX_TEXT_BYTES,
        "refusal": refusal,
        "attaching": attaching,
        **attachment_context(viewer, typed),
    }
    return render(request, "crm/welcome_form.html", context, status=status)
