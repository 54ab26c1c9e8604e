"""Posts: the list, and the page on which one is scheduled, watched and steered."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from campaigns.actions.posts.following import refresh_post, remind_post
from campaigns.actions.posts.life import cancel_post, schedule_post, unschedule_post
from campaigns.enums import POST_MOVES, PostKind, PostState, ReactionKind, TargetState
from campaigns.models import Post
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import post_for, posts_of, reactions_to, viewer_as
from crm.audiences import check_post_reach
from crm.forms.posts import typed_time
from crm.forms.schedule import ScheduleForm
from crm.paging import page_of, search_words, whole_number
from crm.post_queries import (
    ADVICE,
    PostReach,
    reach_ahead,
    reach_so_far,
    reactions_of,
    reasons_of,
    refused_shares,
    shown_attachments,
    state_word,
    targets_of,
    with_targets,
)
from crm.queries import POSTS_UNDER_WAY
from crm.views.refusals import moved_on, press

LIST_SIZE = 25
TARGETS_SIZE = 50
OUT = (PostState.SENDING, PostState.WAITING)


@login_required
@require_GET
def post_list(request: HttpRequest) -> HttpResponse:
    """List posts, newest first, by kind, state, author and words; how far each one got."""
    viewer = viewer_as(request, Role.MARKETER)
    state, kind = request.GET.get("state", ""), request.GET.get("kind", "")
    words, mine = search_words(request.GET.get("q")), bool(request.GET.get("mine"))
    found = posts_of(viewer).select_related("content", "created_by")
    if state in PostState.values:
        found = found.filter(state=state)
    if kind in PostKind.values:
        found = found.filter(kind=kind)
    if mine:
        found = found.filter(created_by=viewer.staff)
    if words:
        found = found.filter(Q(name__icontains=words) | Q(content__text__icontains=words))
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), LIST_SIZE)
    context = {
        "rows": with_targets(page.rows),
        "last": page.last,
        "state": state,
        "kind": kind,
        "mine": mine,
        "words": words,
        "is_filtered": bool(state or kind or mine or words),
        "states": PostState.choices,
        "kinds": PostKind.choices,
    }
    return render(request, "crm/post_list.html", context)


@login_required
@require_GET
def post_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one post: what it says, who sends it, how far it is, and what can be done now."""
    return _show(request, post_for(viewer_as(request, Role.MARKETER), pk))


def _show(
    request: HttpRequest, post: Post, *, schedule: ScheduleForm | None = None, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        **_progress(post),
        "schedule": schedule or ScheduleForm(timezone.now(), initial=typed_time(post)),
        "zone": timezone.get_current_timezone_name(),
        "attachments": shown_attachments(post.kind, post.enclosed),
        "stores": post.stores.order_by("name", "pk"),
        "tags": post.tags.order_by("name", "pk"),
    }
    if post.planned_at is not None:
        context |= _targets(request, post)
    if "reach" in request.GET:
        context["reach"] = _reach(post)
    return render(request, "crm/post_page.html", context, status=status)


def _targets(request: HttpRequest, post: Post) -> dict[str, Any]:
    state, words = request.GET.get("state", ""), search_words(request.GET.get("q"))
    after = whole_number(request.GET.get("after"))
    page = page_of(targets_of(post, state=state, words=words, after=after), TARGETS_SIZE)
    return {
        "targets": [(row, state_word(post.kind, row.state)) for row in page.rows],
        "last": page.last,
        "after": after,
        "words": words,
        "state": state if state in TargetState.values else "",
        "target_states": [state_word(post.kind, state) for state in TargetState],
    }


def _progress(post: Post) -> dict[str, Any]:
    """Everything that moves while the post is under way."""
    state = PostState(post.state)
    (row,) = with_targets([post])
    reactions = reactions_of(post) if row.sent and post.kind == PostKind.MOMENT else None
    moves = POST_MOVES[state]
    return {
        "post": post,
        "row": row,
        "is_group": post.kind == PostKind.GROUP,
        "is_before": post.planned_at is None,
        "stand": "-".join(str(n) for n in row.states.values()),
        "unclear": row.states[TargetState.UNCLEAR],
        "refused": refused_shares(post),
        "reasons": [
            (kind, reason, n, ADVICE.get(reason, "")) for kind, reason, n in reasons_of(post)
        ],
        "is_live": state in POSTS_UNDER_WAY,
        "may_edit": state == PostState.DRAFT,
        "may_schedule": PostState.SCHEDULED in moves,
        "may_unschedule": PostState.DRAFT in moves,
        "may_cancel": PostState.CANCELLED in moves,
        "reactions": reactions,
        "may_ask": state in OUT or bool(reactions and reactions.goes_on),
        "may_remind": state in OUT and post.kind == PostKind.GROUP,
    }


def _reach(post: Post) -> PostReach:
    if post.planned_at is not None:
        return reach_so_far(post)
    stores = list(post.stores.values_list("pk", flat=True))
    tags = list(post.tags.values_list("pk", flat=True))
    return reach_ahead(PostKind(post.kind), stores, tags)


@login_required
@require_GET
def post_progress_part(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part; when the state has changed since the page, ask for the whole page."""
    post = post_for(viewer_as(request, Role.MARKETER), pk)
    context = _progress(post)
    response = render(request, "crm/parts/_post_progress.html", context)
    if request.GET.get("stand", context["stand"]) != context["stand"]:
        response["HX-Trigger"] = "post-moved"
    if post.state != request.GET.get("was", post.state):
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_GET
def post_reactions(request: HttpRequest, pk: int) -> HttpResponse:
    """Show who commented on a moment and who likes it, page by page, of one kind if asked."""
    viewer = viewer_as(request, Role.MARKETER)
    post = post_for(viewer, pk)
    kind = request.GET.get("state", "")
    found = reactions_to(viewer, post)
    if kind in ReactionKind.values:
        found = found.filter(kind=kind)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), TARGETS_SIZE)
    context = {
        "post": post,
        "counts": reactions_of(post).counts,
        "rows": page.rows,
        "last": page.last,
        "state": kind if kind in ReactionKind.values else "",
        "states": [(ReactionKind.COMMENT, _("comments")), (ReactionKind.LIKE, _("likes"))],
        "sees_all": viewer.stores_for() is None,
    }
    return render(request, "crm/post_reactions.html", context)


@login_required
@require_GET
def post_reach(request: HttpRequest, pk: int) -> HttpResponse:
    """Return whom the post would reach if it were planned now, or has reached so far."""
    post = post_for(viewer_as(request, Role.MARKETER), pk)
    context = {"reach": _reach(post), "is_before": post.planned_at is None}
    return render(request, "crm/parts/_post_reach.html", context)


@login_required
@require_POST
def post_schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Let the post go out, now or later."""
    viewer = viewer_as(request, Role.MARKETER)
    post = post_for(viewer, pk)
    now = timezone.now()
    form = ScheduleForm(now, request.POST)
    if not form.is_valid():
        return _show(request, post, schedule=form, status=400)
    send_at = form.cleaned_data["send_at"]
    try:
        check_post_reach(post, viewer)
        schedule_post(post, send_at=send_at, actor=viewer.staff, now=now)
    except RuleBroken as error:
        form.add_error(None, str(error))
        return _show(request, post, schedule=form, status=400)
    except MovedOn as error:
        return moved_on(request, error, back=_address(post))
    messages.success(request, _("Scheduled.") if send_at > now else _("It goes out now."))
    return redirect(_address(post))


@login_required
@require_POST
def post_unschedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a scheduled post a draft again."""
    return _press(request, pk, unschedule_post, _("A draft again; nothing goes out."))


@login_required
@require_POST
def post_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send nothing more, and withdraw what staff have not confirmed or published yet."""
    return _press(request, pk, cancel_post, _("Cancelled. Nothing more goes out."))


@login_required
@require_POST
def post_remind(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the owners of chats who have not confirmed once more."""
    viewer = viewer_as(request, Role.MARKETER)
    post = post_for(viewer, pk)
    try:
        shares = remind_post(post, actor=viewer.staff, now=timezone.now())
    except RuleBroken as error:
        messages.error(request, str(error))
    else:
        said = ngettext("Reminded about %(n)s message.", "Reminded about %(n)s messages.", shares)
        messages.success(request, said % {"n": shares})
    return redirect(_address(post))


@login_required
@require_POST
def post_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Have WeCom asked now how far the post is."""
    post = post_for(viewer_as(request, Role.MARKETER), pk)
    act = partial(refresh_post, post, now=timezone.now())
    return press(request, act, done=_("WeCom is being asked."), back=_address(post))


def _address(post: Post) -> str:
    return reverse("post_page", args=[post.pk])


def _press(request: HttpRequest, pk: int, action: Callable[..., object], done: str) -> HttpResponse:
    viewer = viewer_as(request, Role.MARKETER)
    post = post_for(viewer, pk)
    act = partial(action, post, actor=viewer.staff, now=timezone.now())
    return press(request, act, done=done, back=_address(post))
