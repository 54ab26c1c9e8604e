"""Tasks: the list of what is due, the page of one, and what is done there."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.tasks import (
    add_task,
    drop_task,
    finish_task,
    reassign_task,
    reschedule_task,
)
from contacts.enums import Role, TaskKind, TaskState
from contacts.errors import MovedOn, RuleBroken
from contacts.models import Store, Task
from crm.access import Viewer, handovers_of, task_for, task_to_change, viewer_as, viewer_of
from crm.forms.tasks import DueForm, GiveForm, TaskForm
from crm.queries import capped_count
from crm.task_queries import (
    DUE,
    MINE,
    STORE,
    TABS,
    default_whose,
    due_among,
    page_of_tasks,
    tasks_for_list,
)
from crm.views.refusals import moved_on, press


@login_required
@require_GET
def task_list(request: HttpRequest) -> HttpResponse:
    """List what is due, what comes later or what has been done."""
    return _list(request, viewer_of(request), TaskForm())


@login_required
@require_POST
def task_add(request: HttpRequest) -> HttpResponse:
    """Add a task of one's own; on a mistake nothing that was typed is lost."""
    viewer = viewer_of(request)
    form = TaskForm(request.POST)
    store = viewer.staff.store or Store.objects.order_by("pk").first()
    if not form.is_valid() or store is None:
        return _list(request, viewer, form, status=422)
    try:
        add_task(
            kind=TaskKind.TO_DO,
            store=store,
            staff=viewer.staff,
            actor=viewer.staff,
            now=timezone.now(),
            **form.cleaned_data,
        )
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _list(request, viewer, form, status=422)
    messages.success(request, _("The task is on your list."))
    return redirect(f"{reverse('task_list')}?show={_tab_of(form)}&whose={MINE}")


def _tab_of(form: TaskForm) -> str:
    due_on = form.cleaned_data["due_on"]
    return DUE if due_on and due_on <= timezone.localdate() else "later"


def _list(
    request: HttpRequest, viewer: Viewer, form: TaskForm, *, status: int = 200
) -> HttpResponse:
    now = timezone.now()
    show = request.GET.get("show", DUE)
    show = show if show in TABS else DUE
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    whose = request.GET.get("whose", "") if leads else MINE
    whose = whose if whose in {MINE, STORE} else default_whose(viewer)
    tasks = tasks_for_list(viewer, whose)
    context = {
        "page": page_of_tasks(tasks, show, request.GET.get("after", ""), now=now),
        "due": capped_count(due_among(tasks, timezone.localdate(now))),
        "tabs": TABS.items(),
        "show": show,
        "whose": whose,
        "leads": leads,
        "form": form,
    }
    return render(request, "crm/task_list.html", context, status=status)


@login_required
@require_GET
def task_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one task and what can be done about it."""
    viewer = viewer_of(request)
    return _page(request, viewer, task_for(viewer, pk))


def _page(
    request: HttpRequest, viewer: Viewer, task: Task, *, status: int = 200, **forms: Any
) -> HttpResponse:
    leads = viewer.has(Role.MANAGER, Role.ADMINISTRATOR)
    is_mine = task.staff_id == viewer.staff.pk or _owns(viewer, task)
    manages = leads and viewer.reaches(task.store_id, Role.MANAGER)
    context = {
        "task": task,
        "may_change": task.state == TaskState.OPEN and (is_mine or manages),
        "due_form": forms.get("due_form") or DueForm(initial={"due_on": task.due_on}),
        "give_form": (forms.get("give_form") or GiveForm(viewer, initial={"staff": task.staff_id}))
        if manages
        else None,
        "may_open": handovers_of(viewer).filter(tasks=task).exists(),
    }
    return render(request, "crm/task_page.html", context, status=status)


def _owns(viewer: Viewer, task: Task) -> bool:
    return task.customer is not None and task.customer.owner_id == viewer.staff.pk


@login_required
@require_POST
def task_done(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a task as done."""
    return _press(request, pk, finish_task, _("Done."))


@login_required
@require_POST
def task_drop(request: HttpRequest, pk: int) -> HttpResponse:
    """Drop a task that has become pointless."""
    return _press(request, pk, drop_task, _("The task is dropped."))


@login_required
@require_POST
def task_reschedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Move a task to another day."""
    viewer = viewer_of(request)
    task = task_to_change(viewer, pk)
    form = DueForm(request.POST)
    if not form.is_valid():
        return _page(request, viewer, task, status=422, due_form=form)
    try:
        reschedule_task(task, form.cleaned_data["due_on"], actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        form.add_error("due_on", str(error))
        return _page(request, viewer, task, status=422, due_form=form)
    except MovedOn as error:
        return moved_on(request, error, back=_address(task))
    messages.success(request, _("The task has another day."))
    return redirect(_address(task))


@login_required
@require_POST
def task_reassign(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a task to a colleague, or to the managers of its store."""
    viewer = viewer_as(request, Role.MANAGER)
    task = task_to_change(viewer, pk)
    form = GiveForm(viewer, request.POST)
    if not form.is_valid():
        return _page(request, viewer, task, status=422, give_form=form)
    give = partial(
        reassign_task, task, form.cleaned_data["staff"], actor=viewer.staff, now=timezone.now()
    )
    return press(request, give, done=_("The task has been given on."), back=_address(task))


def _press(request: HttpRequest, pk: int, action: Callable[..., None], done: str) -> HttpResponse:
    viewer = viewer_of(request)
    task = task_to_change(viewer, pk)
    act = partial(action, task, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_back(request, task))


def _back(request: HttpRequest, task: Task) -> str:
    """Return to where the button was pressed: the form says which of our own pages that is."""
    came_from = request.POST.get("back", "")
    if came_from == "today":
        return reverse("today")
    if came_from == "customer" and task.customer_id:
        return reverse("customer_page", args=[task.customer_id]) + "#tasks"
    return reverse("task_list")


def _address(task: Task) -> str:
    return reverse("task_page", args=[task.pk])
