"""Segments: the list, the page of one, and what is done with it there."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from campaigns.actions.drafts import draft_of, keep_draft
from campaigns.actions.segments import archive_segment, freeze_segment
from campaigns.models import Segment
from campaigns.segments import within_patience
from contacts.enums import Role
from contacts.errors import MovedOn, RuleBroken
from crm.access import Viewer, members_of, segment_for, segments_of, viewer_as
from crm.audiences import narrowed
from crm.forms.segments import FreezeForm
from crm.paging import page_of, search_words, whole_number
from crm.segment_counts import count_now, with_counts
from crm.segment_words import words_of
from crm.views.customers import CARRIED
from crm.views.refusals import press

LIST_SIZE = 25
MEMBERS_SIZE = 25
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "rules": (gettext_lazy("Rules"), {"is_static": False, "created_by__isnull": False}),
    "lists": (gettext_lazy("Static lists"), {"is_static": True}),
    "campaigns": (gettext_lazy("Made by campaigns"), {"created_by": None}),
}


@login_required
@require_GET
def segment_list(request: HttpRequest) -> HttpResponse:
    """List the segments at hand, newest first, by kind, author and words."""
    viewer = viewer_as(request, Role.MARKETER)
    kind, mine = request.GET.get("kind", ""), bool(request.GET.get("mine"))
    words = search_words(request.GET.get("q"))
    found = segments_of(viewer).select_related("created_by")
    if kind in KINDS:
        found = found.filter(**KINDS[kind][1])
    if mine:
        found = found.filter(created_by=viewer.staff)
    if words:
        found = found.filter(name__icontains=words)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    page = page_of(found.order_by("-pk"), LIST_SIZE)
    context = {
        "rows": with_counts(viewer, page.rows),
        "last": page.last,
        "kind": kind,
        "kinds": [(name, label) for name, (label, _wanted) in KINDS.items()],
        "mine": mine,
        "words": words,
        "is_filtered": bool(kind in KINDS or mine or words or after),
    }
    return render(request, "crm/segment_list.html", context)


@login_required
@require_GET
def segment_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what the segment says, how many it describes and who they are."""
    viewer = viewer_as(request, Role.MARKETER)
    return _show(request, viewer, segment_for(viewer, pk))


def _show(
    request: HttpRequest,
    viewer: Viewer,
    segment: Segment,
    *,
    freeze: FreezeForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {
        "segment": segment,
        "freeze": freeze or FreezeForm(auto_id="freeze_%s"),
        "is_freezing": freeze is not None,
        "unfinished": draft_of(viewer.staff, None),
        "beyond": _beyond(segment, viewer),
    }
    try:
        context["said"] = words_of(segment.rule, viewer)
        context |= _members(request, viewer, segment)
    except RuleBroken as error:
        context["broken"] = str(error)
    return render(request, "crm/segment_page.html", context, status=status)


def _members(request: HttpRequest, viewer: Viewer, segment: Segment) -> dict[str, Any]:
    after = whole_number(request.GET.get("after"))
    found = members_of(viewer, segment).select_related("owner", "store").prefetch_related(CARRIED)
    if after:
        found = found.filter(pk__lt=after)
    return {
        "count": count_now(viewer, segment, now=timezone.now()),
        "page": within_patience(lambda: page_of(found.order_by("-pk"), MEMBERS_SIZE)),
        "after": after,
        "sees_others": True,
    }


def _beyond(segment: Segment, viewer: Viewer) -> str:
    """Say why no campaign of the person can go to this segment; empty if one can."""
    try:
        narrowed(segment.rule, viewer)
    except RuleBroken as error:
        return str(error)
    return ""


@login_required
@require_POST
def segment_freeze(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep whom the segment describes now as a static list, as far as the person sees them."""
    viewer = viewer_as(request, Role.MARKETER)
    segment = segment_for(viewer, pk)
    form = FreezeForm(request.POST, auto_id="freeze_%s")
    if form.is_valid():
        try:
            frozen = freeze_segment(
                segment,
                name=form.cleaned_data["name"],
                rule=narrowed(segment.rule, viewer),
                actor=viewer.staff,
                now=timezone.now(),
            )
        except RuleBroken as error:
            form.add_error("name", str(error))
        else:
            messages.success(request, _("Frozen: this list stays as it is now."))
            return redirect("segment_page", pk=frozen.pk)
    return _show(request, viewer, segment, freeze=form, status=400)


@login_required
@require_POST
def segment_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the segment out of the lists."""
    viewer = viewer_as(request, Role.MARKETER)
    segment = segment_for(viewer, pk)
    act = partial(archive_segment, segment, actor=viewer.staff, now=timezone.now())
    done = _("Archived. Campaigns and rules that name it go on.")
    return press(request, act, done=done, back=reverse("segment_list"))


@login_required
@require_POST
def segment_campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a campaign to this segment, or let the one that is unfinished go to it."""
    viewer = viewer_as(request, Role.MARKETER)
    segment = segment_for(viewer, pk)
    if why := _beyond(segment, viewer):
        messages.error(request, why)
        return redirect("segment_page", pk=pk)
    draft = draft_of(viewer.staff, None)
    typed = {"saved": [str(segment.pk)]}
    if draft is None:
        typed |= {"track_clicks": ["on"], "track_opens": ["on"]}
    seen = draft.version if draft else 0
    try:
        keep_draft(viewer.staff, None, typed, seen=seen, window="segment", now=timezone.now())
    except MovedOn as error:
        messages.warning(request, str(error))
        return redirect("segment_page", pk=pk)
    said = _("Your campaign goes to “%(name)s”. Write its message next.")
    messages.success(request, said % {"name": segment.name})
    return redirect("campaign_new")
