"""Notices: what a person should know, newest first."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from contacts.actions.notices import mark_read
from contacts.notice_words import SHOWN
from crm.access import notices_of, viewer_of
from crm.notice_links import place_of
from crm.paging import page_of, whole_number

PAGE_SIZE = 30


@login_required
@require_GET
def notice_list(request: HttpRequest) -> HttpResponse:
    """List the viewer's notices, newest first."""
    found = notices_of(viewer_of(request)).select_related(*SHOWN)
    if after := whole_number(request.GET.get("after")):
        found = found.filter(pk__lt=after)
    return render(
        request, "crm/notice_list.html", {"page": page_of(found.order_by("-pk"), PAGE_SIZE)}
    )


@login_required
@require_POST
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark a notice as read, and go to what it is about."""
    viewer = viewer_of(request)
    notice = get_object_or_404(notices_of(viewer), pk=pk)
    mark_read(notices_of(viewer).filter(pk=pk), now=timezone.now())
    return redirect(place_of(notice, viewer))


@login_required
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark everything as read."""
    mark_read(notices_of(viewer_of(request)), now=timezone.now())
    return redirect("notice_list")
