"""The plan of a handover: its steps one by one, what they would do, and the start."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.enums import HandoverState, Role
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Handover
from crm.access import Viewer, handover_for, viewer_as
from crm.actions.plans import plan_by_steps, start_plan
from crm.forms.plans import StartForm, StepForm
from crm.plan_queries import is_told_afterwards, sample_words
from crm.views.handover_faces import show_face
from crm.views.plan_face import preview_context
from crm.views.refusals import moved_on, press

LONGEST_WORDS = 200


@login_required
@require_POST
def handover_propose(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep one step of the plan; the button *find* only looks for more people."""
    viewer, handover = manager_of(request, pk)
    form = StepForm(viewer, handover, request.POST)
    if "find" in request.POST:
        form.errors.clear()
        return show_face(request, viewer, handover, plan=form, words=request.POST.get("q", ""))
    if not form.is_valid():
        return show_face(request, viewer, handover, status=400, plan=form)
    try:
        _plan(handover, form.steps_json(handover), viewer)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return show_face(request, viewer, handover, status=400, plan=form)
    except MovedOn as error:
        return moved_on(request, error, back=address_of(handover))
    return redirect(f"{address_of(handover)}#preview")


@login_required
@require_POST
def handover_try(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what the plan would do with the step as it is being changed; nothing is kept."""
    viewer, handover = manager_of(request, pk)
    form = StepForm(viewer, handover, request.POST)
    if not form.is_valid():
        return HttpResponse(status=204)
    with transaction.atomic():
        try:
            _plan(handover, form.steps_json(handover), viewer)
            context = preview_context(handover, viewer)
        except (RuleBroken, MovedOn):
            return HttpResponse(status=204)
        finally:
            transaction.set_rollback(True)
    return render(request, "crm/parts/_plan_preview.html", context | {"is_draft": True})


@login_required
@require_POST
def handover_step(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Move a step of the plan up or down, or remove it; the plan follows at once."""
    viewer, handover = manager_of(request, pk)
    steps = _rearranged(handover.steps, number, request.POST.get("do", ""))
    return press(
        request,
        lambda: _plan(handover, steps, viewer),
        done=_("The plan has changed."),
        back=f"{address_of(handover)}#steps",
    )


@login_required
@require_POST
def handover_unmove(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the steps say again where customers go who were moved by hand."""
    viewer, handover = manager_of(request, pk)
    return press(
        request,
        lambda: _plan(handover, handover.steps, viewer, keep_moves=False),
        done=_("The plan has changed."),
        back=f"{address_of(handover)}#preview",
    )


@login_required
@require_GET
def handover_words(request: HttpRequest, pk: int) -> HttpResponse:
    """Return how the words to the customer read, while they are typed."""
    _viewer, handover = manager_of(request, pk)
    text = request.GET.get("customer_message", "")[:LONGEST_WORDS]
    context = {
        "sample": sample_words(handover, text),
        "is_told_afterwards": is_told_afterwards(handover),
    }
    return render(request, "crm/parts/_plan_words.html", context)


@login_required
@require_POST
def handover_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start the handover as it was previewed; the button *look* only shows the words."""
    viewer, handover = manager_of(request, pk)
    form = StartForm(handover, request.POST)
    if "look" in request.POST:
        return show_face(request, viewer, handover, start=form)
    if not form.is_valid():
        return show_face(request, viewer, handover, status=400, start=form)
    try:
        start_plan(
            handover,
            form.cleaned_data["token"],
            actor=viewer.staff,
            now=timezone.now(),
            customer_message=form.cleaned_data["customer_message"],
            words=form.words(),
        )
    except (RuleBroken, MovedOn) as error:
        return _not_started(request, viewer, handover, form, error)
    messages.success(request, _("The handover has started."))
    return redirect(address_of(handover))


def manager_of(request: HttpRequest, pk: int) -> tuple[Viewer, Handover]:
    """Return the manager who asks and the handover, or answer 403 or 404."""
    viewer = viewer_as(request, Role.MANAGER)
    return viewer, handover_for(viewer, pk)


def address_of(handover: Handover) -> str:
    """Return the address of the handover's page."""
    return reverse("handover_page", args=[handover.pk])


def _plan(handover: Handover, steps: Any, viewer: Viewer, **options: Any) -> None:
    plan_by_steps(handover, steps, actor=viewer.staff, now=timezone.now(), **options)


def _rearranged(steps: list[Any], number: int, do: str) -> list[Any]:
    """Return the steps with one of them moved or removed; what cannot be done is left as it is."""
    order = list(steps)
    if number >= len(order):
        return order
    if do == "remove":
        order.pop(number)
    elif do == "up" and number > 0:
        order.insert(number - 1, order.pop(number))
    elif do == "down":
        order.insert(number + 1, order.pop(number))
    return order


def _not_started(
    request: HttpRequest, viewer: Viewer, handover: Handover, form: StartForm, error: Exception
) -> HttpResponse:
    """Keep what was typed: the plan is shown as it is now, with the words and a new token."""
    handover.refresh_from_db()
    if isinstance(error, MovedOn) and handover.state != HandoverState.PLANNED:
        return moved_on(request, error, back=address_of(handover))
    form.add_error(None, str(error))
    status = 409 if isinstance(error, MovedOn) else 400
    return show_face(request, viewer, handover, status=status, start=form)
