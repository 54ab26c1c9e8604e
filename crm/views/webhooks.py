"""Webhooks, for administrators of the whole company."""

from collections.abc import Callable, Sequence
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from contacts.errors import MovedOn, RuleBroken
from crm.access import require_company, viewer_of, webhook_for, webhooks_of
from crm.actions.webhooks import (
    change_webhook,
    create_webhook,
    host_of,
    pause_webhook,
    remove_webhook,
    replay_events,
    resume_webhook,
    rotate_secret,
    send_test,
)
from crm.enums import EventState, WebhookState
from crm.forms.webhooks import WebhookForm
from crm.models import Webhook, WebhookEvent
from crm.paging import page_of, whole_number
from crm.views.refusals import moved_on, press

DELIVERIES = 25
SHOWN = (EventState.WAITING, EventState.FAILED, EventState.DELIVERED)


@login_required
@require_GET
def webhook_list(request: HttpRequest) -> HttpResponse:
    """List the webhooks."""
    rows = webhooks_of(viewer_of(request)).order_by("pk")
    context = {"rows": [(webhook, host_of(webhook)) for webhook in rows]}
    return render(request, "crm/webhook_list.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def webhook_new(request: HttpRequest) -> HttpResponse:
    """Take in a webhook; the answer shows its secret, this once."""
    viewer = viewer_of(request)
    require_company(viewer)
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            webhook, secret = create_webhook(
                form.cleaned_data["url"], form.wanted, actor=viewer.staff, now=timezone.now()
            )
        except RuleBroken as error:
            form.add_error("url", str(error))
        else:
            return _show_secret(request, webhook, secret)
    return _show_form(request, form, None)


@login_required
@require_http_methods(["GET", "POST"])
def webhook_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change where a webhook is and what it is told."""
    viewer = viewer_of(request)
    webhook = webhook_for(viewer, pk)
    form = WebhookForm.of(webhook, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            change_webhook(
                webhook,
                form.cleaned_data["url"],
                form.wanted,
                actor=viewer.staff,
                now=timezone.now(),
            )
        except RuleBroken as error:
            form.add_error("url", str(error))
        else:
            messages.success(request, _("The webhook has been changed."))
            return redirect("webhook_page", pk=pk)
    return _show_form(request, form, webhook)


@login_required
@require_GET
def webhook_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one webhook: how it does, and the last events with what became of each."""
    webhook = webhook_for(viewer_of(request), pk)
    state = request.GET.get("state", "")
    found = webhook.deliveries.order_by("-pk")
    if state in EventState.values:
        found = found.filter(state=state)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found, DELIVERIES)
    context = {
        "webhook": webhook,
        "host": host_of(webhook),
        "page": page,
        "under_way": _under_way(webhook, page.rows),
        "state": state,
        "states": [(shown.value, shown.label) for shown in SHOWN],
        "has_failed": webhook.deliveries.filter(state=EventState.FAILED).exists(),
        "old_secret_holds": bool(
            webhook.old_secret_until and webhook.old_secret_until > timezone.now()
        ),
    }
    return render(request, "crm/webhook_page.html", context)


@login_required
@require_POST
def webhook_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing for now."""
    return _act(request, pk, pause_webhook, _("Paused. What happens is kept for a week."))


@login_required
@require_POST
def webhook_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Send again."""
    return _act(request, pk, resume_webhook, _("It is told again what happens."))


@login_required
@require_POST
def webhook_remove(request: HttpRequest, pk: int) -> HttpResponse:
    """End a webhook for good."""
    return _act(request, pk, remove_webhook, _("The webhook has been removed."), "webhook_list")


@login_required
@require_POST
def webhook_secret(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new secret; the answer shows it, this once."""
    viewer = viewer_of(request)
    webhook = webhook_for(viewer, pk)
    at_once = request.POST.get("at_once") == "yes"
    try:
        secret = rotate_secret(webhook, at_once=at_once, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
        return redirect(_address(pk))
    except MovedOn as error:
        return moved_on(request, error, back=reverse("webhook_list"))
    return _show_secret(request, webhook, secret)


@login_required
@require_POST
def webhook_test(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an event that means nothing."""
    webhook = webhook_for(viewer_of(request), pk)
    act = partial(send_test, webhook, now=timezone.now())
    return press(request, act, done=_("Sent. See below what came of it."), back=_address(pk))


@login_required
@require_POST
def webhook_replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Send one event once more, or all that failed."""
    viewer = viewer_of(request)
    webhook = webhook_for(viewer, pk)
    events = webhook.deliveries.filter(state=EventState.FAILED)
    if request.POST.get("which") != "failed":
        one = whole_number(request.POST.get("event"))
        events = webhook.deliveries.filter(pk=get_object_or_404(webhook.deliveries, pk=one).pk)
    act = partial(replay_events, webhook, events, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=_("Sent once more."), back=_address(pk))


def _under_way(webhook: Webhook, events: Sequence[WebhookEvent]) -> bool:
    """Whether one of these events is being sent for the first time just now.

    Those behind a call that failed wait for long, and nobody looks on for that.
    """
    is_well = webhook.state == WebhookState.ACTIVE and webhook.failing_since is None
    return is_well and any(
        event.state == EventState.SENDING
        or (event.state == EventState.WAITING and not event.attempts)
        for event in events
    )


def _act(
    request: HttpRequest, pk: int, action: Callable[..., None], done: str, back: str = ""
) -> HttpResponse:
    viewer = viewer_of(request)
    act = partial(action, webhook_for(viewer, pk), actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=reverse(back) if back else _address(pk))


def _show_form(request: HttpRequest, form: WebhookForm, webhook: Webhook | None) -> HttpResponse:
    status = 400 if request.method == "POST" else 200
    context = {"form": form, "webhook": webhook}
    return render(request, "crm/webhook_form.html", context, status=status)


def _show_secret(request: HttpRequest, webhook: Webhook, secret: str) -> HttpResponse:
    context = {"webhook": webhook, "host": host_of(webhook), "secret": secret}
    answer = render(request, "crm/webhook_secret.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


def _address(pk: int) -> str:
    return reverse("webhook_page", args=[pk])
