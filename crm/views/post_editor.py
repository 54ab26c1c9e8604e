"""The page on which a post is written or changed."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from campaigns.actions.posts.life import check_post_attachments, schedule_post
from campaigns.enums import PostKind, PostState
from campaigns.models import Post
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, content_for, post_for, viewer_as
from crm.actions.attaching import after_button, is_about_attachments
from crm.audiences import check_post_reach
from crm.forms.attachments import INPUTS, Typed, attachments_typed, inputs_of, lists_in
from crm.forms.posts import LIMITS, SEVERAL, PostForm, typed_from, typed_in, typed_time
from crm.forms.schedule import ScheduleForm
from crm.paging import whole_number
from crm.post_queries import reach_ahead, shown_attachments
from crm.views.contents import attachment_context

COUNTED = ("kind", "stores", "tags")
"""What the reach depends on."""


@login_required
@require_http_methods(["GET", "POST"])
def post_new(request: HttpRequest) -> HttpResponse:
    """Write a post: keep it as a draft, or let it go out."""
    return _edit(request, viewer_as(request, Role.MARKETER), None)


@login_required
@require_http_methods(["GET", "POST"])
def post_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a post that is a draft."""
    viewer = viewer_as(request, Role.MARKETER)
    post = post_for(viewer, pk)
    if post.state != PostState.DRAFT and request.method == "GET":
        messages.warning(request, _("Only a draft can be changed."))
        return redirect("post_page", pk=pk)
    return _edit(request, viewer, post)


@login_required
@require_GET
def post_count(request: HttpRequest) -> HttpResponse:
    """Return whom what is chosen so far would reach; what is wrong elsewhere does not matter."""
    context = _counted(viewer_as(request, Role.MARKETER), request.GET)
    return render(request, "crm/parts/_post_reach.html", context)


@login_required
@require_POST
def post_preview(request: HttpRequest) -> HttpResponse:
    """Return what is typed so far as the phone shows it; attachments once they could be sent."""
    viewer_as(request, Role.MARKETER)
    typed = request.POST.get("kind")
    kind = PostKind.MOMENT if typed == PostKind.MOMENT else PostKind.GROUP
    attachments, wrong = attachments_typed(_lists_of(request.POST)), ""
    try:
        check_post_attachments(kind, attachments)
    except RuleBroken as error:
        attachments, wrong = [], str(error)
    context = {
        "kind": kind,
        "words": request.POST.get("text", "").strip(),
        "attachments": shown_attachments(kind, attachments),
        "wrong": wrong,
    }
    return render(request, "crm/parts/_post_phone.html", context)


def _edit(request: HttpRequest, viewer: Viewer, post: Post | None) -> HttpResponse:
    now = timezone.now()
    if request.method == "POST":
        return _pressed(request, viewer, post, now=now)
    form = PostForm(viewer, post)
    inputs = inputs_of(post.content.attachments if post else [])
    if post is None and request.GET.get("kind") in PostKind.values:
        form.initial["kind"] = request.GET["kind"]
    if post is None and (chosen := whole_number(request.GET.get("content"))):
        content = content_for(viewer, chosen)
        form.initial.update(typed_from(content))
        inputs = inputs_of(content.attachments)
    return _page(request, form, ScheduleForm(now, initial=typed_time(post)), inputs=inputs)


def _pressed(
    request: HttpRequest, viewer: Viewer, post: Post | None, *, now: datetime
) -> HttpResponse:
    """Change the attachments, or take the post; what is typed is judged only then."""
    go, inputs = request.POST.get("go", ""), _lists_of(request.POST)
    as_typed = _as_typed(request, viewer, post, now=now)
    try:
        inputs = after_button(go, inputs, request, viewer, now=now)
    except RuleBroken as error:
        return _page(request, *as_typed, inputs=inputs, attaching=str(error), status=400)
    if is_about_attachments(go):
        return _page(request, *as_typed, inputs=inputs)
    data = request.POST.copy()
    for name in INPUTS:
        data.setlist(name, inputs.get(name, []))
    return _take(request, PostForm(viewer, post, data), ScheduleForm(now, data))


def _as_typed(
    request: HttpRequest, viewer: Viewer, post: Post | None, *, now: datetime
) -> tuple[PostForm, ScheduleForm]:
    """Return what was typed, without judging it."""
    form = PostForm(viewer, post, initial=typed_in(request.POST))
    return form, ScheduleForm(now, initial=request.POST.dict())


def _lists_of(data: QueryDict) -> Typed:
    return {name: [str(value) for value in values] for name, values in data.lists()}


def _take(request: HttpRequest, form: PostForm, schedule: ScheduleForm) -> HttpResponse:
    """Write the post, and let it go out if asked; refused, everything stays as typed."""
    at_once = request.POST.get("go") == "schedule"
    if not at_once:
        _excuse_no_time(schedule)
    if not form.is_valid() or not schedule.is_valid():
        return _page(request, form, schedule, status=400)
    send_at = schedule.cleaned_data.get("send_at")
    in_mind = send_at if schedule.cleaned_data["when"] == "later" else None
    refused: forms.Form = form
    try:
        with transaction.atomic():
            post = form.write(send_at=in_mind, now=schedule.now)
            refused = schedule
            if at_once:
                check_post_reach(post, form.viewer)
                schedule_post(
                    post,
                    send_at=send_at or schedule.now,
                    actor=form.viewer.staff,
                    now=schedule.now,
                )
    except RuleBroken as error:
        refused.add_error(None, str(error))
        return _page(request, form, schedule, status=400)
    except MovedOn as error:
        return _page(request, form, schedule, status=409, refusal=str(error))
    messages.success(request, _said(post, now=schedule.now))
    return redirect("post_page", pk=post.pk)


def _excuse_no_time(schedule: ScheduleForm) -> None:
    """A draft may leave its time open."""
    if not schedule.is_valid() and not schedule.data.get("send_at"):
        schedule.errors.pop("send_at", None)


def _said(post: Post, *, now: datetime) -> str:
    if post.state == PostState.DRAFT:
        return _("Kept as a draft. Nothing goes out yet.")
    return _("Scheduled.") if post.send_at and post.send_at > now else _("It goes out now.")


def _page(
    request: HttpRequest,
    form: PostForm,
    schedule: ScheduleForm,
    *,
    inputs: Typed | None = None,
    attaching: str = "",
    status: int = 200,
    refusal: str = "",
) -> HttpResponse:
    context = {
        "attaching": attaching,
        **attachment_context(form.viewer, dict(lists_in(form.data)) if inputs is None else inputs),
        "post": form.post,
        "form": form,
        "schedule": schedule,
        "limits": LIMITS,
        "refusal": refusal,
        **_counted(form.viewer, _chosen(form)),
    }
    return render(request, "crm/post_form.html", context, status=status)


def _chosen(form: PostForm) -> QueryDict:
    """Return what is chosen on the form, as an address says it."""
    chosen = QueryDict(mutable=True)
    chosen["kind"] = str(form["kind"].value() or PostKind.GROUP)
    for name in SEVERAL:
        chosen.setlist(name, [str(value) for value in form[name].value() or []])
    return chosen


def _counted(viewer: Viewer, chosen: QueryDict) -> dict[str, Any]:
    form = PostForm(viewer, None, chosen)
    wrong = [error for name in COUNTED for error in form.errors.get(name, [])]
    if wrong:
        return {"why": wrong, "is_before": True}
    data = form.cleaned_data
    stores = [store.pk for store in data["stores"]]
    reach = reach_ahead(PostKind(data["kind"]), stores, data["tags"])
    return {"reach": reach, "is_before": True}
